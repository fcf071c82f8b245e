"""By hand, and near 0 where one confidence means the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from eval.metrics.grouping_loss import grouping_loss

ONE = np.zeros(8, dtype=np.int64)
RIGHT = np.array([1, 1, 1, 0, 0, 0, 0, 1], dtype=bool)


def test_by_hand() -> None:
    # Shares .75 and .25 around .5; by chance .1875 / 3 in either region, less .25 / 7 of the whole.
    found = grouping_loss([0.5] * 8, RIGHT, [*"aaaabbbb"], ONE)
    assert found == pytest.approx(0.25**2 - (0.0625 - 0.25 / 7))
    level = grouping_loss([0.5] * 8, RIGHT, [*"abababab"], ONE)  # both regions are half right
    assert level == pytest.approx(-(0.25 / 3 - 0.25 / 7))


def test_bins_are_apart_and_a_cell_of_one_is_left_out() -> None:
    bins = np.repeat([0, 1], 4)
    apart = grouping_loss(np.repeat([0.2, 0.8], 4), RIGHT, [*"aaaabbbb"], bins)
    assert apart == pytest.approx(0.0)  # in each bin there is one region only
    more = grouping_loss([0.5] * 9, [*RIGHT.tolist(), True], [*"aaaabbbbc"], np.zeros(9, dtype=np.int64))
    assert more == pytest.approx(grouping_loss([0.5] * 8, RIGHT, [*"aaaabbbb"], ONE))


def test_weights_count_items_and_draws_stand_side_by_side() -> None:
    twice = grouping_loss(np.full(16, 0.5), np.tile(RIGHT, 2), [*"aaaabbbb"] * 2, np.zeros(16, dtype=np.int64))
    weights = np.stack([np.ones(8), np.full(8, 2.0)])
    found = grouping_loss([0.5] * 8, RIGHT, [*"aaaabbbb"], ONE, weights)
    assert found == pytest.approx([grouping_loss([0.5] * 8, RIGHT, [*"aaaabbbb"], ONE), twice])


@pytest.mark.parametrize(("spread", "low", "high"), [(0.0, -0.003, 0.003), (0.2, 0.03, 0.05)])
def test_a_hidden_difference_is_found_and_none_where_there_is_none(spread: float, low: float, high: float) -> None:
    rng, n = np.random.default_rng(0), 20_000
    regions, bins = rng.integers(0, 5, n), rng.integers(0, 10, n)
    chance = 0.5 + spread * np.where(regions % 2, 1, -1)
    found = grouping_loss(np.full(n, 0.5), rng.random(n) < chance, regions.astype(str).tolist(), bins)
    assert low < found < high  # .2^2 of half the weight each, less what is shared


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="one region for each of 8"):
        grouping_loss([0.5] * 8, RIGHT, ["a"], ONE)
