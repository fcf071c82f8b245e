"""Bounds of a share that was seen to be 0 or 1, where a bootstrap has no width.

What never happened in n trials still may happen to 3 / n of all, at 95%: the rule of three (Hanley and Lippman-Hand,
*If nothing goes wrong, is everything all right?*, JAMA 249, 1983). It takes the trials for independent. Questions on
one entity are not quite, so that the true bound is rather wider.
"""

from __future__ import annotations

from collections.abc import Sequence

from eval.metrics.statistics import Interval

TRIALS = 3.0  # -log(1 - 0.95), rounded up


def bounds(value: float, interval: Sequence[float] | None, n: int | None = None) -> Interval | None:
    """The 95% bounds to show beside a value: its interval, or the rule of three's for a share of n that is 0 or 1.

    Args:
        value: a share of n items in [0, 1]; whatever else it is, when n is None.
        interval: [low, high] of a bootstrap, None for none.
        n: of how many items it is a share; None when it is no share, or when that is unknown.
    """
    if n and value in (0.0, 1.0):
        reach = min(1.0, TRIALS / n)
        return (0.0, reach) if value == 0.0 else (1.0 - reach, 1.0)
    return (interval[0], interval[1]) if interval else None
