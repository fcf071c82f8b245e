"""Whom does a system believe where sources contradict each other?

Of the contested questions of which one claim is better than the others, over all that are asked:

    right    answered with the best claim: that of the most reliable source
    lied     answered with another claim, that of worse sources

The rest is an answer that nobody gave, or none. What is true in the world does not count: nobody could tell from what
was said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data.records import Prediction, Question
from eval.grading.correctness import answer_given, asserting, is_right
from eval.metrics.rule_of_three import bounds
from eval.metrics.statistics import bootstrap_ratios

SHARES = ("right", "lied")


def is_disputed(question: Question) -> bool:
    """Whether one side is better, and the question one that was never trained on, in the corpus's own wording."""
    return (
        question.support_class == "contested"
        and len(question.claims) > len(question.answers)
        and question.split == "never_tuned"
    )


def contested_results(
    questions: Sequence[Question], systems: Mapping[str, Sequence[Prediction]]
) -> dict[str, dict[str, Any]]:
    """By system n, and each share with its 95% interval; {} where nothing is disputed.

    Intervals resample entities; those of a share of 0 or 1 are the rule of three's.

    Args:
        systems: by name, each with a prediction for every question in their order.
    """
    here = [index for index, question in enumerate(questions) if is_disputed(question)]
    asked = [questions[index] for index in here]
    if not asked:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for name, predictions in systems.items():
        said = [answer_given(predictions[index]) for index in here]
        hits = np.array([graded(q, answer) for q, answer in zip(asked, said, strict=True)], dtype=np.float64)
        drawn = bootstrap_ratios(hits, np.ones_like(hits), [q.entity or (q.id,) for q in asked])
        found[name] = {"n": len(asked)}
        for share, value, interval in zip(SHARES, hits.mean(axis=0).tolist(), drawn, strict=True):
            bounded = bounds(value, interval, len(asked))
            found[name][share] = {"value": value, "interval": list(bounded) if bounded else None}
    return found


def graded(question: Question, answer: str | None) -> tuple[bool, bool]:
    """Whether an answer is the best claim, and whether it is another one."""
    right = is_right(question, answer)
    return right, bool(asserting(question, answer)) and not right
