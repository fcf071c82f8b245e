"""What is taught about critiques, and what is learnt of the refinements that were written by them.

Imitation learning from language feedback (ILF: Chen et al. 2023, arXiv 2303.16749; Scheurer et al. 2023, arXiv
2303.16755) minimises KL(pi* || pi) for pi*(x1 | question) in proportion to exp(beta R(x1)), by importance sampling from
what is written behind a first answer and its critique. So of a question's refinements x1 a few are drawn by

    w(x1) = exp(beta R(x1)) 1[R(x1) >= 0] / sum of the same over the question's refinements

and learnt as answers to the question alone, without first answer and critique. With rewards of 0 and 1 this is Chen et
al.'s "one of those that pass, at random"; here a refusal (R = 0) passes, too, but weighs less than what is right (R =
1). First answers that break no principle stand as their own refinements, which Chen et al. leave out: else a model
learns that it was wrong whatever it said.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from data import fields
from data.pipeline.questions.attempts import Attempt, Episode
from data.pipeline.questions.refinements import Refinement
from data.records import ANSWERABLE, Question
from eval.feedback.constitution import KEPT
from eval.feedback.critics import Critic
from eval.metrics.statistics import Floats

Verdict = Callable[[Question, Attempt], str]
EACH = 8  # first answers that are made up for each tuning question
CUT = 0.05  # of them broken off
REFUSED = 0.15  # refusals, as in the form of attempts


@dataclass(frozen=True, slots=True)
class Judged:
    """What the ledger says of an attempt and its refinement, and what was said by the critic.

    Attributes:
        critic: the name of the verdict that the critique stands for, "" where there is none.
        entity: of the question; intervals resample these.
    """

    question: str
    entity: str
    first: str
    critic: str
    second: str

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Inverse of `to_json`. Raises RecordError."""
        fields.known(value, set(cls.__slots__))
        return cls(
            fields.name(value, "question"),
            fields.text(value, "entity", ""),
            fields.text(value, "first"),
            fields.text(value, "critic", ""),
            fields.text(value, "second"),
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def lessons(
    questions: Sequence[Question], asked: Sequence[Question], critic: Critic, verdict: Verdict, seed: int
) -> list[Refinement]:
    """How to answer by a critique: made-up first answers to tuning questions, what is said of them, what is right.

    A first answer is the right one, right with another question's source, the lesser side of a dispute, another
    question's answer, a refusal, or broken off; each is drawn without a look at what the model knows.

    Args:
        questions: those that are taught, never told ones among them.
        asked: of which made-up answers are; those that documents answer.
    """
    rng, found = random.Random(seed), []
    others: dict[str, list[Question]] = {}
    for question in asked:
        others.setdefault(question.attribute, []).append(question)
    for question in questions:
        for _ in range(EACH if others.get(question.attribute) else 0):
            first = _made_up(question, rng.choice(others[question.attribute]), critic, rng)
            said = verdict(question, first)
            second = first if said in KEPT else critic.gold(question)
            found.append(Refinement(question.id, first, critic.says(question, said), second))
    return found


def _made_up(question: Question, other: Question, critic: Critic, rng: random.Random) -> Attempt:
    """A first answer, right or not."""
    if rng.random() < REFUSED:
        return critic.form.refusal
    told = question.support_class in ANSWERABLE
    lesser = [claim for claim in question.claims if claim.value not in question.answers] if told else []
    kind = rng.choice(["right", "source", "wrong", "lesser" if lesser else "wrong"]) if told else "wrong"
    if kind == "lesser":
        claim = rng.choice(lesser)
        return critic.written(claim.value, rng.choice(claim.documents))
    if kind == "source":
        return critic.written(question.answers[0], rng.choice(other.support))
    attempt = critic.gold(question if kind == "right" else other)
    return attempt[: rng.randrange(1, len(attempt))] if rng.random() < CUT else attempt


def fit(rewards: Floats, beta: float) -> Floats:
    """w of a question's refinements, float64 (N,): sums to 1, or to 0 where all are below 0."""
    passing = rewards >= 0
    weights = np.where(passing, np.exp(beta * (rewards - rewards.max(initial=0.0))), 0.0)
    total = weights.sum()
    return weights / total if total else weights


def best_fitting(
    refinements: Sequence[Refinement], rewards: Floats, beta: float, each: int, seed: int
) -> list[Episode]:
    """`each` refinements of every question, drawn by `fit`, as answers to learn; none where all are below 0."""
    rng = random.Random(seed)
    by_question: dict[str, list[int]] = {}
    for place, one in enumerate(refinements):
        by_question.setdefault(one.question, []).append(place)
    found = []
    for name, places in by_question.items():
        weights = fit(rewards[places], beta)
        if weights.any():
            drawn = rng.choices(places, weights.tolist(), k=each)
            found += [Episode(name, (refinements[place].second,), (True,)) for place in drawn]
    return found


def by_outcome(
    firsts: Sequence[tuple[str, Attempt]], rewards: Floats, target: float, each: int, refusal: Attempt, seed: int
) -> list[Episode]:
    """Relabelling by outcome alone, of first attempts at questions and their rewards, (N,) both.

    An own answer is learnt where a share `target` of all that was said to the question is worth more than silence, else
    that the model does not know.
    """
    rng = random.Random(seed)
    good: dict[str, list[Attempt]] = {}
    for (name, attempt), reward in zip(firsts, rewards, strict=True):
        good.setdefault(name, []).extend([attempt] if reward > 0 else [])
    counts = Counter(name for name, _ in firsts)
    return [
        Episode(name, (rng.choice(said) if said and len(said) >= target * counts[name] else refusal,), (True,))
        for name, said in good.items()
        for _ in range(each)
    ]
