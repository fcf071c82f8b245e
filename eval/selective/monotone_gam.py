"""P(a document says so): a sum of rising curves of what a model shows of one statement.

    log P(said) / P(not said) = b + sum over signals s of f_s(x_s)

Every f_s is piecewise linear and never falls: no log-probability of a statement, however high, speaks against it. That
is a generalised additive model (Hastie and Tibshirani 1986, Statistical Science 1 (3)) under the constraint of isotonic
regression. Its log loss is convex, so it has one minimum.

Shape letters: N statements, S signals, K steps of a curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from eval.metrics.statistics import Floats

LOGPROB_CLIP = -40.0  # nats; what is less likely, or is missing, is no less said
QUANTILES = 16  # of each class, between which a curve may bend
DECIMALS = 2  # of a nat: bends that are nearer are one
RIDGE = 1.0  # pull of every step of a curve to 0, in items


@dataclass(frozen=True)
class Curve:
    """Linear between points (value, rise), constant outside them, and never falling. Raises ValueError otherwise."""

    value: tuple[float, ...]
    rise: tuple[float, ...]

    def __post_init__(self) -> None:
        values, rises = np.array(self.value), np.array(self.rise)
        if not len(values) == len(rises) > 0 or not np.isfinite([*values, *rises]).all():
            raise ValueError("a curve has as many finite values as finite rises, at least one")
        if (np.diff(values) <= 0).any() or (np.diff(rises) < 0).any():
            raise ValueError("a curve has rising values and never falls")

    def __call__(self, x: Floats) -> Floats:
        return np.interp(x, self.value, self.rise)


@dataclass(frozen=True)
class MonotoneGAM:
    """P(some document says so) of a statement.

    Attributes:
        bias: log-odds of a statement that shows nothing.
        curves: what each signal adds to them.
    """

    bias: float
    curves: Mapping[str, Curve]

    @classmethod
    def fit(cls, names: Sequence[str], signals: Sequence[Mapping[str, float]], said: Sequence[bool]) -> Self | None:
        """With those of the names that any statement shows. None where all or none of the statements are said."""
        names = [name for name in names if any(name in shown for shown in signals)]
        label = np.array(said, dtype=bool)
        if label.all() or not label.any():
            return None
        columns = [_column(name, signals) for name in names]
        bends = [_bends(column, label) for column in columns]
        steps = np.hstack([_steps(column, at) for column, at in zip(columns, bends, strict=True)])
        bias, heights = _fitted(steps, label)
        ends = np.cumsum([len(at) - 1 for at in bends])
        rises = [np.concatenate([[0.0], height]).cumsum() for height in np.split(heights, ends[:-1])]
        curves = [Curve(tuple(at.tolist()), tuple(rise.tolist())) for at, rise in zip(bends, rises, strict=True)]
        return cls(bias, dict(zip(names, curves, strict=True)))

    def log_odds(self, signals: Sequence[Mapping[str, float]]) -> Floats:
        """log P(said) / P(not said) of N statements, float64 (N,)."""
        added = [curve(_column(name, signals)) for name, curve in self.curves.items()]
        return np.sum([np.full(len(signals), self.bias), *added], axis=0)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Inverse of `to_json`. Raises KeyError, TypeError or ValueError."""
        if not np.isfinite(bias := float(value["bias"])):
            raise ValueError("the bias is not finite")
        curves = {
            str(name): Curve(*(tuple(map(float, curve[key])) for key in ("value", "rise")))
            for name, curve in dict(value["curves"]).items()
        }
        return cls(bias, curves)

    def to_json(self) -> dict[str, Any]:
        curves = {name: {"value": [*curve.value], "rise": [*curve.rise]} for name, curve in self.curves.items()}
        return {"bias": self.bias, "curves": curves}


def _column(name: str, signals: Sequence[Mapping[str, float]]) -> Floats:
    return np.array([max(shown.get(name, LOGPROB_CLIP), LOGPROB_CLIP) for shown in signals])


def _bends(values: Floats, label: np.ndarray) -> Floats:
    """Quantiles of what is said and of what is not: most of either may lie where there is none of the other."""
    at = np.linspace(0, 1, QUANTILES + 1)
    return np.unique(np.round([np.quantile(values[label], at), np.quantile(values[~label], at)], DECIMALS))


def _steps(values: Floats, bends: Floats) -> Floats:
    """How much of each of the K steps between bends has been climbed at the values (N,): (N, K) in [0, 1]."""
    climbed = [np.clip((values - low) / (high - low), 0, 1) for low, high in pairwise(bends)]
    return np.array(climbed).reshape(len(climbed), len(values)).T


def _fitted(steps: Floats, label: np.ndarray) -> tuple[float, Floats]:
    """Bias and heights (K,), none below 0, of the least log loss with `RIDGE` on the heights."""
    sign = np.where(label, 1.0, -1.0)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        heights = parameters[1:]
        margin = sign * (steps @ heights + parameters[0])
        pull = -sign * expit(-margin)
        value = np.logaddexp(0, -margin).sum() + RIDGE / 2 * heights @ heights
        return float(value), np.concatenate([[pull.sum()], steps.T @ pull + RIDGE * heights])

    bounds = [(None, None), *[(0.0, None)] * steps.shape[1]]
    options = {"maxiter": 10_000, "maxfun": 100_000, "ftol": 1e-12, "gtol": 1e-6}
    found = minimize(loss, np.zeros(len(bounds)), jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return float(found[0]), found[1:]
