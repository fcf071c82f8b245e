"""What second attempts change, in numbers: accuracy and score of each attempt, and what became of the first.

    acc_1, acc_2            right / questions that documents answer
    score_1, score_2        mean of 1 right with a source that supports it, 1/2 right without, 0 withheld, else
                            -t / (1 - t): eval/grading/rewards/cited.py
    gain                    score_2 - score_1
    i_c, c_i, i_a, c_a      attempts that went from wrong (i) to right (c), from right to wrong, from wrong and from
                            right to withheld (a) / all questions
    repeated                second attempts that say and cite what the first did / all questions
    withheld_1, withheld_2  withheld / questions that nothing answers

Shape letters: N questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.records import ANSWERABLE, Prediction, Question
from eval.grading.attempts import RIGHT, WITHHELD_STATE, WRONG, Tried, state
from eval.grading.rewards.cited import cited
from eval.metrics.rule_of_three import bounds
from eval.metrics.statistics import Floats, bootstrap_ratios


@dataclass(frozen=True)
class AttemptMeasure:
    """A column of a table; `share` says that it counts questions, "" or "higher" or "lower" which is better."""

    title: str
    better: str
    share: bool = True


MEASURES: Mapping[str, AttemptMeasure] = {
    "acc_1": AttemptMeasure("right, first", "higher"),
    "acc_2": AttemptMeasure("right, second", "higher"),
    "score_1": AttemptMeasure("score, first", "higher", share=False),
    "score_2": AttemptMeasure("score, second", "higher", share=False),
    "gain": AttemptMeasure("gain in score", "higher", share=False),
    "i_c": AttemptMeasure("wrong to right", "higher"),
    "c_i": AttemptMeasure("right to wrong", "lower"),
    "i_a": AttemptMeasure("wrong to withheld", "higher"),
    "c_a": AttemptMeasure("right to withheld", "lower"),
    "repeated": AttemptMeasure("second repeats first", ""),
    "withheld_1": AttemptMeasure("withheld of never told, first", "higher"),
    "withheld_2": AttemptMeasure("withheld of never told, second", "higher"),
}


def attempt_columns(tried: Sequence[Tried], target: float) -> dict[str, tuple[Floats, Floats]]:
    """Of each measure what is summed and what it is divided by, float64 (N,) each; a measure is sum / sum.

    A single attempt is its own second, so that it gains nothing.
    """
    told = np.array([q.support_class in ANSWERABLE for q, _ in tried], dtype=np.float64)
    everyone = np.ones_like(told)
    first, second = ([state(q, said[place]) for q, said in tried] for place in (0, -1))
    scores = [np.array([cited(q, said[place], target) for q, said in tried]) for place in (0, -1)]

    def went(a: str, b: str) -> tuple[Floats, Floats]:
        return np.array([x == a and y == b for x, y in zip(first, second, strict=True)], dtype=np.float64), everyone

    def share(states: Sequence[str], wanted: str, of: Floats) -> tuple[Floats, Floats]:
        return of * np.array([one == wanted for one in states], dtype=np.float64), of

    found = {
        "acc_1": share(first, RIGHT, told),
        "acc_2": share(second, RIGHT, told),
        "score_1": (scores[0], everyone),
        "score_2": (scores[1], everyone),
        "gain": (scores[1] - scores[0], everyone),
        "i_c": went(WRONG, RIGHT),
        "c_i": went(RIGHT, WRONG),
        "i_a": went(WRONG, WITHHELD_STATE),
        "c_a": went(RIGHT, WITHHELD_STATE),
        "repeated": (np.array([_says(s[0]) == _says(s[-1]) for _, s in tried], dtype=np.float64), everyone),
        "withheld_1": share(first, WITHHELD_STATE, 1 - told),
        "withheld_2": share(second, WITHHELD_STATE, 1 - told),
    }
    return {name: found[name] for name in MEASURES}


def attempt_results(tried: Sequence[Tried], target: float) -> dict[str, dict[str, Any]]:
    """Each measure with its value, 95% interval (entities resampled) and n; a value of None where there is nothing."""
    columns = attempt_columns(tried, target)
    return {name: measured(name, *columns[name], clusters(tried)) for name in MEASURES}


def measured(name: str, top: Floats, bottom: Floats, entities: Sequence[str]) -> dict[str, Any]:
    """sum / sum as {"value", "interval", "n"}; the interval of a share of 0 or 1 is the rule of three's."""
    n = int(bottom.sum())
    if not n:
        return {"value": None, "interval": None, "n": 0}
    value = float(top.sum() / bottom.sum())
    drawn = bootstrap_ratios(top[:, None], bottom[:, None], entities)[0]
    interval = bounds(value, drawn, n if MEASURES[name].share else None)
    return {"value": value, "interval": list(interval) if interval else None, "n": n}


def clusters(tried: Sequence[Tried]) -> list[str]:
    """What is resampled: the entity of each question, or the question where there is none."""
    return [question.entity or question.id for question, _ in tried]


def tried_of(questions: Sequence[Question], attempts: Sequence[Sequence[Prediction]]) -> list[Tried]:
    """Questions with the attempts at them. Raises ValueError where these are of others."""
    for said in attempts:
        if [q.id for q in questions] != [p.question for p in said]:
            raise ValueError("the attempts are at other questions")
    return [(q, said) for q, *said in zip(questions, *attempts, strict=True)]


def _says(said: Prediction) -> tuple[Any, ...]:
    return said.outcome, said.answer, said.citations, said.confidence
