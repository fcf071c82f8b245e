"""P(a document says so): a logistic regression, with squares and products, on what a model shows of one statement.

Shape letters: N statements, S signals, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from eval.logistic import fit_logistic
from eval.statistics import Floats

FLOORS = {"recited": -7.0}  # nats; what is less likely, or is missing, was not said either
FLOOR = -40.0  # of the others
RIDGE = 1.0  # pull of the weights of standardised features to 0, in items


@dataclass(frozen=True)
class Said:
    """P(some document says so) of a statement, from S signals.

    Attributes:
        names: of the signals.
        mean, scale: of each.
        weights: of the F = (S + 1)(S + 2) / 2 features of standardised signals: 1, themselves, squares, products.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]

    @classmethod
    def fit(cls, names: Sequence[str], signals: Sequence[Mapping[str, float]], said: Sequence[bool]) -> Self | None:
        """With those of the names that any statement shows. None where all or none of the statements are said."""
        names = [name for name in names if any(name in shown for shown in signals)]
        label = np.array(said, dtype=np.float64)
        if not len(label) or np.ptp(label) == 0:
            return None
        table = _table(names, signals)
        mean, scale = table.mean(0), table.std(0) + 1e-6
        features = _features((table - mean) / scale)
        weights = fit_logistic(features, label, np.zeros(features.shape[1]), RIDGE)
        return cls(tuple(names), tuple(mean.tolist()), tuple(scale.tolist()), tuple(weights.tolist()))

    def log_odds(self, signals: Sequence[Mapping[str, float]]) -> Floats:
        """log P(said) / P(not said) of N statements, float64 (N,)."""
        standard = (_table(self.names, signals) - np.array(self.mean)) / np.array(self.scale)
        return _features(standard) @ np.array(self.weights)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Inverse of `to_json`. Raises KeyError, TypeError or ValueError."""
        names = tuple(map(str, value["names"]))
        mean, scale, weights = (tuple(map(float, value[key])) for key in ("mean", "scale", "weights"))
        if not len(mean) == len(scale) == len(names) or len(weights) != (len(names) + 1) * (len(names) + 2) // 2:
            raise ValueError("other numbers of signals and of weights")
        if not np.isfinite([*mean, *scale, *weights]).all():
            raise ValueError("a weigher holds a number that is not finite")
        return cls(names, mean, scale, weights)

    def to_json(self) -> dict[str, Any]:
        return {name: list(getattr(self, name)) for name in ("names", "mean", "scale", "weights")}


def _table(names: Sequence[str], signals: Sequence[Mapping[str, float]]) -> Floats:
    rows = [[max(s.get(name, -np.inf), FLOORS.get(name, FLOOR)) for name in names] for s in signals]
    return np.array(rows, dtype=np.float64).reshape(len(signals), len(names))


def _features(signals: Floats) -> Floats:
    """Of standardised signals (N, S): 1, themselves, their squares and products, (N, F)."""
    whole = np.column_stack([np.ones(len(signals)), signals])
    first, second = np.triu_indices(whole.shape[1])
    return whole[:, first] * whole[:, second]
