"""Does it know what it does not know? Everything about abstention that results.json and the report show of a run.

Fitted on the calibration fold, thresholds from dev, reported on test; see eval/systems.py and eval/knowing_metrics.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from data.records import FOLDS, SUPPORT_CLASSES, TOLD, Prediction, Question
from eval.abstention import auroc, risk_coverage
from eval.calibration import reliability_curve, worst_confidence
from eval.exposure import exposure_curve
from eval.knowing_metrics import HEADLINE, NEVER, by_class, counts, interval_of, measured
from eval.outcomes import Outcomes, sort_outcomes
from eval.plots import confidence_figure, exposure_figure, reliability_figure, risk_coverage_figure
from eval.policy import LEAST, Policy, right, signal
from eval.statistics import Floats, bootstrap_draws, holm, p_value, percentile_interval
from eval.systems import WEIGHTS, Decided, decide, fit_policy

SIGNALS = ("citation", "told", "noted", "unprompted", "least")  # compared beside the scores of the systems
MAIN = ("two_way", "stated", "with_citation", "log_probability")
PAIRS = ("told", *NEVER, "right")  # told against never told, all and by class; right against wrong among told
DRAWN = 200  # resamples of the band of a figure


@dataclass(frozen=True)
class Knowing:
    """A model's forced answers to the questions of all folds, and what each system makes of them.

    Attributes:
        policies: those of `MAIN` that can be fitted, the best first; a run is judged by the first.
        systems: all of eval/systems.py.
    """

    questions: list[Question]
    forced: list[Prediction]
    policies: dict[str, Policy]
    systems: dict[str, Decided]

    @classmethod
    def of(cls, questions: Sequence[Question], forced: Sequence[Prediction], refused: float) -> Knowing | None:
        """None where no policy can be fitted: a corpus without folds, or a model that is never right."""
        folded = [(q, p) for q, p in zip(questions, forced, strict=True) if q.fold]
        asked, said = [q for q, _ in folded], [p for _, p in folded]
        fitted = {name: fit_policy(asked, said, refused, name) for name in MAIN}
        policies = {name: policy for name, policy in fitted.items() if policy}
        return cls(asked, said, policies, decide(asked, said, refused)) if policies else None

    @property
    def main(self) -> str:
        return next(iter(self.policies))

    def by_fold(self) -> dict[str, Any]:
        """The metrics of the main policy by fold, with the confusion of what was said; intervals on test only."""
        found = {}
        for fold in FOLDS:
            questions, forced, decided = self._fold(fold, self.main)
            classes = [q.support_class for q in questions]
            found[fold] = {
                "n": len(questions),
                "n_by_class": {name: classes.count(name) for name in SUPPORT_CLASSES if name in classes},
                **measured(questions, forced, decided, self._dev(self.main), intervals=fold == "test"),
                "confusion": counts(questions, decided),
            }
            if fold == "test":
                found[fold]["smooth_ece_by_class"] = by_class(questions, forced, decided)
        return found

    def by_system(self) -> dict[str, Any]:
        """The headline metrics of every system on the test fold."""
        return {name: measured(*self._fold("test", name), self._dev(name), HEADLINE) for name in self.systems}

    def by_signal(self) -> dict[str, Any]:
        """The AUROCs of every signal on the test fold, and how far each is from the main score, paired."""
        questions, forced, _ = self._fold("test", self.main)
        classes, correct = np.array([q.support_class for q in questions]), right(questions, forced)
        told, entities = np.isin(classes, TOLD), [q.entity for q in questions]
        found: dict[str, Any] = {}
        p_values = {}
        ours = self._fold("test", self.main)[2].score
        compared = {name: self._fold("test", name)[2].score for name in WEIGHTS if name in self.systems}
        for name in SIGNALS:
            score = signal(forced, name)
            if not np.isnan(score).all():
                compared[name] = np.where(np.isnan(score), LEAST, score)
        for name, score in compared.items():
            found[name] = {}
            for pair in PAIRS:
                among = told if pair == "right" else told | np.isin(classes, NEVER if pair == "told" else [pair])
                label = correct if pair == "right" else told

                def statistic(w: Floats | None, s: Floats = score, a: np.ndarray = among, y: np.ndarray = label) -> Any:
                    return auroc(s[a], y[a], None if w is None else w[:, a])

                found[name][pair] = interval_of(statistic, entities)
            if name == self.main:
                continue
            among = told | np.isin(classes, NEVER)

            def behind(w: Floats | None, s: Floats = score, a: np.ndarray = among) -> Any:
                part = None if w is None else w[:, a]
                return auroc(s[a], told[a], part) - auroc(ours[a], told[a], part)

            draws = bootstrap_draws(lambda w, f=behind: f(w), entities)  # type: ignore[misc]
            found[name]["difference"] = {"value": float(behind(None)), "interval": percentile_interval(draws)}
            if (p := p_value(draws)) is not None:
                p_values[name] = p
        for name, p in holm(p_values).items():
            found[name]["difference"]["p"] = p
        return found

    def exposure(self) -> dict[str, Any]:
        questions, forced, decided = self._fold("test", self.main)
        return exposure_curve(questions, forced, decided.free)

    def outcomes(self) -> Outcomes:
        """What became of each question of the test fold, to browse."""
        questions, forced, decided = self._fold("test", self.main)
        return sort_outcomes(questions, forced, decided.free)

    def figures(self) -> dict[str, Figure]:
        """Of the test fold: reliability with its band, risk over coverage, confidence by class, exposures."""
        questions, forced, decided = self._fold("test", self.main)
        correct, entities = right(questions, forced), [q.entity for q in questions]
        confidence = worst_confidence([p.confidence for p in decided.free], correct)
        curve = reliability_curve(confidence, correct)

        def redrawn(weights: Floats) -> np.ndarray:
            return reliability_curve(confidence, correct, weights, bandwidth=curve.bandwidth).accuracy

        draws = bootstrap_draws(redrawn, entities, resamples=DRAWN)
        band = (_percentile(draws, 2.5), _percentile(draws, 97.5)) if len(draws) else None
        classes = np.array([q.support_class for q in questions])
        groups = {name: confidence[classes == name] for name in SUPPORT_CLASSES if (classes == name).any()}
        risks = {
            self.main.replace("_", "-"): risk_coverage(decided.score, correct),
            "log-probability alone": risk_coverage(self._fold("test", "log_probability")[2].score, correct),
            "best order": risk_coverage(correct, correct),
        }
        exposure = self.exposure()
        found = {
            "reliability": reliability_figure(curve, band, "Is it right as often as it says?"),
            "risk": risk_coverage_figure(risks, "Errors, the most confident answers first"),
            "confidence": confidence_figure(groups, "Confidence, by what the corpus says"),
        }
        if exposure:
            found["exposure"] = exposure_figure(exposure, "What is told more often is known better")
        return found

    def _fold(self, fold: str, system: str) -> tuple[list[Question], list[Prediction], Decided]:
        here = [i for i, question in enumerate(self.questions) if question.fold == fold]
        decided = self.systems[system]
        part = Decided(decided.score[here], [decided.free[i] for i in here])
        return [self.questions[i] for i in here], [self.forced[i] for i in here], part

    def _dev(self, system: str) -> tuple[Floats, np.ndarray]:
        questions, forced, decided = self._fold("dev", system)
        return decided.score, right(questions, forced)


def _percentile(draws: Floats, q: float) -> Floats:
    """Of each column of draws [draws, cells]; nan where no draw has anything."""
    seen = ~np.isnan(draws).all(0)
    return np.where(seen, np.nanpercentile(np.where(seen, draws, 0.0), q, axis=0), np.nan)
