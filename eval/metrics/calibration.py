"""Does a confidence mean what it says? Metrics of (confidence, correct) pairs, and the reliability curve.

An item is one answer: the confidence c in [0, 1] that it is right, and whether it is (r). In forced mode every question
has an answer; in free mode the pairs are those of the questions answered: the same functions, other inputs. An
unparseable answer is wrong and stays in: `worst_confidence` gives it the confidence that hurts most.

    signed_error      mean(c - r): > 0 is overconfident
    brier             mean (c - r)^2 (Brier 1950); `brier_skill` = 1 - brier / that of always saying the accuracy
    log_loss          mean -log of the probability given to what happened
    ece               sum_b n_b/N |mean c - mean r| over bins (Naeini et al. 2015)
    debiased_ce2      its square counterpart without the bias of finite bins (Kumar et al. 2019, arXiv 1909.10155)
    smooth_ece        the binless form (Błasiok and Nakkiran 2023, arXiv 2309.12236)

Plug-in errors are biased up: a perfectly calibrated system reads ece ~ sqrt(2B / (pi N)) E sqrt(c (1 - c)) with B bins,
and with confidences spread evenly a smooth_ece of .053, .031, .024, .017 at N = 200, 1000, 2000, 6000 (the mean of 200
simulations). On a bootstrap draw they are biased once more, so their percentile intervals sit high: .024 to .039 for
that system at N = 2000. An upper end below a bound is evidence; a lower end above 0 alone is not.

Every metric takes `weights`: None for each item once, or [N] or [draws, N], how often each item was drawn, for
`bootstrap_draws` of eval.metrics.statistics; it returns one value, or [draws]. Shapes below write [..., N] and [...]
for this. What is undefined (no item, one class only) is nan. Bins are a partition, int [N], so that resampling never
moves them.

Why not a library, for such pairs: torchmetrics 1.9.0 puts c = 1 in a hidden extra bin (its issue 3510) and has neither
Brier nor smooth ECE; torch-uncertainty 0.13.0 reads one score as P(class 1) and folds it at 1/2, wrong for c < 1/2, and
breaks ties arbitrarily; lm-polygraph 0.7.0 turns nan into "most certain" and skips confidences outside [0, 1]; relplot
(the authors' smooth ECE) has a licence of its own and computes one sample at a time; none takes weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dct, idct
from scipy.sparse import csr_array

from eval.metrics.statistics import Floats

BINS = 15
CELLS = 1024  # of the grid on which smooth ECE is computed
_HALVINGS = 20  # of the interval of bandwidths: 1e-6
_EMPTY = 1e-6  # a density below this holds no item, only rounding

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ReliabilityCurve:
    """How often answers of each confidence are right, smoothed.

    Attributes:
        confidence: [CELLS] from 0 to 1, the middles of the cells.
        accuracy: [..., CELLS] smoothed share right; nan where there is no item near.
        density: [..., CELLS] smoothed density of confidences; its mean is 1.
        bandwidth: standard deviation of the kernel.
    """

    confidence: Floats
    accuracy: Floats
    density: Floats
    bandwidth: float


def worst_confidence(confidence: Sequence[float | None], correct: ArrayLike) -> Floats:
    """Confidences [N] with each missing one (None) read as the worst for its item: 1 when wrong, 0 when right.

    So a failure to state a confidence never looks like a well-judged doubt.
    """
    return np.array(
        [(0.0 if right else 1.0) if c is None else c for c, right in zip(confidence, np.asarray(correct), strict=True)],
        dtype=np.float64,
    )


def unique_bins(confidence: ArrayLike) -> Ints:
    """One bin for each distinct confidence, numbered upwards: int64 [N]."""
    return np.unique(np.asarray(confidence, dtype=np.float64), return_inverse=True)[1].astype(np.int64)


def equal_mass_bins(confidence: ArrayLike, bins: int = BINS) -> Ints:
    """Bins of about N / bins items, numbered upwards: int64 [N]. Equal confidences are never split."""
    level = unique_bins(confidence)
    counts = np.bincount(level)
    middle = np.cumsum(counts) - counts / 2  # rank of the middle of each group of ties
    return unique_bins(np.floor(bins * middle / max(1, len(level)))[level])


def signed_error(confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """mean(confidence - correct) in [-1, 1]: positive is overconfident."""
    c, r, w = checked_pairs(confidence, correct, weights)
    return ratio(w @ (c - r), w.sum(-1))


def brier(confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """mean (confidence - correct)^2 in [0, 1]."""
    c, r, w = checked_pairs(confidence, correct, weights)
    return ratio(w @ (c - r) ** 2, w.sum(-1))


def brier_skill(confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """1 - brier / brier of always saying the sample's accuracy: 1 is perfect, <= 0 is no use, nan for one class."""
    _, r, w = checked_pairs(confidence, correct, weights)
    accuracy = ratio(w @ r, w.sum(-1))
    uncertainty = accuracy * (1 - accuracy)
    return ratio(uncertainty - brier(confidence, correct, weights), uncertainty)


def log_loss(
    confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None, *, clip: float = 0.0
) -> Floats:
    """mean -log(confidence if right else 1 - confidence), in nats.

    As defined: to be certain (0 or 1) and mistaken once costs infinity; to be certain and right costs nothing. A
    positive `clip` first moves confidences into [clip, 1 - clip]; the value then depends on it, so report it along.
    """
    if not 0 <= clip < 0.5:
        raise ValueError(f"clip is {clip}; it must be in [0, 0.5)")
    c, r, w = checked_pairs(confidence, correct, weights)
    c = np.clip(c, clip, 1 - clip)
    given = np.where(r == 1, c, 1 - c)
    finite = w @ -np.log(np.where(given > 0, given, 1.0))  # apart, as 0 times infinity would be nan
    return np.where(w @ (given == 0) > 0, np.inf, ratio(finite, w.sum(-1)))[()]


def ece(confidence: ArrayLike, correct: ArrayLike, bins: Ints, weights: ArrayLike | None = None) -> Floats:
    """Plug-in expected calibration error over bins, such as `equal_mass_bins(confidence)`; biased up."""
    c, r, w = checked_pairs(confidence, correct, weights)
    return ratio(np.abs(bin_sums(w * (c - r), bins)).sum(-1), w.sum(-1))


def debiased_ce2(confidence: ArrayLike, correct: ArrayLike, bins: Ints, weights: ArrayLike | None = None) -> Floats:
    """Squared calibration error less its expected noise; about 0, and as often below, when calibrated.

    sum_b n_b/N [(c_b - r_b)^2 - r_b (1 - r_b) / (n_b - 1)] (Kumar et al. 2019, section 5). Never clipped. A bin of one
    item has no estimate of its noise and adds 0, as in the authors' code. Items are taken as independent: draws of a
    bootstrap repeat items, and so read higher than the sample.
    """
    c, r, w = checked_pairs(confidence, correct, weights)
    n, gaps, rights = (bin_sums(w * values, bins) for values in (1.0, c - r, r))
    gap, seen = ratio(gaps, n, empty=0.0), ratio(rights, n, empty=0.0)
    noise = ratio(seen * (1 - seen), n - 1)
    return ratio((n * np.where(n > 1, gap**2 - noise, 0.0)).sum(-1), w.sum(-1))


def smooth_ece(confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """The smooth calibration error smECE_* of Błasiok and Nakkiran (2023), in [0, 1].

    smECE_s = integral over t in [0, 1] of |mean_i K_s(t, c_i) (r_i - c_i)| with K_s the Gaussian kernel of standard
    deviation s reflected at 0 and 1 (their section 3); it falls as s grows, and smECE_* is its value where it equals s.

    The reflected Gaussian is the heat kernel of [0, 1] with insulated ends: cosine k decays by exp(-(pi k s)^2 / 2).
    So smoothing is a product between two cosine transforms, for all draws at once, each with its own s. Confidences are
    first spread over the two nearest of `CELLS` cells.
    """
    c, r, w = checked_pairs(confidence, correct, weights)
    spectrum = dct(_on_grid(c, w * (r - c)), axis=-1)
    spectrum = ratio(spectrum, w.sum(-1)[..., None])
    return _smoothed_error(spectrum, _bandwidth(spectrum))


def reliability_curve(
    confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None, *, bandwidth: float | None = None
) -> ReliabilityCurve:
    """The smoothed reliability diagram: E[K r] / E[K] at each confidence, with the kernel of `smooth_ece`.

    The default bandwidth is the fixed point of `smooth_ece` on the items, each once. For a band, pass the weights of
    draws and the bandwidth of the curve itself.
    """
    c, r, w = checked_pairs(confidence, correct, weights)
    if not len(c):
        raise ValueError("a reliability curve needs at least one item")
    if bandwidth is None:
        bandwidth = float(_bandwidth(dct(_on_grid(c, (r - c) / len(c)))))
    share = ratio(w, w.sum(-1)[..., None])
    s = np.asarray(bandwidth)
    density, rights = (CELLS * _smooth(dct(_on_grid(c, mass), axis=-1), s) for mass in (share, share * r))
    accuracy = np.where(density > _EMPTY, ratio(rights, density), np.nan)
    return ReliabilityCurve((np.arange(CELLS) + 0.5) / CELLS, accuracy.clip(0, 1), density, bandwidth)


def group_ece(
    confidence: ArrayLike, correct: ArrayLike, groups: Sequence[str], weights: ArrayLike | None = None
) -> dict[str, Floats]:
    """`smooth_ece` of each group, in the order of their names; small groups read high by chance."""
    c, r, w = checked_pairs(confidence, correct, weights)
    labels = np.asarray(groups)
    if labels.shape != c.shape:
        raise ValueError(f"need one group for each of {len(c)} items, got {labels.shape}")
    return {str(g): smooth_ece(c[labels == g], r[labels == g] == 1, w[..., labels == g]) for g in np.unique(labels)}


def worst_group_ece(
    confidence: ArrayLike, correct: ArrayLike, groups: Sequence[str], weights: ArrayLike | None = None
) -> Floats:
    """The largest `group_ece`; of a draw, the largest among the groups that it holds."""
    errors = group_ece(confidence, correct, groups, weights)
    if not errors:
        return np.full(checked_pairs(confidence, correct, weights)[2].shape[:-1], np.nan)
    return np.fmax.reduce(list(errors.values()))


def checked_pairs(
    confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None, *, unit: bool = True
) -> tuple[Floats, Floats, Floats]:
    """Confidence [N], correct as 0 and 1 [N], and weights [..., N], as float64.

    With `unit` false the confidence may be any real score, of which only the order counts.

    Raises:
        ValueError: shapes disagree, correct is not boolean, a confidence is nan or outside [0, 1], a weight negative.
    """
    c, r = np.asarray(confidence, dtype=np.float64), np.asarray(correct)
    if r.size and r.dtype != np.bool_:
        raise ValueError(f"correct must be boolean, not {r.dtype}")
    if c.ndim != 1 or c.shape != r.shape:
        raise ValueError(f"need one confidence for each item, got shapes {c.shape} and {r.shape}")
    if not np.isfinite(c).all() or (unit and not ((c >= 0) & (c <= 1)).all()):
        raise ValueError(f"every confidence must be {'in [0, 1]' if unit else 'finite'}; worst_confidence fills gaps")
    return c, r.astype(np.float64), checked_weights(weights, len(c))


def checked_weights(weights: ArrayLike | None, n: int) -> Floats:
    """Weights [n] or [draws, n]; 1 for each item by default. Raises ValueError."""
    w = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.ndim not in (1, 2) or w.shape[-1] != n or not (np.isfinite(w) & (w >= 0)).all():
        raise ValueError(f"weights must be finite, >= 0 and of shape [{n}] or [draws, {n}], got shape {w.shape}")
    return w


def ratio(top: ArrayLike, bottom: ArrayLike, *, empty: float = np.nan) -> Floats:
    """top / bottom where bottom is positive, else `empty`; a number where both are."""
    top, bottom = np.broadcast_arrays(np.asarray(top, dtype=np.float64), bottom)
    return np.divide(top, bottom, out=np.full(top.shape, empty), where=bottom > 0)[()]


def bin_sums(values: Floats, bins: Ints) -> Floats:
    """Sums [..., B] of values [..., N] in each bin, from the lowest number; bins without an item have no column.

    Raises ValueError unless there is one bin for each item.
    """
    if bins.shape != values.shape[-1:]:
        raise ValueError(f"need one bin for each of {values.shape[-1]} items, got shape {bins.shape}")
    order = np.argsort(bins, kind="stable")
    starts = np.flatnonzero(np.diff(bins[order], prepend=bins[order][:1] - 1))
    return np.add.reduceat(values[..., order], starts, axis=-1)


def _on_grid(confidence: Floats, mass: Floats) -> Floats:
    """[..., CELLS]: mass [..., N] at each confidence, split over the two nearest cells in proportion."""
    n = len(confidence)
    place = np.clip(confidence * CELLS - 0.5, 0, CELLS - 1)  # a half cell before the first middle reflects onto it
    low = np.minimum(place.astype(np.int64), CELLS - 2)
    entries: Any = (np.concatenate([low + 1 - place, place - low]), (np.tile(np.arange(n), 2), np.r_[low, low + 1]))
    return mass @ csr_array(entries, shape=(n, CELLS))


def _smooth(spectrum: Floats, bandwidth: Floats) -> Floats:
    """The mass of each cell after smoothing; spectrum [..., CELLS], bandwidth [...] (or one for all)."""
    frequency = np.pi * np.arange(CELLS)
    return idct(spectrum * np.exp(-((frequency * bandwidth[..., None]) ** 2) / 2), axis=-1)


def _smoothed_error(spectrum: Floats, bandwidth: Floats) -> Floats:
    return np.abs(_smooth(spectrum, bandwidth)).sum(-1)


def _bandwidth(spectrum: Floats) -> Floats:
    """[...] where the smoothed error equals the bandwidth, by bisection: one falls while the other grows."""
    low, high = np.zeros(spectrum.shape[:-1]), np.ones(spectrum.shape[:-1])
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = _smoothed_error(spectrum, middle) >= middle
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2
