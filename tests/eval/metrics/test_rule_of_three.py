"""The rule of three stands in for a bootstrap that has no width, and only there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.metrics.rule_of_three import bounds


@pytest.mark.parametrize(
    ("value", "interval", "n", "expected"),
    [
        (0.0, [0.0, 0.0], 60, (0.0, 0.05)),
        (1.0, [1.0, 1.0], 60, (0.95, 1.0)),
        (1.0, None, 2, (0.0, 1.0)),  # 3 / 2 of all is all
        (1.0, [1.0, 1.0], None, (1.0, 1.0)),  # of how many is not known
        (0.0, None, 0, None),
        (0.5, [0.25, 0.75], 60, (0.25, 0.75)),
        (0.5, None, 60, None),
    ],
)
def test_by_hand(value, interval, n, expected) -> None:
    assert bounds(value, interval, n) == (None if expected is None else pytest.approx(expected))


@given(st.integers(min_value=20, max_value=10_000))
def test_what_lies_beyond_would_have_shown(n: int) -> None:
    """Were the share at the bound, n trials would show nothing once in twenty times, or a little less often."""
    found = bounds(0.0, None, n)
    assert found is not None
    assert 0.035 < (1 - found[1]) ** n < 0.05
