"""What a calibrated confidence still hides: how differently right answers of one and the same confidence are.

A proper score is calibration error + grouping loss + what can't be told (Perez-Lebel et al. 2023, arXiv 2210.16315).
With the squared error the grouping loss is E[Var(P(right | x) | confidence)]: 0 where a confidence means the same for
every question. Regions are a partition of the questions, such as their support classes; what differs inside a region
is not seen, so that this bounds the loss from below.

    loss = sum over bins b of n_b / N [sum over regions g of n_bg / n_b (r_bg - r_b)^2 - chance_b]
    chance_b = sum over g of n_bg / n_b v_bg - v_b,    v = r (1 - r) / (n - 1)

r is the share right of a cell, v the variance of that share by chance, without which a calibrated system would seem to
hide something (their section 4.2). A cell of one item has no v and is left out of its bin.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from eval.metrics.calibration import Ints, bin_sums, checked_pairs, ratio
from eval.metrics.statistics import Floats


def grouping_loss(
    confidence: ArrayLike,
    correct: ArrayLike,
    regions: Sequence[str],
    bins: Ints,
    weights: ArrayLike | None = None,
) -> Floats:
    """The grouping loss that regions [N] explain, over bins int64 [N] of the confidence: [...], at most 1/4.

    Near 0, and as often below, where there is none. Items are taken as independent: draws of a bootstrap repeat items,
    and so read higher than the sample. Raises ValueError where shapes disagree.
    """
    _, r, w = checked_pairs(confidence, correct, weights)
    names = np.asarray(regions, dtype=np.str_)
    if names.shape != r.shape:
        raise ValueError(f"need one region for each of {len(r)} items, got {names.shape}")
    cells, cell = np.unique(
        np.column_stack([bins, np.unique(names, return_inverse=True)[1]]), axis=0, return_inverse=True
    )
    n, right = bin_sums(w, cell), bin_sums(w * r, cell)
    n, right = np.where(n > 1, n, 0.0), np.where(n > 1, right, 0.0)
    of_bin = np.unique(cells[:, 0], return_inverse=True)[1].astype(np.int64)
    whole, all_right = bin_sums(n, of_bin), bin_sums(right, of_bin)
    share, mean = ratio(right, n, empty=0.0), ratio(all_right, whole, empty=0.0)
    spread = bin_sums(n * (share - mean[..., of_bin]) ** 2, of_bin)
    chance = bin_sums(n * ratio(share * (1 - share), n - 1, empty=0.0), of_bin)
    chance = chance - whole * ratio(mean * (1 - mean), whole - 1, empty=0.0)
    return ratio((spread - chance).sum(-1), whole.sum(-1))
