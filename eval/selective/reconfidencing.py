"""Confidences recalibrated in learned regions: what one confidence hides is split until nothing is seen to differ.

After Chen et al. 2024 (arXiv 2402.04957), who find questions of one confidence that are right at different rates with
a decision tree, and put the rate of each leaf in place of the confidence. Here confidences are cut into `LEVELS` of
about equally many questions. Within each a tree splits on what is seen when answering, each time by the feature and
threshold that take most off the squared error of the fitting fold. A leaf's confidence is the share right in it on
*both* folds, pulled to that of its level by `PULL` items. A split that the second fold does not confirm, whose squared
error has to fall, is not made: a leaf is no accident of the fitting fold.

Shape letters: N items, F features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.metrics.calibration import checked_pairs
from eval.metrics.statistics import Floats

LEVELS = 4
LEAST = 20  # items of the fitting fold in a leaf
DEPTH = 4
PULL = 5.0


class Fold(NamedTuple):
    """Confidence [N] in [0, 1], whether right bool [N], features float64 [N, F]."""

    confidence: Floats
    correct: NDArray[np.bool_]
    features: Floats


@dataclass(frozen=True, slots=True)
class Leaf:
    confidence: float


@dataclass(frozen=True, slots=True)
class Split:
    """Features up to the threshold go `low`, others `high`."""

    feature: int
    threshold: float
    low: Tree
    high: Tree


Tree = Leaf | Split


@dataclass(frozen=True, slots=True)
class Reconfidenced:
    """A tree for each level of confidence: level i holds confidences from `edges[i - 1]` to below `edges[i]`."""

    edges: tuple[float, ...]
    trees: tuple[Tree, ...]

    @classmethod
    def fit(cls, fitting: Fold, checking: Fold) -> Self:
        """Raises ValueError where shapes disagree, or nothing is there to fit on."""
        for fold in (fitting, checking):
            c, *_ = checked_pairs(fold.confidence, fold.correct)
            if not len(c) or fold.features.ndim != 2 or len(fold.features) != len(c):
                raise ValueError(f"need the features of each of {len(c)} items or more, got {fold.features.shape}")
        edges = tuple(np.unique(np.quantile(fitting.confidence, np.arange(1, LEVELS) / LEVELS)).tolist())
        trees = []
        for level in range(len(edges) + 1):
            here = [_part(fold, _level(fold.confidence, edges) == level) for fold in (fitting, checking)]
            right = np.concatenate([fold.correct for fold in here])
            trees.append(_grow(here[0], here[1], float(right.mean()) if len(right) else 0.5, DEPTH))
        return cls(edges, tuple(trees))

    def apply(self, confidence: ArrayLike, features: Floats) -> Floats:
        """Calibrated confidence [N]."""
        levels = _level(np.asarray(confidence, dtype=np.float64), self.edges)
        return np.array([_leaf(self.trees[i], row) for i, row in zip(levels, features, strict=True)], dtype=np.float64)


def best_split(correct: NDArray[np.bool_], features: Floats) -> tuple[int, float] | None:
    """The feature and threshold that take most off the squared error, with `LEAST` items on either side.

    None where nothing takes anything off. Ties go to the first feature, and to the lowest threshold.
    """
    n, best, found = len(correct), 1e-9, None
    for feature, values in enumerate(features.T):
        order = np.argsort(values, kind="stable")
        ordered, right = values[order], np.cumsum(correct[order])
        k = np.arange(1, n)  # items that go low
        fits = (k >= LEAST) & (n - k >= LEAST) & (ordered[1:] > ordered[:-1])
        if not fits.any():
            continue
        low, high = right[:-1], right[-1] - right[:-1]
        gain = np.where(fits, low**2 / k + high**2 / (n - k) - right[-1] ** 2 / n, 0.0)
        at = int(gain.argmax())
        if gain[at] > best:
            best, found = float(gain[at]), (feature, float((ordered[at] + ordered[at + 1]) / 2))
    return found


def _grow(fitting: Fold, checking: Fold, level: float, depth: int) -> Tree:
    right = np.concatenate([fitting.correct, checking.correct])
    leaf = Leaf(float((right.sum() + PULL * level) / (len(right) + PULL)))
    split = best_split(fitting.correct, fitting.features) if depth else None
    if split is None:
        return leaf
    feature, threshold = split
    sides = [[fold.features[:, feature] <= threshold for fold in (fitting, checking)]]
    sides.append([~side for side in sides[0]])
    means = [float(fitting.correct[side].mean()) for side, _ in sides]
    guess = np.where(sides[0][1], *means)
    if ((guess - checking.correct) ** 2).sum() >= ((fitting.correct.mean() - checking.correct) ** 2).sum():
        return leaf
    low, high = (_grow(_part(fitting, a), _part(checking, b), level, depth - 1) for a, b in sides)
    return Split(feature, threshold, low, high)


def _part(fold: Fold, here: NDArray[np.bool_]) -> Fold:
    return Fold(fold.confidence[here], fold.correct[here], fold.features[here])


def _level(confidence: Floats, edges: tuple[float, ...]) -> NDArray[np.int64]:
    return np.searchsorted(np.array(edges), confidence, side="right")


def _leaf(tree: Tree, features: Floats) -> float:
    while isinstance(tree, Split):
        tree = tree.low if features[tree.feature] <= tree.threshold else tree.high
    return tree.confidence
