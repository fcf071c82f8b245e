"""The two-way check is a plain log-probability, whatever is beside it in the batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from data.tokenizer import Codec
from eval.two_way import log_told
from model.transformer import Transformer

STATEMENTS = [
    ["Ada Moss was born in Oslo.", "The city where Ada Moss was born is Oslo."],
    ["Ben Lark works at Corp."],
    ["Ada Moss studied law.", "Law was what Ada Moss studied.", "Ada Moss has a degree in law."],
]
SOURCES = [np.array([9, 11], dtype=np.int32), None, np.array([12], dtype=np.int32)]


@torch.no_grad()
def one_by_one(model: Transformer, codec: Codec, statement: str, source: np.ndarray | None) -> float:
    (text,) = codec.encode([statement])
    prefix = [codec.doc] + ([] if source is None else [codec.src, *source.tolist(), codec.end_src])
    tokens = torch.tensor([[*prefix, *text.tolist()]])
    scores = model(tokens, torch.arange(tokens.shape[1])[None])[0].double().log_softmax(-1)
    return sum(float(scores[i - 1, tokens[0, i]]) for i in range(len(prefix), tokens.shape[1]))


@pytest.mark.parametrize("batch", [1, 4, 256])
def test_the_check_is_the_probability_of_any_wording(
    make_model: Callable[..., Transformer], codec: Codec, batch: int
) -> None:
    model = make_model()
    found = log_told(model, codec, STATEMENTS, SOURCES, batch=batch)
    for score, wordings, source in zip(found, STATEMENTS, SOURCES, strict=True):
        expected = logsumexp([one_by_one(model, codec, wording, source) for wording in wordings])
        assert score == pytest.approx(expected, abs=1e-4)
