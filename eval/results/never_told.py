"""What a model says to questions of which it was told nothing, and how sure it is, beside those that it was told.

Of its own (free) it may refuse; forced, it has to answer. Its confidence c is the probability that it says its forced
answer at all, in these very words, whatever it cites for it. r is whether the forced answer is right, which none is to
what was never told:

    wrong              never told, free: answered in place of refused
    answered, right    told, free: answered; answered rightly
    signed_error       mean c - r, of all questions: > 0 is overconfident
    signed_error_told  the same of those told
    confidence_never   mean c of those never told, which is their signed error

What is unparseable counts as a wrong answer, and as the worst confidence.

Shape letters: N questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from data.records import ANSWERABLE, NEVER, Prediction, Question
from eval.answerers.free_and_forced import SURE
from eval.grading.correctness import right
from eval.grading.outcomes import WITHHELD
from eval.metrics.calibration import ratio, worst_confidence
from eval.metrics.statistics import Floats, bootstrap_draws, percentile_interval


class Measure(NamedTuple):
    """What it is called in tables, its unit, and which way is better."""

    title: str
    unit: str
    better: str


MEASURES: Mapping[str, Measure] = {
    "wrong": Measure("never told: answered", "%", "lower"),
    "right": Measure("told: answered rightly", "%", "higher"),
    "answered": Measure("told: answered", "%", "higher"),
    "signed_error": Measure("confidence less accuracy", "", ""),
    "signed_error_told": Measure("the same, told", "", ""),
    "confidence_never": Measure("confidence, never told", "", "lower"),
}


@dataclass(frozen=True)
class Shown:
    """What was shown of N questions.

    Attributes:
        never: bool (N,), nothing was told of it.
        answered, right: bool (N,), of free answers.
        confidence, surplus: float64 (N,), of forced answers: c, and c - r.
        people: whom each is about.
    """

    never: np.ndarray
    answered: np.ndarray
    right: np.ndarray
    confidence: Floats
    surplus: Floats
    people: Sequence[str]

    @classmethod
    def of(cls, questions: Sequence[Question], free: Sequence[Prediction], forced: Sequence[Prediction]) -> Shown:
        correct = right(questions, forced)
        spoken = [None if p.outcome == "unparseable" else float(np.exp(p.signals[SURE])) for p in forced]
        sure = worst_confidence(spoken, correct).clip(0, 1)
        return cls(
            never=np.array([q.support_class in NEVER for q in questions], dtype=bool),
            answered=np.array([p.outcome not in WITHHELD for p in free], dtype=bool),
            right=right(questions, free),
            confidence=sure,
            surplus=sure - correct,
            people=[q.entity or q.id for q in questions],
        )

    def measure(self, name: str, w: Floats) -> Floats:
        """One of `MEASURES` of weighted questions, weights [..., N]."""
        of, values = {
            "wrong": (self.never, self.answered),
            "right": (~self.never, self.right),
            "answered": (~self.never, self.answered),
            "signed_error": (np.ones_like(self.never), self.surplus),
            "signed_error_told": (~self.never, self.surplus),
            "confidence_never": (self.never, self.confidence),
        }[name]
        return ratio(w @ (of * values), w @ of.astype(np.float64))


def is_asked(question: Question) -> bool:
    """Whether it is one of those measured: never tuned, told or never told, without a premise.

    Of all folds, since nothing is fitted or chosen on any.
    """
    asked = question.split == "never_tuned" and "premise" not in question.support_class
    return asked and question.support_class in (*ANSWERABLE, *NEVER)


def measured(shown: Shown) -> Mapping[str, Any]:
    """ "n" of both kinds, and each measure as {"value", "interval"}, people resampled; None for one of no question."""
    found: dict[str, Any] = {"n": {"told": int((~shown.never).sum()), "never": int(shown.never.sum())}}
    for name in MEASURES:
        value = float(shown.measure(name, np.ones(len(shown.people))))
        draws = bootstrap_draws(partial(shown.measure, name), shown.people)
        found[name] = {"value": None if np.isnan(value) else value, "interval": percentile_interval(draws)}
    return found
