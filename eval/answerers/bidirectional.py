"""The two-way check: having answered and cited, does the cited document, opened from memory, say so?

Pretraining shows documents in both directions: text to identifier (the footnote), identifier to text (recall). So an
answer, restated in the corpus's own words, can be asked for log P(identifier | statement) and then, with the document
that its footnote cites, for log P(statement | identifier). No label of what it does not know is needed. Two forward
passes over short rows.

Shape letters: N statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import logsumexp

from data.pipeline.packing import collate
from data.pipeline.sample import TAG, TEXT, Part, Sample
from data.pipeline.tokenizer import Tokenizer
from model.attention import training_mask
from model.loss import token_nll
from model.transformer import Transformer


class BidirectionalCheck(NamedTuple):
    """Of N statements, float64 (N,), nats.

    Attributes:
        lp_statement_given_id: log P(statement | identifier), in any of its wordings: what the document, opened from
            memory, says.
        lp_id_given_statement: log P(identifier | statement), mean over the wordings: what the footnote of the statement
            cites.
        lp_statement: log P(statement), in any of its wordings: that any document begins so.
    """

    lp_statement_given_id: np.ndarray
    lp_id_given_statement: np.ndarray
    lp_statement: np.ndarray


def bidirectional_check(
    model: Transformer,
    tokenizer: Tokenizer,
    statements: Sequence[Sequence[str]],
    sources: Sequence[np.ndarray],
    batch: int = 256,
) -> BidirectionalCheck:
    """Check each statement, given in one or more wordings, against the identifier of a document (without marks)."""
    texts = _encoded(tokenizer, statements)
    noted = [_footnote(tokenizer, text, sources[item]) for item, text in texts]
    of_text, of_tag = log_probabilities(model, tokenizer, noted, batch)
    items = np.array([item for item, _ in texts])
    each = [items == item for item in range(len(statements))]
    return BidirectionalCheck(
        lp_statement_given_id(model, tokenizer, statements, sources, batch),
        np.array([of_tag[here].mean() for here in each]),
        np.array([logsumexp(of_text[here]) for here in each]),
    )


def lp_statement_given_id(
    model: Transformer,
    tokenizer: Tokenizer,
    statements: Sequence[Sequence[str]],
    sources: Sequence[np.ndarray | None],
    batch: int = 256,
) -> np.ndarray:
    """Log-probability that a document begins with the statement, in any of its wordings: float64 (N,), nats.

    Args:
        statements: for each item its wordings, at least one.
        sources: for each item the identifier of the document, without marks; None for a document without a tag.
    """
    texts = _encoded(tokenizer, statements)
    recalled = [_recall(tokenizer, text, sources[item]) for item, text in texts]
    of_text, _ = log_probabilities(model, tokenizer, recalled, batch)
    items = np.array([item for item, _ in texts])
    return np.array([logsumexp(of_text[items == item]) for item in range(len(statements))])


def _encoded(tokenizer: Tokenizer, statements: Sequence[Sequence[str]]) -> list[tuple[int, np.ndarray]]:
    flat = [(item, wording) for item, wordings in enumerate(statements) for wording in wordings]
    texts = tokenizer.encode([wording for _, wording in flat])
    return [(item, text) for (item, _), text in zip(flat, texts, strict=True)]


def _recall(tokenizer: Tokenizer, text: np.ndarray, source: np.ndarray | None) -> Sample:
    tag = [] if source is None else [tokenizer.src, *source.tolist(), tokenizer.end_src]
    return Sample(
        [Part((tokenizer.doc,), learn=False), Part(tag, TAG, learn=False), Part(text, span=0)], tokenizer.end_src
    )


def _footnote(tokenizer: Tokenizer, text: np.ndarray, source: np.ndarray) -> Sample:
    note = Part([tokenizer.src, *source.tolist()], TAG, note=True, span=0)
    return Sample([Part((tokenizer.doc,), learn=False), Part(text, span=0), note], tokenizer.end_src)


@torch.inference_mode()
def log_probabilities(
    model: Transformer, tokenizer: Tokenizer, samples: Sequence[Sample], batch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of each sample's parts of kind `TEXT`, and of kind `TAG`: float64 (N,) each, nats.

    One sample a row, laid out as in training.
    """
    device = model.embed_tokens.weight.device
    order = sorted(range(len(samples)), key=lambda i: len(samples[i]))
    found = np.zeros((2, len(samples)))
    for start in range(0, len(order), batch):
        chunk = order[start : start + batch]
        width = len(samples[chunk[-1]])
        rows = collate([[samples[i]] for i in chunk], width, tokenizer.pad).to(device)
        mask = training_mask(rows.doc, rows.span, rows.note)
        nll = token_nll(model, rows.tokens, rows.positions, rows.targets, mask).double()
        for place, kind in enumerate((TEXT, TAG)):
            found[place, chunk] = -(nll * (rows.kind == kind)).sum(1).cpu().numpy()
    return found[0], found[1]
