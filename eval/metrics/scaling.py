"""Does a figure rise or fall with the size of the model? A slope over log10 of the sizes, with an interval.

Of S models of different sizes, all trained on the same data, each figure is a mean over the same items (examples of
several runs each); the slope is that of least squares through these means:

    slope = sum (x - mean x)(y - mean y) / sum (x - mean x)^2,  x = log10 of the size

so the change for ten times as many parameters. Its interval resamples examples and seeds, each for themselves, and
leaves the sizes as they are (`crossed_draws`). A curve is called U-shaped, or one on its head, only where the slopes
of both of its halves, which share the middle size, exclude 0 and point apart.

Shape letters: S sizes, N items.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

from eval.metrics.statistics import Floats, Interval, crossed_draws, percentile_interval


def slope(sizes: Sequence[float], means: Floats) -> Floats:
    """Of means [..., S] over log10 of the sizes: [...]. Raises ValueError for fewer than two different sizes."""
    x = np.log10(np.asarray(sizes, dtype=np.float64))
    x = x - x.mean()
    if not (x @ x) > 0:
        raise ValueError(f"a slope needs two different sizes, not {', '.join(map(str, sizes))}")
    found: Floats = means @ x / (x @ x)
    return found


def slope_interval(
    sizes: Sequence[float], values: Floats, examples: Sequence[Hashable], seeds: Sequence[Hashable]
) -> tuple[float, Interval | None]:
    """The slope and its interval of 95%.

    Args:
        values: float64 (S, N), of each size the figure of each item.
        examples: (N,), what is resampled of the examples, such as whom each is about.
        seeds: (N,), the run of each item.
    """

    def statistic(weights: Floats) -> Floats:
        return slope(sizes, weights @ values.T / weights.sum(-1, keepdims=True))

    with np.errstate(invalid="ignore"):
        draws = crossed_draws(statistic, examples, seeds)
    return float(slope(sizes, values.mean(1))), percentile_interval(draws)


def halves(sizes: Sequence[float]) -> tuple[slice, slice]:
    """The smaller and the larger of sizes in rising order, three or more; the middle one of odd many is in both."""
    return slice(0, math.ceil(len(sizes) / 2)), slice(len(sizes) // 2, len(sizes))


def shape(small: Interval | None, large: Interval | None) -> str:
    """ "U" or "inverted U" by the intervals of the slopes of both halves, "" where they don't say so."""
    if not small or not large:
        return ""
    if small[1] < 0 < large[0]:
        return "U"
    return "inverted U" if large[1] < 0 < small[0] else ""
