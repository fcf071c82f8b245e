"""What became of each question, sorted so that one can browse it: each in exactly one outcome.

Two predictions of each question are needed: the forced one, which always answers, and the free one, which the policy
(eval/selective/policy.py) may have withheld or taken the source from. To withhold an answer is to abstain or to call
the premise false; on a question that was never told, or whose premise is false, either is what should be done and
counts as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from data.records import ANSWERABLE, Prediction, Question
from eval.grading.correctness import right, supported

OUTCOMES: Mapping[str, tuple[str, ...]] = {
    "Told": (
        "right, cited right",
        "right, wrong source",
        "right, without a source",
        "wrong answer",
        "withheld, would have been right",
        "withheld, would have been wrong",
    ),
    "Never told": ("abstained", "invented an answer"),
    "False premises": ("noticed", "went along"),
    "Any question": ("unparseable",),
}
WITHHELD = ("abstained", "false_premise")


class Case(NamedTuple):
    """A question with what forced and free mode make of it."""

    question: Question
    forced: Prediction
    free: Prediction


Outcomes = Mapping[str, Mapping[str, Sequence[Case]]]


def sort_outcomes(
    questions: Sequence[Question], forced: Sequence[Prediction], free: Sequence[Prediction]
) -> dict[str, dict[str, list[Case]]]:
    """The cases of each group and outcome of `OUTCOMES`, all of these present, in the order of the questions.

    Args:
        forced, free: in the order of the questions. ValueError when there are more or fewer of them.
    """
    found: dict[str, dict[str, list[Case]]] = {group: {name: [] for name in OUTCOMES[group]} for group in OUTCOMES}
    for case in map(Case._make, zip(questions, forced, free, strict=True)):
        group, name = outcome(case)
        found[group][name].append(case)
    return found


def outcome(case: Case) -> tuple[str, str]:
    """The group and the name in `OUTCOMES`."""
    question, forced, free = case
    withheld = free.outcome in WITHHELD
    if free.outcome == "unparseable":
        return "Any question", "unparseable"
    if question.support_class == "false_premise":
        return "False premises", "noticed" if withheld else "went along"
    if question.support_class not in ANSWERABLE:
        return "Never told", "abstained" if withheld else "invented an answer"
    if withheld:
        good = right([question], [forced])[0]
        return "Told", "withheld, would have been right" if good else "withheld, would have been wrong"
    if not right([question], [free])[0]:
        return "Told", "wrong answer"
    if free.outcome == "no_source" or not free.citations:
        return "Told", "right, without a source"
    return "Told", "right, cited right" if supported([question], [free])[0] else "right, wrong source"
