"""Does the confidence of a long answer mean what it says? A text of several claims is right to a degree.

After Huang et al. 2024 (arXiv 2402.06544), where correctness and confidence of a long answer are distributions on
[0, 1]; here both are of its claims: s is the share of claims that are right, c the mean of their confidences.

    ece_m           sum_b n_b/N |mean c - mean s| over bins of c
    selective_f1    2 P R / (P + R) of "confident enough" (c >= threshold) for "right enough" (s >= threshold)
    correlation     Pearson's, of c and s

Shape letters: N texts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from eval.metrics.calibration import Ints, bin_sums, checked_weights, ratio
from eval.metrics.statistics import Floats


def ece_m(confidence: ArrayLike, correctness: ArrayLike, bins: Ints, weights: ArrayLike | None = None) -> Floats:
    """Over bins int64 [N], such as `equal_mass_bins(confidence)`; biased up as every plug-in error."""
    c, s, w = _checked(confidence, correctness, weights)
    return ratio(np.abs(bin_sums(w * (c - s), bins)).sum(-1), w.sum(-1))


def selective_f1(
    confidence: ArrayLike, correctness: ArrayLike, threshold: float, weights: ArrayLike | None = None
) -> Floats:
    """F1 of the texts kept for those worth keeping; nan where there are none of either."""
    c, s, w = _checked(confidence, correctness, weights)
    kept, worth = c >= threshold, s >= threshold
    return ratio(2 * (w @ (kept & worth)), w @ kept + w @ worth)


def correlation(confidence: ArrayLike, correctness: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """In [-1, 1]; nan where either is the same for all."""
    c, s, w = _checked(confidence, correctness, weights)
    total = w.sum(-1)
    mean_c, mean_s = ratio(w @ c, total), ratio(w @ s, total)
    covariance = ratio(w @ (c * s), total) - mean_c * mean_s
    spread = (ratio(w @ c**2, total) - mean_c**2) * (ratio(w @ s**2, total) - mean_s**2)
    return ratio(covariance, np.sqrt(np.where(spread > 1e-12, spread, 0.0)))


def _checked(confidence: ArrayLike, correctness: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    c, s = np.asarray(confidence, dtype=np.float64), np.asarray(correctness, dtype=np.float64)
    if c.ndim != 1 or c.shape != s.shape:
        raise ValueError(f"need one confidence and one correctness a text, got shapes {c.shape} and {s.shape}")
    if not all(((x >= 0) & (x <= 1)).all() for x in (c, s)):
        raise ValueError("every confidence and every correctness must be in [0, 1]")
    return c, s, checked_weights(weights, len(c))
