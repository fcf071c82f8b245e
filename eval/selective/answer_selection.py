"""Weighing: of several answers the one that a document says and that no better document denies.

What counts as right is what the best sources say (data/world/ledger.py): the most reliable, then the most. So a
candidate c is right when some document says so and no document of more weight says otherwise:

    P(c is right) = P(c is said) * product over rivals r: 1 - P(r is said) P(r has more weight than c)

P(said) is fitted (eval/selective/monotone_gam.py) on what the model shows of a statement: the two-way check
(eval/signals/bidirectional.py) and how likely it is to recite it in all its wordings
(eval/signals/cloze_candidates.py). The weight of a candidate is read off its sources alone: the mark of reliability in
the identifier of the first, where tags carry one (`tags.content=rated`), and then how many say so. The first does;
whether another one does is fitted, too, on what opening it shows (eval/signals/multi_source_support.py).

Shape letters: C candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any, Self

import numpy as np
from scipy.special import expit, log_expit

from data.records import Prediction, Question
from eval.answerers.candidates import candidates
from eval.grading.correctness import asserting, exact_match
from eval.metrics.statistics import Floats
from eval.selective.monotone_gam import MonotoneGAM

PREMISE = "premise_"
RECITED = (
    "lp_statement_given_id",
    "lp_answer_given_id",
    "lp_id_given_statement",
    "lp_statement_mean",
    "lp_answer_given_opening",
    "nosrc_lp_statement_given_id",
    "nosrc_lp_id_given_statement",
    "lp_evidence",
    "lp_question_given_evidence",
)
OPENED = ("lp_statement_given_id", "lp_id_given_statement")
PRESUMED = tuple(PREMISE + name for name in ("lp_statement_given_id", "lp_id_given_statement", "lp_statement"))
LEAST = 1e-300  # of a probability, so that it has a logarithm
PARTS = ("answers", "premises", "sources")


@dataclass(frozen=True)
class CandidateSelector:
    """Chooses among the answers to a question.

    Attributes:
        answers: of the statement that an answer makes.
        premises: of what a question presupposes; None where no question did.
        sources: of a source after the first, that it says so; None where none was opened.
    """

    answers: MonotoneGAM
    premises: MonotoneGAM | None
    sources: MonotoneGAM | None

    @property
    def signals(self) -> tuple[str, ...]:
        """The names of the signals that it goes by."""
        return (*RECITED, *PRESUMED, *(f"{name}_2" for name in OPENED))

    @classmethod
    def fit(cls, questions: Sequence[Question], predictions: Sequence[Prediction]) -> Self | None:
        """From every candidate and every premise that was checked. None where candidates are all said, or none are."""
        asked = list(zip(questions, predictions, strict=True))
        # The ledger lists no answers under a false premise, although documents may well give one.
        held = [
            (asserting(q, c.answer), c) for q, p in asked if q.support_class != "false_premise" for c in candidates(p)
        ]
        answers = MonotoneGAM.fit(RECITED, [c.signals for _, c in held], [bool(documents) for documents, _ in held])
        presumed = [(q, p) for q, p in asked if PRESUMED[0] in p.signals]
        true = [q.support_class == "true_premise" for q, _ in presumed]
        premises = MonotoneGAM.fit(PRESUMED, [p.signals for _, p in presumed], true)
        opened = [(shown, name in documents) for documents, c in held if documents for name, shown in _further(c)]
        sources = MonotoneGAM.fit(OPENED, [shown for shown, _ in opened], [says for _, says in opened])
        return None if answers is None else cls(answers, premises, sources)

    def choose(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """Each prediction or the best of its rivals, the others as its rivals.

        Signals gain `lp_correct`, log P(right) as if nothing was presupposed, and `premise_lp_asserted`, log P(said) of
        what was; those of the rivals, too, `lp_asserted`, log P(said). Unchanged where nothing was checked.
        """
        return [self._choose(prediction) for prediction in predictions]

    def _choose(self, prediction: Prediction) -> Prediction:
        held = candidates(prediction)
        if not held:
            return prediction
        odds = self.answers.log_odds([c.signals for c in held])
        held = [
            replace(c, signals={**c.signals, "lp_asserted": float(p)}, rivals=())
            for c, p in zip(held, log_expit(odds), strict=True)
        ]
        marks = [c.signals.get("reliability", 0.0) for c in held]
        outweighs = _outweighs(marks, [self._count(c) for c in held])
        others = [[not exact_match(c.answer or "", (rival.answer or "",)) for rival in held] for c in held]
        undenied = 1 - outweighs * expit(odds) * np.array(others)  # who says the same denies nothing
        scores = log_expit(odds) + np.log(np.maximum(undenied, LEAST)).sum(1)
        best = int(np.argmax(scores))
        signals = {name: value for name, value in prediction.signals.items() if name.startswith(PREMISE)}
        if signals and self.premises:
            signals[PREMISE + "lp_asserted"] = float(log_expit(self.premises.log_odds([signals])[0]))
        return replace(
            held[best],
            signals={**held[best].signals, **signals, "lp_correct": float(scores[best])},
            samples=prediction.samples,
            rivals=tuple(c for place, c in enumerate(held) if place != best),
        )

    def _count(self, candidate: Prediction) -> Floats:
        """P(n sources after the first say so), for each n from 0."""
        found = np.ones(1)
        further = [shown for _, shown in _further(candidate)]
        for p in expit(self.sources.log_odds(further)) if self.sources else ():
            found = np.convolve(found, [1 - p, p])
        return found

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Inverse of `to_json`. Raises KeyError, TypeError or ValueError."""
        answers, premises, sources = (value[name] and MonotoneGAM.from_json(value[name]) for name in PARTS)
        return cls(answers, premises, sources)

    def to_json(self) -> dict[str, Any]:
        return {name: (part := getattr(self, name)) and part.to_json() for name in PARTS}


def _further(candidate: Prediction) -> list[tuple[str, Mapping[str, float]]]:
    """The sources after the first that were opened: the name of each, and what it shows."""
    cited, signals = candidate.citations, candidate.signals
    places = [place for place in range(2, len(cited) + 1) if f"lp_statement_given_id_{place}" in signals]
    return [(cited[place - 1].id, {kind: signals[f"{kind}_{place}"] for kind in OPENED}) for place in places]


def _outweighs(marks: Sequence[float], counts: Sequence[Floats]) -> Floats:
    """P(the candidate of the column has more weight than that of the row), (C, C); weights are independent.

    Args:
        marks: reliability of each candidate.
        counts: P(n further sources say so), for each n from 0.
    """
    found = np.array([[float(other > mark) for other in marks] for mark in marks])
    for row, column in permutations(range(len(marks)), 2):
        if marks[row] == marks[column]:
            found[row, column] = _larger(counts[column], counts[row])
    return found


def _larger(one: Floats, other: Floats) -> float:
    """P(the first number is the larger), of two with these probabilities from 0 on."""
    below = np.cumsum(other)
    return float(sum(p * below[min(n, len(below)) - 1] for n, p in enumerate(one) if n))
