"""The two-way check is a plain log-probability, whatever is beside it in the batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from data.pipeline.identifiers import Identifiers
from data.pipeline.tokenizer import Tokenizer
from eval.answerers.lm_answerer import LMAnswerer
from eval.signals.bidirectional import bidirectional_check, lp_statement_given_id
from model.generate import Context, pad_left, read, read_on
from model.transformer import Transformer

STATEMENTS = [
    ["Ada Moss was born in Oslo.", "The city where Ada Moss was born is Oslo."],
    ["Ben Lark works at Corp."],
    ["Ada Moss studied law.", "Law was what Ada Moss studied.", "Ada Moss has a degree in law."],
]
SOURCES = [np.array([9, 11], dtype=np.int32), None, np.array([12], dtype=np.int32)]


@torch.no_grad()
def one_by_one(model: Transformer, tokenizer: Tokenizer, statement: str, source: np.ndarray | None) -> float:
    (text,) = tokenizer.encode([statement])
    prefix = [tokenizer.doc] + ([] if source is None else [tokenizer.src, *source.tolist(), tokenizer.end_src])
    tokens = torch.tensor([[*prefix, *text.tolist()]])
    scores = model(tokens, torch.arange(tokens.shape[1])[None])[0].double().log_softmax(-1)
    return sum(float(scores[i - 1, tokens[0, i]]) for i in range(len(prefix), tokens.shape[1]))


@pytest.mark.parametrize("batch", [1, 4, 256])
def test_the_check_is_the_probability_of_any_wording(
    make_model: Callable[..., Transformer], tokenizer: Tokenizer, batch: int
) -> None:
    model = make_model()
    answerer = LMAnswerer(model, tokenizer, Identifiers(("d",), [tokenizer.codes[:2]]), batch=batch)
    found = lp_statement_given_id(answerer, STATEMENTS, SOURCES)
    for score, wordings, source in zip(found, STATEMENTS, SOURCES, strict=True):
        expected = logsumexp([one_by_one(model, tokenizer, wording, source) for wording in wordings])
        assert score == pytest.approx(expected, abs=1e-4)


@torch.no_grad()
def test_the_footnote_sees_its_sentence_only_and_cites(
    make_model: Callable[..., Transformer], tokenizer: Tokenizer
) -> None:
    """log P(identifier | statement) as decoding has it, where the footnote is read after its sentence."""
    model = make_model()
    given = [(statements, source) for statements, source in zip(STATEMENTS, SOURCES, strict=True) if source is not None]
    answerer = LMAnswerer(model, tokenizer, Identifiers(("d",), [tokenizer.codes[:2]]), batch=2)
    found = bidirectional_check(answerer, [s for s, _ in given], [i for _, i in given])
    for place, (statements, source) in enumerate(given):
        expected, alone = [], []
        for statement in statements:
            (text,) = tokenizer.encode([statement])
            context = Context.empty(model, 1)
            read_on(model, context, *pad_left([[tokenizer.doc, *text.tolist()]], torch.device("cpu")))
            context.seen = context.seen & (context.seen.cumsum(1) > 1)
            note = torch.tensor([[tokenizer.src, *source.tolist()]])
            logits = read(model, context, note, torch.ones_like(note, dtype=torch.bool))[0].double().log_softmax(-1)
            following = [*source.tolist(), tokenizer.end_src]
            expected.append(sum(float(logits[i, token]) for i, token in enumerate(following)))
            alone.append(one_by_one(model, tokenizer, statement, None))
        assert found.lp_id_given_statement[place] == pytest.approx(np.mean(expected), abs=1e-4)
        assert found.lp_statement[place] == pytest.approx(logsumexp(alone), abs=1e-4)
    assert found.lp_statement_given_id == pytest.approx(
        lp_statement_given_id(answerer, [s for s, _ in given], [i for _, i in given])
    )
