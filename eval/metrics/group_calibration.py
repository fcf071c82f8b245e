"""Calibration in groups that overlap: a question is in as many of them as it likes.

`worst_group_ece` of eval/metrics/calibration.py takes a partition and smooths; this one counts in bins, which a
bootstrap of many groups can afford, and reads higher by chance, the higher the smaller the groups are. It is not to be
read without a floor.

Shape letters: N items, G groups.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.metrics.calibration import checked_pairs, ece, equal_mass_bins
from eval.metrics.statistics import Floats

BINS = 5


def ece_of_groups(
    confidence: ArrayLike, correct: ArrayLike, members: NDArray[np.bool_], weights: ArrayLike | None = None
) -> Floats:
    """Plug-in ECE [..., G] in each group of `members` [N, G], over `BINS` bins of about equally many of its items.

    nan for a group without an item. Raises ValueError where shapes disagree.
    """
    c, r, w = checked_pairs(confidence, correct, weights)
    if members.ndim != 2 or len(members) != len(c):
        raise ValueError(f"need the groups of each of {len(c)} items, got shape {members.shape}")
    found = [
        ece(c[here], r[here] == 1, equal_mass_bins(c[here], BINS), w[..., here])
        if here.any()
        else np.full(w.shape[:-1], np.nan)
        for here in members.T
    ]
    return np.stack(found, axis=-1)


def worst_ece(
    confidence: ArrayLike, correct: ArrayLike, members: NDArray[np.bool_], weights: ArrayLike | None = None
) -> Floats:
    """The largest of `ece_of_groups` [...]; of a draw, the largest among the groups that it holds."""
    return np.fmax.reduce(ece_of_groups(confidence, correct, members, weights), axis=-1)
