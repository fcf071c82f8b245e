"""Does it know what it does not know? Everything about abstention that results.json and the report show of a run.

Fitted on the calibration fold, thresholds from dev, reported on test; see eval/selective/selective_baselines.py and
eval/results/selective_metrics.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.records import FOLDS, SUPPORT_CLASSES, Prediction, Question
from eval.grading.correctness import right
from eval.grading.outcomes import Outcomes, sort_outcomes
from eval.metrics.statistics import Floats
from eval.results.cases import Cases
from eval.results.fact_frequency import exposure_curve
from eval.results.selective_metrics import BY_SYSTEM, by_class, counts, measured
from eval.results.signal_auroc import Signal, by_signal
from eval.selective.policy import LEAST, Folded, Policy, signal
from eval.selective.selective_baselines import FITTED, SelectiveOutput, decide, fit_policies, in_fold
from eval.signals import registered

REWORDED = "reworded"  # split of eval questions, and their part among the folds
MAIN = ("selected", "bidirectional", "stated", "with_citation", "log_probability")


@dataclass(frozen=True)
class AbstentionReport:
    """A model's forced answers to the questions of all folds, and what each system makes of them.

    Attributes:
        policies: all that can be fitted, those of `MAIN` first; a run is judged by the first.
        systems: all of eval/selective/selective_baselines.py.
        reworded: questions of the test fold in wordings that the corpus never used, with the forced answers.
    """

    questions: list[Question]
    forced: list[Prediction]
    policies: dict[str, Policy]
    systems: dict[str, SelectiveOutput]
    reworded: Folded = ((), ())

    @classmethod
    def of(
        cls, questions: Sequence[Question], forced: Sequence[Prediction], max_abstained: float
    ) -> AbstentionReport | None:
        """None where no policy can be fitted: a corpus without folds, or a model that is never right."""
        folded = [(q, p) for q, p in zip(questions, forced, strict=True) if q.fold]
        asked, said = [q for q, _ in folded], [p for _, p in folded]
        fitted = fit_policies(asked, said, max_abstained)
        policies = {name: fitted[name] for name in (*MAIN, *fitted) if name in fitted}
        pairs = [(q, p) for q, p in zip(questions, forced, strict=True) if q.split == REWORDED]
        reworded = [q for q, _ in pairs], [p for _, p in pairs]
        return cls(asked, said, policies, decide(asked, said, fitted), reworded) if policies else None

    @property
    def main(self) -> str:
        return next(iter(self.policies))

    def by_fold(self) -> dict[str, Any]:
        """The metrics of the main policy by fold, with the confusion of what was said; intervals on test only.

        Where there are reworded questions, they follow as if they were a fold: decided as the test fold is.
        """
        found = {}
        for fold in FOLDS:
            questions, forced, decided = self.fold(fold, self.main)
            classes = [q.support_class for q in questions]
            found[fold] = {
                "policy": self.main,
                "n": len(questions),
                "n_by_class": {name: classes.count(name) for name in SUPPORT_CLASSES if name in classes},
                **measured(self.cases(fold, self.main), intervals=fold == "test"),
                "confusion": counts(questions, decided),
            }
            if fold == "test":
                found[fold]["smooth_ece_by_class"] = by_class(questions, forced, decided)
        if self.reworded[0]:
            found[REWORDED] = self._reworded()
        return found

    def _reworded(self) -> dict[str, Any]:
        questions, forced = self.reworded
        policy = self.policies[self.main]
        chosen = policy.chosen(forced)
        decided = SelectiveOutput(policy.answer.scores(chosen), chosen, policy.apply(forced))
        classes = [q.support_class for q in questions]
        return {
            "policy": self.main,
            "n": len(questions),
            "n_by_class": {name: classes.count(name) for name in SUPPORT_CLASSES if name in classes},
            **measured(Cases(questions, chosen, decided, self._dev(self.main))),
            "confusion": counts(questions, decided),
        }

    def by_system(self) -> dict[str, Any]:
        """The headline metrics of every system on the test fold."""
        return {name: measured(self.cases("test", name), BY_SYSTEM) for name in self.systems}

    def by_signal(self) -> dict[str, Any]:
        """The AUROCs of every system's score, and of signals alone, on the test fold; see
        eval/results/signal_auroc.py.
        """
        found = {}
        for name in FITTED:
            if name in self.systems:
                questions, forced, decided = self.fold("test", name)
                found[name] = Signal(decided.score, right(questions, forced))
        tested, said = in_fold(self.questions, self.forced, "test")
        correct = right(tested, said)
        for name in (name for name, one in registered().items() if one.compared):
            score = signal(said, name)
            if not np.isnan(score).all():
                found[name] = Signal(np.where(np.isnan(score), LEAST, score), correct)
        return by_signal(tested, found, self.main)

    def exposure(self) -> dict[str, Any]:
        questions, forced, decided = self.fold("test", self.main)
        return exposure_curve(questions, forced, decided.free)

    def outcomes(self) -> Outcomes:
        """What became of each question of the test fold, to browse."""
        questions, forced, decided = self.fold("test", self.main)
        return sort_outcomes(questions, forced, decided.free)

    def fold(self, fold: str, system: str) -> tuple[list[Question], list[Prediction], SelectiveOutput]:
        """The questions of one fold, what a system would answer to them if it had to, and what it makes of that."""
        here = [i for i, question in enumerate(self.questions) if question.fold == fold]
        decided = self.systems[system]
        part = SelectiveOutput(decided.score[here], [decided.forced[i] for i in here], [decided.free[i] for i in here])
        return [self.questions[i] for i in here], part.forced, part

    def cases(self, fold: str, system: str) -> Cases:
        """What metrics of a system on one fold are made of."""
        return Cases(*self.fold(fold, system), self._dev(system))

    def _dev(self, system: str) -> tuple[Floats, np.ndarray]:
        questions, forced, decided = self.fold("dev", system)
        return decided.score, right(questions, forced)
