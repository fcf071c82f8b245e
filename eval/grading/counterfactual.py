"""What each run of a family cites for facts whose documents it read, did not read, or knows by another name.

An item is a fact, a run and a marked source of the fact; which numbers are made of them says
eval/metrics/citation_effect.py. Facts are plain questions that no tuning saw, as they stand in the whole corpus. A
system that was not asked one of them (a floor is asked only what it can answer) has no item there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from data.pipeline.counterfactual import Counterfactual
from data.records import PLAIN, Prediction, Question
from eval.grading.correctness import answer_given, is_right
from eval.metrics.citation_effect import Ablated, Exchanged, LeftOut

WITHHELD = ("abstained", "false_premise")


@dataclass(frozen=True)
class Member:
    """A run of a family, and what one system said there, by question."""

    run: int
    family: Counterfactual
    labels: Sequence[str]
    said: Mapping[str, Prediction]


class Item(NamedTuple):
    """Whom an item is of."""

    run: int
    document: str
    question: str


def facts(questions: Sequence[Question]) -> list[Question]:
    """Those that items are made of."""
    return [q for q in questions if q.split == "never_tuned" and q.support_class in PLAIN]


def left_out(members: Sequence[Member], asked: Sequence[Question]) -> tuple[list[Item], LeftOut]:
    """An item for each fact, run and source that some runs leave out."""
    items: list[Item] = []
    rows: list[tuple[bool, ...]] = []
    for member in members:
        marked = {member.labels[place] for place in member.family.marked}
        for question in asked:
            prediction = member.said.get(question.id)
            for document in question.support if prediction else ():
                if document in marked:
                    assert prediction is not None
                    items.append(Item(member.run, document, question.id))
                    rows.append(_left_out(member, question, document, prediction))
    table = np.array(rows, dtype=bool).reshape(len(rows), len(fields(LeftOut)))
    return items, LeftOut(*table.T)


def exchanged(members: Sequence[Member], asked: Sequence[Question]) -> tuple[list[Item], Exchanged]:
    """An item for each run and fact whose only source bears another document's identifier."""
    items: list[Item] = []
    rows: list[tuple[bool, bool]] = []
    for member in members:
        bearers = {member.labels[own]: member.labels[bearer] for own, bearer in member.family.bearers.items()}
        for question in asked:
            prediction = member.said.get(question.id)
            if prediction and len(question.support) == 1 and question.support[0] in bearers:
                document, cited = question.support[0], _cited(prediction)
                items.append(Item(member.run, document, question.id))
                rows.append((cited == document, cited == bearers[document]))
    return items, Exchanged(*np.array(rows, dtype=bool).reshape(len(rows), len(fields(Exchanged))).T)


def ablated(members: Sequence[Member], asked: Sequence[Question], how: str) -> tuple[list[Item], Ablated]:
    """An item for each run and fact whose only source some runs treat so: `how` is "untag", "dummy" or "move".

    Of documents that give a fact away that fact alone counts.
    """
    items: list[Item] = []
    rows: list[tuple[bool, ...]] = []
    facts_moved = {move.question for member in members for move in member.family.moves.values()}
    for member in members:
        family, places = member.family, {label: place for place, label in enumerate(member.labels)}
        treated: Mapping[str, Collection[int]] = {"untag": family.bare, "dummy": family.dummies, "move": family.moves}
        for question in asked:
            prediction = member.said.get(question.id)
            if prediction is None or len(question.support) > 1:
                continue
            place = places[question.support[0]]
            if place not in family.others.get(how, ()) or (how == "move" and question.id not in facts_moved):
                continue
            move, cited = family.moves.get(place), _cited(prediction)
            follows = move is not None and cited == member.labels[move.receiver]
            right = is_right(question, answer_given(prediction))
            items.append(Item(member.run, question.support[0], question.id))
            rows.append((place in treated[how], cited == question.support[0], follows, right))
    return items, Ablated(*np.array(rows, dtype=bool).reshape(len(rows), len(fields(Ablated))).T)


def untouched(members: Sequence[Member], asked: Sequence[Question]) -> list[tuple[Member, Question, Prediction]]:
    """The facts of each run whose sources were all read, under identifiers of their own."""
    found = []
    for member in members:
        family = member.family
        changed = (*family.bare, *family.dummies, *family.moves, *(move.receiver for move in family.moves.values()))
        touched = {member.labels[place] for place in (*family.left_out, *family.bears, *changed)}
        for question in asked:
            if touched.isdisjoint(question.support) and (prediction := member.said.get(question.id)):
                found.append((member, question, prediction))
    return found


def _left_out(member: Member, question: Question, document: str, prediction: Prediction) -> tuple[bool, ...]:
    """In the order of the fields of `LeftOut`."""
    cited = _cited(prediction)
    read = [name for name in question.support if name not in member.family.names]
    others = [name for name in read if name != document]
    right = is_right(question, answer_given(prediction))
    alone, withheld = len(question.support) == 1, prediction.outcome in WITHHELD
    return document in read, alone, bool(others), cited == document, cited in others, right, withheld


def _cited(prediction: Prediction) -> str | None:
    """The first citation of an answer that is given with one."""
    named = prediction.outcome == "answered" and prediction.citations
    return prediction.citations[0].id if named else None
