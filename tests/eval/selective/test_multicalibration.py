"""The worst group is mended first, by hand; what another fold does not confirm is not kept."""

from __future__ import annotations

import numpy as np
import pytest

from eval.metrics.group_calibration import worst_ece
from eval.selective.multicalibration import Fold, Line, Multicalibrator, Shift, worst_cell, worst_group

RIGHT = np.repeat([True, False], 20)
MEMBERS = np.column_stack([np.ones(40, dtype=bool), RIGHT, ~RIGHT])  # all, the right ones, the wrong ones
FOLD = Fold(np.full(40, 0.55), RIGHT, MEMBERS)


def test_ighb_by_hand() -> None:
    # Worth .05^2 of all, .45^2 and .55^2 of half.
    assert worst_cell(FOLD) == Shift(2, 5, pytest.approx(-0.55))
    fitted = Multicalibrator.fit(worst_cell, FOLD, FOLD)
    # Of all, only the right ones are left at that level: the first of equal groups is taken.
    assert fitted.patches == (Shift(2, 5, pytest.approx(-0.55)), Shift(0, 5, pytest.approx(0.45)))
    assert fitted.apply(FOLD.confidence, MEMBERS) == pytest.approx(RIGHT.astype(float))


def test_gaps_count_squared() -> None:
    """.2 (.5)^2 is more than .8 (.2)^2, though .2 x .5 is less than .8 x .2."""
    right = np.array([True] * 56 + [False] * 44)
    large = np.arange(100) < 80
    found = worst_cell(Fold(np.full(100, 0.5), right, np.column_stack([large, ~large])))
    assert found == Shift(1, 5, pytest.approx(-0.5))


def test_without_groups_only_the_mean_is_mended() -> None:
    whole = FOLD._replace(members=MEMBERS[:, :1])
    found = Multicalibrator.fit(worst_cell, whole, whole).apply(whole.confidence, whole.members)
    assert found == pytest.approx(np.full(40, 0.5))
    assert worst_ece(found, RIGHT, MEMBERS) == pytest.approx(0.5)


def test_iglb_moves_the_mean_of_the_group_by_a_line() -> None:
    right = np.array(([True] * 10 + [False] * 10) * 2)
    fold = Fold(np.repeat([0.9, 0.5], 20), right, np.column_stack([np.repeat([True, False], 20)] * 2))
    line = worst_group(fold)
    assert isinstance(line, Line) and line.group == 0
    found = line.apply(fold.confidence, fold.members)
    assert found[:20] == pytest.approx(np.full(20, 0.5), abs=0.05) and found[20:] == pytest.approx(np.full(20, 0.5))


@pytest.mark.parametrize("propose", [worst_cell, worst_group])
def test_what_the_second_fold_denies_is_not_kept(propose) -> None:
    assert Multicalibrator.fit(propose, FOLD, FOLD._replace(correct=~RIGHT)).patches == ()


def test_small_cells_and_small_gaps_are_let_be() -> None:
    few = Fold(FOLD.confidence[:19], RIGHT[:19], MEMBERS[:19])
    assert worst_cell(few) is None and worst_group(few) is None
    near = FOLD._replace(confidence=np.full(40, 0.5), members=MEMBERS[:, :1])
    assert worst_cell(near) is None and worst_group(near) is None


def test_patches_are_applied_in_their_order() -> None:
    moved = Multicalibrator((Shift(0, 5, 0.2), Shift(0, 7, 0.1)))
    assert moved.apply([0.55], np.ones((1, 1), dtype=bool)) == pytest.approx([0.85])
    assert Multicalibrator(moved.patches[::-1]).apply([0.55], np.ones((1, 1), dtype=bool)) == pytest.approx([0.75])
    assert Multicalibrator((Shift(0, 9, 0.5),)).apply([1.0], np.ones((1, 1), dtype=bool)) == pytest.approx([1.0])


def test_groups_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="groups of each of 40"):
        Multicalibrator.fit(worst_cell, FOLD._replace(members=MEMBERS[:3]), FOLD)
