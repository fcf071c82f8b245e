"""Calibrated in every group at once, though groups overlap: the worst group is mended until none is worth it.

Multicalibration for confidences of language models (Detommaso et al. 2024, arXiv 2404.04689). Groups are such as are
seen when answering, and a question is in as many as it likes. Round by round the group whose error weighs most gets a
patch, and patches are applied in the order in which they were found.

    IGHB    the cell of a group and a level of confidence with the largest n/N (mean r - mean c)^2 is moved by
            mean r - mean c
    IGLB    the group with the largest sum of that over its levels gets a straight line in log-odds,
            sigmoid(slope logit(c) + shift), fitted on it: two numbers, where IGHB has one for each level

Levels are `LEVELS` intervals of equal width of the confidence as it stands. Of the rounds those are kept that bring the
Brier score of a second fold to its lowest, so that noise of small groups is not learnt by heart; cells of under `LEAST`
items are let be.
GCULR, their third method, is `GroupLogistic` (eval/selective/calibrators.py).

Shape letters: N items, G groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from eval.metrics.calibration import brier, checked_pairs
from eval.metrics.logistic import fit_logistic
from eval.metrics.statistics import Floats
from eval.selective.calibrators import logit

LEVELS = 10
LEAST = 20  # items of a cell that may be patched
ROUNDS = 100
WORTH = 1e-4  # n/N (mean r - mean c)^2 of a patch: in a tenth of the items, a gap of .03
RIDGE = 1.0  # pull of a line to the identity, in items

Members = NDArray[np.bool_]


class Fold(NamedTuple):
    """Confidence [N] in [0, 1], whether right bool [N], and which groups each is in, bool [N, G]."""

    confidence: Floats
    correct: NDArray[np.bool_]
    members: Members


@dataclass(frozen=True, slots=True)
class Shift:
    """Moves the confidences in [low, high) of one group; the last level holds 1, too."""

    group: int
    level: int
    by: float

    def apply(self, confidence: Floats, members: Members) -> Floats:
        here = members[:, self.group] & (_level(confidence) == self.level)
        return np.where(here, np.clip(confidence + self.by, 0, 1), confidence)


@dataclass(frozen=True, slots=True)
class Line:
    """sigmoid(slope logit(c) + shift) in one group."""

    group: int
    slope: float
    shift: float

    def apply(self, confidence: Floats, members: Members) -> Floats:
        return np.where(members[:, self.group], expit(self.slope * logit(confidence) + self.shift), confidence)


Patch = Shift | Line
Proposal = Callable[[Fold], Patch | None]


@dataclass(frozen=True, slots=True)
class Multicalibrator:
    """Patches in their order; see the module docstring."""

    patches: tuple[Patch, ...]

    @classmethod
    def fit(cls, propose: Proposal, fitting: Fold, checking: Fold) -> Self:
        """Args: propose: `worst_cell` (IGHB) or `worst_group` (IGLB). Raises ValueError where shapes disagree."""
        found: list[Patch] = []
        errors = [_brier(checking)]
        for patch, patched in _rounds(propose, _checked(fitting), _checked(checking)):
            found.append(patch)
            errors.append(_brier(patched))
        return cls(tuple(found[: int(np.argmin(errors))]))

    def apply(self, confidence: ArrayLike, members: Members) -> Floats:
        """Calibrated confidence [N]."""
        found = np.asarray(confidence, dtype=np.float64)
        for patch in self.patches:
            found = patch.apply(found, members)
        return found


def worst_cell(fold: Fold) -> Shift | None:
    """IGHB's next patch; None where no cell is worth one."""
    n, gap = _gaps(fold)
    worth = np.where(n >= LEAST, n / max(1, len(fold.correct)) * gap**2, 0.0)
    group, level = np.unravel_index(int(worth.argmax()), worth.shape)
    return Shift(int(group), int(level), float(gap[group, level])) if worth[group, level] > WORTH else None


def worst_group(fold: Fold) -> Line | None:
    """IGLB's next patch; None where no group is worth one."""
    c, r, members = fold
    n, gap = _gaps(fold)
    worth = np.where(n.sum(1) >= LEAST, (n / max(1, len(c)) * gap**2).sum(1), 0.0)
    group = int(worth.argmax())
    if worth[group] <= WORTH:
        return None
    here = members[:, group]
    design = np.column_stack([logit(c[here]), np.ones(here.sum())])
    slope, shift = fit_logistic(design, r[here].astype(np.float64), np.array([1.0, 0.0]), RIDGE)
    return Line(group, float(slope), float(shift))


def _rounds(propose: Proposal, fitting: Fold, checking: Fold) -> Iterator[tuple[Patch, Fold]]:
    for _ in range(ROUNDS):
        if (patch := propose(fitting)) is None:
            return
        fitting, checking = (
            fold._replace(confidence=patch.apply(fold.confidence, fold.members)) for fold in (fitting, checking)
        )
        yield patch, checking


def _gaps(fold: Fold) -> tuple[Floats, Floats]:
    """Items of each group and level, and mean right - mean confidence there: [G, LEVELS] each, 0 where empty."""
    level = _level(fold.confidence)
    n, gap = np.zeros((2, fold.members.shape[1], LEVELS))
    for group, members in enumerate(fold.members.T):
        n[group] = np.bincount(level[members], minlength=LEVELS)
        gap[group] = np.bincount(level[members], (fold.correct - fold.confidence)[members], minlength=LEVELS)
    return n, gap / np.maximum(n, 1)


def _level(confidence: Floats) -> NDArray[np.int64]:
    return np.minimum((confidence * LEVELS).astype(np.int64), LEVELS - 1)


def _brier(fold: Fold) -> float:
    return float(brier(fold.confidence, fold.correct))


def _checked(fold: Fold) -> Fold:
    checked_pairs(fold.confidence, fold.correct)
    if fold.members.ndim != 2 or len(fold.members) != len(fold.confidence) or not fold.members.shape[1]:
        raise ValueError(f"need the groups of each of {len(fold.confidence)} items, got shape {fold.members.shape}")
    return fold
