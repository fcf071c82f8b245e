"""Rows are read side by side as far as memory goes, each once, and what is beside one changes nothing."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.answerers import likelihoods
from eval.answerers.likelihoods import AT_ONCE, side_by_side, token_log_probs
from model.transformer import Transformer


@given(st.lists(st.integers(0, 5000), max_size=60), st.integers(1, 9), st.sampled_from([1_000, 49_152, 10**9]))
def test_every_row_once_and_no_more_at_once_than_fit(lengths: list[int], batch: int, vocabulary: int) -> None:
    chunks = list(side_by_side(lengths, batch, vocabulary))
    assert sorted(row for chunk in chunks for row in chunk) == list(range(len(lengths)))
    for chunk in chunks:
        logits = len(chunk) * max(lengths[row] for row in chunk) * vocabulary
        assert len(chunk) <= batch and (len(chunk) == 1 or logits <= AT_ONCE)
    assert all(len(chunk) == batch for chunk in chunks[:-1] if vocabulary == 1_000 and max(lengths) < 100)


def test_few_at_once_are_scored_as_all(make_model: Callable[..., Transformer], monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(vocab_size=120)
    rows = [([5] * (1 + i % 4), list(range(10, 12 + i))) for i in range(9)]
    expected = token_log_probs(model, rows)
    monkeypatch.setattr(likelihoods, "AT_ONCE", 120 * 15)
    found = token_log_probs(model, rows)
    for few, every in zip(found, expected, strict=True):
        np.testing.assert_allclose(few, every, atol=1e-5)
