"""Slopes over sizes by hand, and intervals that know what is resampled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.metrics.scaling import halves, shape, slope, slope_interval


def test_a_slope_by_hand() -> None:
    """x = 3, 4, 5 about 4, y = 1, 2, 6: (-1 * 1 + 1 * 6) / 2 = 2.5."""
    assert slope([1e3, 1e4, 1e5], np.array([1.0, 2.0, 6.0])) == pytest.approx(2.5)
    assert slope([1e3, 1e4, 1e5], np.array([[1.0, 2.0, 6.0], [0.0, 0.0, 0.0]])).tolist() == pytest.approx([2.5, 0.0])


@given(st.floats(-3, 3), st.floats(-5, 5), st.integers(2, 6))
def test_a_line_has_its_own_slope(rise: float, start: float, sizes: int) -> None:
    x = np.arange(sizes)
    assert slope((10.0 ** (3 + x / 2)).tolist(), start + rise * (x / 2)) == pytest.approx(rise, abs=1e-6)


def test_one_size_has_no_slope() -> None:
    with pytest.raises(ValueError, match="two different sizes"):
        slope([100, 100], np.zeros(2))


def test_the_interval_resamples_examples_and_seeds() -> None:
    """What every example and every seed agrees on has no width; what one seed says alone has that of seeds."""
    examples, seeds = ["a", "b", "c", "d"] * 2, [0] * 4 + [1] * 4
    sure = np.stack([np.zeros(8), np.ones(8)])
    assert slope_interval([10, 100], sure, examples, seeds) == (1.0, (1.0, 1.0))
    split = np.stack([np.zeros(8), np.array([1.0] * 4 + [0.0] * 4)])
    value, interval = slope_interval([10, 100], split, examples, seeds)
    assert value == 0.5 and interval == (0.0, 1.0)
    noisy = np.stack([np.zeros(8), np.array([1.0, 0.0, 1.0, 0.0] * 2)])
    value, interval = slope_interval([10, 100], noisy, examples, seeds)
    assert value == 0.5 and interval is not None and 0 <= interval[0] < 0.5 < interval[1] <= 1


def test_halves_and_shapes() -> None:
    sizes = [1, 2, 3, 4, 5]
    assert [sizes[part] for part in halves(sizes)] == [[1, 2, 3], [3, 4, 5]]
    assert [sizes[:4][part] for part in halves(sizes[:4])] == [[1, 2], [3, 4]]
    assert shape((-2.0, -1.0), (0.5, 1.0)) == "U" and shape((0.1, 1.0), (-1.0, -0.1)) == "inverted U"
    assert shape((-2.0, 0.1), (0.5, 1.0)) == shape((-2.0, -1.0), (-0.5, -0.1)) == shape(None, (0.5, 1.0)) == ""
