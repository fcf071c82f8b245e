"""Do errors compound? P(all of the first n claims are right) against what independent claims would give.

    observed(n)      share of texts whose first n claims are all right
    independent(n)   product over the places i <= n of the share right at place i: (1 - e)^n where all places are alike
    excess(n)        observed - independent, over texts of n claims or more: above 0 errors keep company (one text has
                     many, another none), below 0 they are spread out more evenly than by chance
    snowball         share right after a wrong claim of the same text - share right after none: below 0 where an error
                     brings the next

"LeCun's law" is that observed = independent falls to 0 with n. Every figure is over the texts that are long enough, so
that both sides of a comparison are about the same ones.

Shape letters: T texts, P places.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from eval.metrics.calibration import checked_weights, ratio
from eval.metrics.statistics import Floats


class Compounded(NamedTuple):
    """Each [...] for weights [..., T]."""

    observed: Floats
    independent: Floats
    excess: Floats


def compounding(texts: Sequence[Sequence[bool]], n: int, weights: ArrayLike | None = None) -> Compounded:
    """Of texts [T], each whether its claims are right in order; those of fewer than n claims do not count.

    Raises ValueError for n below 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}; there must be a claim")
    long = np.array([len(text) >= n for text in texts], dtype=bool)
    w = checked_weights(weights, len(texts))[..., long]
    first = np.array([list(text[:n]) for text in texts if len(text) >= n], dtype=np.float64).reshape(-1, n)
    observed = ratio(w @ first.all(1), w.sum(-1))
    independent = ratio(w @ first, w.sum(-1)[..., None]).prod(-1)
    return Compounded(observed, independent, observed - independent)


def snowball(texts: Sequence[Sequence[bool]], weights: ArrayLike | None = None) -> Floats:
    """P(right given a wrong claim before it) - P(right given none), over all claims but the first of each text."""
    w = checked_weights(weights, len(texts))
    after_wrong, after_none = np.zeros((2, len(texts))), np.zeros((2, len(texts)))
    for place, text in enumerate(texts):
        for i in range(1, len(text)):
            into = after_none if all(text[:i]) else after_wrong
            into[:, place] += text[i], 1
    return ratio(w @ after_wrong[0], w @ after_wrong[1]) - ratio(w @ after_none[0], w @ after_none[1])
