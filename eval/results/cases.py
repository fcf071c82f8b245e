"""The questions of one fold with what a system makes of them, as the arrays that metrics are made of.

Shape letters: N questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from data.records import ANSWERABLE, NEVER, PLAIN, Prediction, Question
from eval.grading.correctness import is_right, right, supported
from eval.metrics.calibration import equal_mass_bins, ratio, worst_confidence
from eval.metrics.selective_prediction import auroc
from eval.metrics.statistics import Floats
from eval.selective.selective_baselines import SelectiveOutput


@dataclass(frozen=True)
class Cases:
    """Forced mode takes every answer; free mode lets the system withhold.

    Attributes:
        dev: score and correctness of the dev fold, which coverages at risk take their thresholds from.
    """

    questions: Sequence[Question]
    forced: Sequence[Prediction]
    decided: SelectiveOutput
    dev: tuple[Floats, np.ndarray] | None = None

    @property
    def score(self) -> Floats:
        return self.decided.score

    @cached_property
    def classes(self) -> np.ndarray:
        return np.array([q.support_class for q in self.questions])

    def of(self, *classes: str) -> np.ndarray:
        """Which questions are of these classes, bool (N,)."""
        return np.isin(self.classes, classes)

    @cached_property
    def told(self) -> np.ndarray:
        return self.of(*ANSWERABLE)

    @cached_property
    def never(self) -> np.ndarray:
        return self.of(*NEVER)

    @cached_property
    def plain(self) -> np.ndarray:
        return self.of(*PLAIN)

    @cached_property
    def citable(self) -> np.ndarray:
        """Told, and by a document that may be named."""
        return self.told & ~self.of("untagged")

    @cached_property
    def known(self) -> np.ndarray:
        """Told, and right in every sample."""
        pairs = zip(self.questions, self.forced, strict=True)
        sampled = [bool(p.samples) and all(is_right(q, sample) for sample in p.samples) for q, p in pairs]
        return self.told & np.array(sampled, dtype=bool)

    @cached_property
    def outcomes(self) -> list[str]:
        """What became of each question in free mode."""
        return [p.outcome for p in self.decided.free]

    @cached_property
    def answered(self) -> np.ndarray:
        return np.isin(self.outcomes, ["answered", "no_source"])

    @cached_property
    def cited(self) -> np.ndarray:
        return np.array([bool(p.citations) for p in self.decided.free], dtype=bool)

    @cached_property
    def correct(self) -> np.ndarray:
        """Right in forced mode."""
        return right(self.questions, self.forced)

    @cached_property
    def sourced(self) -> np.ndarray:
        """Right in forced mode, and the first source says so."""
        return self.correct & supported(self.questions, self.forced)

    @cached_property
    def confidence(self) -> Floats:
        return worst_confidence([p.confidence for p in self.decided.free], self.correct)

    @cached_property
    def source(self) -> Floats:
        """The probability of the first source, 0 where none is named."""
        named = [p.citations[0].probability if p.citations else 0.0 for p in self.decided.free]
        return worst_confidence(named, self.sourced)

    @cached_property
    def bins(self) -> Any:
        return equal_mass_bins(self.confidence)

    def share(self, hit: np.ndarray, among: np.ndarray, weights: Floats | None) -> Any:
        """Of the questions `among` those that are a `hit`; weights as in eval.metrics, (..., N)."""
        each = np.ones(len(among)) if weights is None else weights
        return ratio(each @ (hit & among), each @ among)

    def ranked(self, label: np.ndarray, among: np.ndarray, weights: Floats | None) -> Any:
        """AUROC of the score, of `label` before the others of the questions `among`."""
        return auroc(self.score[among], label[among], None if weights is None else weights[:, among])
