"""Similarity by hand, and what a metric has to be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from eval.metrics.divergence import similarity

WEIGHTS = st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any)


def test_by_hand() -> None:
    """Of (1, 0) and (.5, .5): H(.75, .25) - .5 = .8113 - .5 = .3113 bits."""
    expected = 1 - math.sqrt(2 - 0.75 * math.log2(3) - 0.5)
    assert similarity([1.0, 0.0], [0.5, 0.5]) == pytest.approx(expected)
    assert similarity([[1.0, 0.0], [0.3, 0.7]], [[0.0, 1.0], [0.3, 0.7]]).tolist() == pytest.approx([0.0, 1.0])


@given(WEIGHTS, WEIGHTS)
def test_symmetric_in_bounds_and_scipys(one: list[int], other: list[int]) -> None:
    p, q = np.array(one) / sum(one), np.array(other) / sum(other)
    assert similarity(p, q) == similarity(q, p) and 0 <= similarity(p, q) <= 1
    assert similarity(p, q) == pytest.approx(1 - jensenshannon(p, q, base=2), abs=1e-6)
