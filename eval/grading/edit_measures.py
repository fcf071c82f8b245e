"""Does a system answer as it was told after an edit? Shares of questions, each of one group (data/storage/editing.py).

    new_joint            new: right, and the first citation is an added document that says so
    renamed_joint        renamed: right, and the first citation is a document that says so, by its new id
    rerouted_joint       rerouted: right, and the first citation is one of the documents that are left
    kept_joint           kept: right, and the first citation says so
    stale_citation       retracted and rerouted: answered, and the first citation is a retracted document
    stale_reworded       the same of these questions in words that no tuning and no edit uses
    stale_name           renamed: answered, and the first citation is the old id
    retracted_abstained  retracted: abstained
    retracted_known      retracted: the answer of before, where the system has to answer: what remains in the weights

All are of free answers but the last, over all questions of the group: an answer that is withheld is not right. A stale
citation counts whether the answer is right or wrong. None for a share without questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from data.records import Prediction, Question
from data.storage.editing import Edit, group
from eval.grading.correctness import is_right, supported
from eval.metrics.rule_of_three import bounds
from eval.metrics.statistics import bootstrap_difference, bootstrap_ratios

REWORDED = "reworded"  # the group of retracted and rerouted questions in new words


Asked = tuple[str, Question, Question]  # a group, the question before the edit and after it


@dataclass(frozen=True, slots=True)
class EditCase:
    """A question that was asked after an edit.

    Attributes:
        group: as `data.storage.editing.group` has it, or `REWORDED`.
        before, after: the question as if nothing had been retracted or renamed, and as it is now.
        forced, free: what the system answers if it has to, and what it does of its own.
    """

    group: str
    before: Question
    after: Question
    forced: Prediction
    free: Prediction


@dataclass(frozen=True)
class EditMeasure:
    """A share of the cases of some groups; `better` as in tables."""

    groups: Sequence[str]
    hit: Callable[[EditCase, Edit], bool]
    title: str
    better: str


def _joint(case: EditCase, edit: Edit) -> bool:
    return bool(supported([case.after], [case.free])[0])


def _stale(case: EditCase, edit: Edit) -> bool:
    return _first(case.free) in edit.retracted


def _first(prediction: Prediction) -> str:
    return prediction.citations[0].id if prediction.outcome == "answered" and prediction.citations else ""


TOUCHED = ("retracted", "rerouted")
MEASURES: Mapping[str, EditMeasure] = {
    "new_joint": EditMeasure(("new",), _joint, "joint, new facts", "higher"),
    "stale_citation": EditMeasure(TOUCHED, _stale, "stale citations", "lower"),
    "retracted_abstained": EditMeasure(
        ("retracted",),
        lambda case, edit: case.free.outcome in ("abstained", "false_premise"),
        "abstains on what was retracted",
        "higher",
    ),
    "renamed_joint": EditMeasure(("renamed",), _joint, "joint, renamed documents", "higher"),
    "kept_joint": EditMeasure(("kept",), _joint, "joint, other facts", "higher"),
    "rerouted_joint": EditMeasure(("rerouted",), _joint, "joint, facts that lost a source", "higher"),
    "stale_reworded": EditMeasure((REWORDED,), _stale, "stale citations, reworded", "lower"),
    "stale_name": EditMeasure(
        ("renamed",), lambda case, edit: _first(case.free) in edit.renamed, "old ids cited", "lower"
    ),
    "retracted_known": EditMeasure(
        ("retracted",),
        lambda case, edit: is_right(case.before, case.forced.answer),
        "retracted facts still known, forced",
        "lower",
    ),
}


def asked_after(before: Sequence[Question], after: Sequence[Question], edit: Edit) -> list[Asked]:
    """What is asked of a system: all that the edit touches, in words that it did not teach, and of what it should not
    touch the questions on documents without tuning questions.

    Args:
        before, after: the questions as if nothing had been retracted or renamed, and as they are now.
    """
    now = {question.id: question for question in after}
    found: list[Asked] = []
    for question in before:
        kind = group(question, edit)
        if question.id not in now or not kind or (kind == "kept" and question.split != "never_tuned"):
            continue
        found.append((kind, question, now[question.id]))
        if kind in TOUCHED and question.new_paraphrases:
            text, name = question.new_paraphrases[0], f"{question.id}~{REWORDED}"
            old, new = (replace(q, id=name, text=text) for q in (question, now[question.id]))
            found.append((REWORDED, old, new))
    return found


def measure_edit(cases: Sequence[EditCase], edit: Edit) -> dict[str, dict[str, Any]]:
    """value, interval (95%, entities resampled; of 0 and 1 the rule of three) and n of each of `MEASURES`."""
    found = {}
    for name, measure in MEASURES.items():
        here = [case for case in cases if case.group in measure.groups]
        hits = np.array([[float(measure.hit(case, edit))] for case in here]).reshape(len(here), 1)
        (interval,) = bootstrap_ratios(hits, np.ones_like(hits), [_entity(case) for case in here]) if here else (None,)
        value = float(hits.mean()) if here else None
        shown = None if value is None else bounds(value, interval, len(here))
        found[name] = {"value": value, "interval": shown and list(shown), "n": len(here)}
    return found


def joint_change(cases: Sequence[EditCase], reference: Sequence[EditCase], edit: Edit) -> dict[str, Any]:
    """`kept_joint` less that of a reference on the same questions, with the paired interval.

    Raises ValueError where they were not asked the same.
    """
    mine, theirs = ([case for case in some if case.group == "kept"] for some in (cases, reference))
    if [case.after.id for case in mine] != [case.after.id for case in theirs]:
        raise ValueError("the two systems were not asked the same questions")
    hits = [np.array([float(_joint(case, edit)) for case in some]) for some in (mine, theirs)]
    if not mine:
        return {"value": None, "interval": None, "n": 0}
    ones = np.ones(len(mine))
    interval = bootstrap_difference((hits[0], hits[1]), (ones, ones), [_entity(case) for case in mine])
    return {
        "value": float(hits[0].mean() - hits[1].mean()),
        "interval": None if interval is None else list(interval),
        "n": len(mine),
    }


def _entity(case: EditCase) -> str:
    return case.after.entity or case.after.id
