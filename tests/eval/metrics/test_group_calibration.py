"""By hand; the worst of overlapping groups, of which resampling may leave none."""

from __future__ import annotations

import numpy as np
import pytest

from eval.metrics.group_calibration import ece_of_groups, worst_ece

C, R = np.array([0.9, 0.9, 0.1, 0.1]), np.array([True, False, False, False])
MEMBERS = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]], dtype=bool)


def test_by_hand() -> None:
    found = ece_of_groups(C, R, MEMBERS)
    assert found[:2] == pytest.approx([(0.8 + 0.2) / 4, 0.8 / 2]) and np.isnan(found[2])
    assert worst_ece(C, R, MEMBERS) == pytest.approx(0.4)


def test_a_draw_without_a_group_goes_by_the_others() -> None:
    draws = np.array([[1, 1, 1, 1], [0, 0, 1, 1.0]])
    assert worst_ece(C, R, MEMBERS, draws) == pytest.approx([0.4, 0.1])


def test_calibrated_on_the_whole_is_not_calibrated_in_groups() -> None:
    confidence, right = np.full(40, 0.5), np.repeat([True, False], 20)
    members = np.column_stack([np.ones(40, dtype=bool), right])
    assert ece_of_groups(confidence, right, members) == pytest.approx([0.0, 0.5])


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="groups of each of 4"):
        worst_ece(C, R, MEMBERS[:2])
