"""Maps from a raw confidence to one that means what it says: fitted on one split, applied to another.

    Temperature     sigmoid(logit(c) / T), T by maximum likelihood (Guo et al. 2017, arXiv 1706.04599); keeps the order
    Isotonic        the non-decreasing function with the least squared error, found by pooling adjacent violators (Ayer
                    et al. 1955; Zadrozny and Elkan 2002), linear between the fitted points; keeps the order, makes ties
    GroupLogistic   sigmoid(a logit(c) + b_g): one intercept for each group, so that in each the mean error is 0 (GCULR
                    in Detommaso et al. 2024, arXiv 2404.04689). Groups must be known when answering: a template or a
                    source may be one, "told" and "never told" may not

A fitted calibrator is a frozen dataclass of plain numbers; `calibrator_from_json` reads what `to_json` wrote.

scikit-learn's counterparts are right but keep their state in pickles, are fitted to class scores and would be a
dependency for these few lines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression, minimize_scalar
from scipy.special import expit

from eval.metrics.calibration import bin_sums, checked_pairs, unique_bins
from eval.metrics.logistic import fit_logistic
from eval.metrics.statistics import Floats

CLIP = 2.0**-52  # logits of 0 and 1 are infinite: confidences this near to them are moved to it
TEMPERATURES = (0.01, 100.0)  # the search ends here, where the data would have T 0 (separable) or infinite (no signal)
RIDGE = 1e-3  # pull of a group's logistic towards the identity, in items: keeps all-right groups finite


@dataclass(frozen=True, slots=True)
class Temperature:
    """sigmoid(logit(c) / temperature)."""

    temperature: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"temperature is {self.temperature}; it must be positive and finite")

    @classmethod
    def fit(cls, confidence: ArrayLike, correct: ArrayLike) -> Self:
        """The temperature in `TEMPERATURES` with the least log loss. Raises ValueError without an item."""
        c, r, _ = _fittable(confidence, correct)
        z = logit(c)

        def loss(log_temperature: float) -> float:
            scaled = z / math.exp(log_temperature)
            return float(np.mean(np.logaddexp(0, scaled) - r * scaled))

        low, high = map(math.log, TEMPERATURES)
        best = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-10}).x
        return cls(math.exp(best))

    def apply(self, confidence: ArrayLike) -> Floats:
        """Calibrated confidence [N]."""
        return expit(logit(confidence) / self.temperature)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "temperature", "temperature": self.temperature}


@dataclass(frozen=True, slots=True)
class Isotonic:
    """Linear between points (score, accuracy), constant outside them; both non-decreasing.

    An accuracy can be exactly 0 or 1: then so can the confidence, and one mistake makes the log loss infinite.
    """

    score: tuple[float, ...]
    accuracy: tuple[float, ...]

    def __post_init__(self) -> None:
        ordered = all(np.all(np.diff(values) >= 0) for values in (self.score, self.accuracy))
        within = all(0 <= a <= 1 for a in self.accuracy)
        if not self.score or len(self.score) != len(self.accuracy) or not (ordered and within):
            raise ValueError("an isotonic map needs equally many non-decreasing scores and accuracies in [0, 1]")

    @classmethod
    def fit(cls, score: ArrayLike, correct: ArrayLike) -> Self:
        """The least-squares fit; the score may be any real one, such as a log-probability. Raises ValueError."""
        c, r, _ = _fittable(score, correct, unit=False)
        levels, bins = np.unique(c), unique_bins(c)
        counts = bin_sums(np.ones_like(r), bins)
        fitted = isotonic_regression(bin_sums(r, bins) / counts, weights=counts).x.clip(0, 1)
        inner = (fitted[1:-1] == fitted[:-2]) & (fitted[1:-1] == fitted[2:])  # a flat piece needs its two ends only
        kept = np.r_[True, ~inner, True][: len(fitted)]
        return cls(tuple(levels[kept].tolist()), tuple(fitted[kept].tolist()))

    def apply(self, score: ArrayLike) -> Floats:
        """Calibrated confidence [N]."""
        scores = np.asarray(score, dtype=np.float64)
        if not np.isfinite(scores).all():
            raise ValueError("every score must be finite")
        return np.interp(scores, self.score, self.accuracy)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "isotonic", "score": list(self.score), "accuracy": list(self.accuracy)}


@dataclass(frozen=True, slots=True)
class GroupLogistic:
    """sigmoid(slope logit(c) + intercept of the group)."""

    slope: float
    intercepts: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.intercepts or not all(map(math.isfinite, (self.slope, *self.intercepts.values()))):
            raise ValueError("a group logistic needs a finite slope and one finite intercept or more")

    @classmethod
    def fit(cls, confidence: ArrayLike, correct: ArrayLike, groups: Sequence[str]) -> Self:
        """Maximum likelihood, with a weak pull (`RIDGE`) to slope 1 and intercepts 0. Raises ValueError."""
        c, r, _ = _fittable(confidence, correct)
        names, member = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
        if member.shape != c.shape:
            raise ValueError(f"need one group for each of {len(c)} items, got {member.shape}")
        design = np.column_stack([logit(c), np.eye(len(names))[member]])
        found = fit_logistic(design, r, np.r_[1.0, np.zeros(len(names))], RIDGE)
        return cls(float(found[0]), {str(name): float(b) for name, b in zip(names, found[1:], strict=True)})

    def apply(self, confidence: ArrayLike, groups: Sequence[str]) -> Floats:
        """Calibrated confidence [N]. Raises ValueError for a group that was not there when fitting."""
        if unknown := sorted(set(groups) - set(self.intercepts)):
            raise ValueError(f'group "{unknown[0]}" was not fitted (only {", ".join(sorted(self.intercepts))})')
        z = logit(confidence)
        if len(groups) != len(z):
            raise ValueError(f"need one group for each of {len(z)} items, got {len(groups)}")
        return expit(self.slope * z + np.array([self.intercepts[group] for group in groups]))

    def to_json(self) -> dict[str, Any]:
        return {"kind": "group_logistic", "slope": self.slope, "intercepts": dict(self.intercepts)}


Calibrator = Temperature | Isotonic | GroupLogistic


def calibrator_from_json(value: Any) -> Calibrator:
    """Inverse of each calibrator's `to_json`. Raises ValueError."""
    match value:
        case {"kind": "temperature", "temperature": temperature, **rest} if not rest:
            return Temperature(*_numbers([temperature]))
        case {"kind": "isotonic", "score": list(score), "accuracy": list(accuracy), **rest} if not rest:
            return Isotonic(_numbers(score), _numbers(accuracy))
        case {"kind": "group_logistic", "slope": slope, "intercepts": dict(found), **rest} if not rest:
            values = _numbers([slope, *found.values()])
            return GroupLogistic(values[0], dict(zip(found, values[1:], strict=True)))
    raise ValueError(f"not a calibrator: {str(value)[:80]}")


def _numbers(values: list[Any]) -> tuple[float, ...]:
    if bad := [v for v in values if isinstance(v, bool) or not isinstance(v, int | float) or not math.isfinite(v)]:
        raise ValueError(f"a calibrator holds {bad[0]!r} where a finite number belongs")
    return tuple(float(value) for value in values)


def _fittable(confidence: ArrayLike, correct: ArrayLike, *, unit: bool = True) -> tuple[Floats, Floats, Floats]:
    pairs = checked_pairs(confidence, correct, unit=unit)
    if not len(pairs[0]):
        raise ValueError("a calibrator cannot be fitted without an item")
    return pairs


def logit(confidence: ArrayLike) -> Floats:
    """Log-odds [N], of confidences `CLIP` within (0, 1) at most. Raises ValueError outside [0, 1]."""
    c = np.asarray(confidence, dtype=np.float64)
    if c.ndim != 1 or not ((c >= 0) & (c <= 1)).all():
        raise ValueError("every confidence must be in [0, 1], in one row")
    c = c.clip(CLIP, 1 - CLIP)
    return np.log(c) - np.log1p(-c)
