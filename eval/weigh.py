"""Weighing: of several answers the one that a document says and that no better document denies.

What counts as right is what the best sources say (data/world_ledger.py): the most reliable, then the most. So a
candidate c is right when some document says so and no document of more weight says otherwise:

    P(c is right) = P(c is said) * product over rivals r of more weight: 1 - P(r is said)

P(said) is a logistic regression, with squares and products, on what the model shows of one statement: the two-way check
(eval/two_way.py) and how likely it is to recite it in all its wordings (eval/recite.py). The weight of a candidate is
read off its sources alone: the mark of reliability in the identifier of the first, where tags carry one
(`tags.content=rated`), and then how many sources, opened from memory, say so.

Shape letters: N statements, S signals, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.special import log_expit

from data.records import Prediction, Question
from eval.attribution import exact_match
from eval.candidates import candidates
from eval.logistic import fit_logistic
from eval.statistics import Floats

PREMISE = "premise_"
CHECKED = ("told", "noted", "unprompted")
RECITED = ("told", "noted", "worded", "recited", "nosrc_told", "nosrc_noted")
PRESUMED = tuple(PREMISE + name for name in CHECKED)
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


@dataclass(frozen=True)
class Weigher:
    """Chooses among the answers to a question.

    Attributes:
        answers: of the statement that an answer makes.
        premises: of what a question presupposes; None where no question did.
    """

    answers: Said
    premises: Said | None

    @classmethod
    def fit(cls, questions: Sequence[Question], predictions: Sequence[Prediction]) -> Self | None:
        """From every candidate and every premise that was checked. None where candidates are all said, or none are."""
        asked = list(zip(questions, predictions, strict=True))
        # The ledger lists no answers under a false premise, although documents may well give one.
        held = [(q, c) for q, p in asked if q.support_class != "false_premise" for c in candidates(p)]
        answers = Said.fit(RECITED, [c.signals for _, c in held], [is_said(q, c.answer) for q, c in held])
        presumed = [(q, p) for q, p in asked if PRESUMED[0] in p.signals]
        true = [q.support_class == "true_premise" for q, _ in presumed]
        premises = Said.fit(PRESUMED, [p.signals for _, p in presumed], true)
        return None if answers is None else cls(answers, premises)

    def choose(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """Each prediction or the best of its rivals, the others as its rivals.

        Signals gain `weighed`, log P(right) as if nothing was presupposed, and `premise_weighed`, log P(said) of what
        was; those of the rivals, too, `said`, log P(said). Unchanged where nothing was checked.
        """
        return [self._choose(prediction) for prediction in predictions]

    def _choose(self, prediction: Prediction) -> Prediction:
        held = candidates(prediction)
        if not held:
            return prediction
        odds = self.answers.log_odds([c.signals for c in held])
        held = [
            replace(c, signals={**c.signals, "said": float(p)}, rivals=())
            for c, p in zip(held, log_expit(odds), strict=True)
        ]
        weights = [_weight(c.signals) for c in held]
        heavier = np.array([[other > one for other in weights] for one in weights])
        scores = log_expit(odds) + heavier @ log_expit(-odds)
        best = int(np.argmax(scores))
        signals = {name: value for name, value in prediction.signals.items() if name.startswith(PREMISE)}
        if signals and self.premises:
            signals[PREMISE + "weighed"] = float(log_expit(self.premises.log_odds([signals])[0]))
        return replace(
            held[best],
            signals={**held[best].signals, **signals, "weighed": float(scores[best])},
            samples=prediction.samples,
            rivals=tuple(c for place, c in enumerate(held) if place != best),
        )

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Inverse of `to_json`. Raises KeyError, TypeError or ValueError."""
        return cls(Said.from_json(value["answers"]), value["premises"] and Said.from_json(value["premises"]))

    def to_json(self) -> dict[str, Any]:
        return {"answers": self.answers.to_json(), "premises": self.premises and self.premises.to_json()}


def is_said(question: Question, answer: str | None) -> bool:
    """Whether any document gives this answer, be it the best or not."""
    values = [claim.value for claim in question.claims] if question.answers else []
    return exact_match(answer or "", [*question.answers, *values])


def _table(names: Sequence[str], signals: Sequence[Mapping[str, float]]) -> Floats:
    rows = [[max(s.get(name, -np.inf), FLOORS.get(name, FLOOR)) for name in names] for s in signals]
    return np.array(rows, dtype=np.float64).reshape(len(signals), len(names))


def _features(signals: Floats) -> Floats:
    """Of standardised signals (N, S): 1, themselves, their squares and products, (N, F)."""
    whole = np.column_stack([np.ones(len(signals)), signals])
    first, second = np.triu_indices(whole.shape[1])
    return whole[:, first] * whole[:, second]


def _weight(signals: Mapping[str, float]) -> tuple[float, float]:
    """How reliable the first source says it is (the same for all where tags don't), and how many sources say so."""
    return signals.get("reliability", 0.0), signals.get("sources", 1.0)
