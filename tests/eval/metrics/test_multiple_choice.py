"""Scores of choices by hand, and what they can't be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.metrics.multiple_choice import choice_scores

LOGS = st.lists(st.floats(-30, 0), min_size=2, max_size=5)


def test_two_examples_by_hand() -> None:
    """P = .3 and .1, the first right: loss -log(.3 / .4). P = .02, .05 and .01, the first and third right."""
    found = choice_scores(
        [np.log([0.3, 0.1]), np.log([0.02, 0.05, 0.01])],
        [[True, False], [True, False, True]],
    )
    assert found.correct.tolist() == [1.0, 0.0]
    assert found.loss.tolist() == pytest.approx([-math.log(0.75), -math.log(3 / 8)])
    assert found.log_prob.tolist() == pytest.approx([math.log(0.3), math.log(0.03)])
    assert np.exp(found.coverage).tolist() == pytest.approx([0.4, 0.08])


def test_equal_choices_cost_the_logarithm_of_their_number() -> None:
    assert choice_scores([np.full(4, -7.0)], [[False, True, False, False]]).loss[0] == pytest.approx(math.log(4))


@given(LOGS, st.data())
def test_loss_is_coverage_less_the_right_ones(logs: list[float], data: st.DataObject) -> None:
    right = data.draw(st.lists(st.booleans(), min_size=len(logs), max_size=len(logs)).filter(any))
    found = choice_scores([np.array(logs)], [right])
    assert found.loss[0] == pytest.approx(found.coverage[0] - found.log_prob[0]) and found.loss[0] >= -1e-12
    assert found.coverage[0] >= max(logs) - 1e-12


def test_an_example_without_a_right_choice_is_refused() -> None:
    with pytest.raises(ValueError, match="example 0 has no right choice among 2"):
        choice_scores([np.zeros(2)], [[False, False]])
