"""LDS by hand and against scipy, with scores that must fail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from eval.metrics.datamodelling import datamodelling_scores, predicted, spearman

SUBSETS = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1], [0, 0, 0]], dtype=bool)


def test_by_hand() -> None:
    """g of tau = 3, 2, 0 over the subsets is 5, 3, 2, 0; f in the order 4, 3, 1, 2: 1 - 6 * 2 / (4 * 15) = .8."""
    scores = np.array([[3.0, 2.0, 0.0]])
    assert predicted(scores, SUBSETS).T.tolist() == [[5.0, 3.0, 2.0, 0.0]]
    assert datamodelling_scores(scores, SUBSETS, np.array([[-1.0], [-2.0], [-9.0], [-4.0]])) == pytest.approx([0.8])


def test_a_source_in_half_of_the_subsets_reaches_less_than_one() -> None:
    """All on the first document: ranks 3.5, 3.5, 1.5, 1.5 against 4, 3, 2, 1 is 4 / sqrt(4 * 5)."""
    outputs = np.array([[-1.0], [-2.0], [-3.0], [-4.0]])
    assert datamodelling_scores(np.array([[1.0, 0.0, 0.0]]), SUBSETS, outputs) == pytest.approx([4 / np.sqrt(20)])


def test_who_points_to_the_wrong_document_fails() -> None:
    """Control: the answer hangs on document 0, the score on a document that no subset has, or on its rival."""
    outputs = np.where(SUBSETS[:, :1], -1.0, -5.0) + np.array([[0.0], [0.1], [0.0], [0.1]])
    right, wrong = np.array([[1.0, 0.0, 0.0]]), np.array([[-1.0, 0.0, 0.0]])
    assert datamodelling_scores(right, SUBSETS, outputs)[0] > 0.8
    assert datamodelling_scores(wrong, SUBSETS, outputs)[0] < -0.8
    assert np.isnan(datamodelling_scores(np.zeros((1, 3)), SUBSETS, outputs)[0])


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=9))
def test_equals_scipys(pairs: list[tuple[int, int]]) -> None:
    one, other = np.array(pairs, dtype=float).T
    found = spearman(one[:, None], other[:, None])[0]
    if len({*one}) > 1 and len({*other}) > 1:
        assert found == pytest.approx(spearmanr(one, other).statistic)
    else:
        assert np.isnan(found)
