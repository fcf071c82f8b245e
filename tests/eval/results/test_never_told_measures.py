"""Answers to what was never told, and what confidence says of them: by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from data.records import Citation, Prediction, Question
from eval.answerers.free_and_forced import SURE
from eval.results.never_told import Shown, is_asked, measured

TOLD = [
    Question(f"t{i}", "Where?", ("Oslo",), ("doc-1",), "single", f"p{i}", "never_tuned", fold="test") for i in "abcd"
]
NEVER = [
    Question(f"n{i}", "Where?", (), (), "absent_entity", f"p{i}", "never_tuned", fold="test", truth="Oslo")
    for i in "ef"
]


def free(question: Question, answer: str | None) -> Prediction:
    if answer is None:
        return Prediction(question.id, "abstained")
    return Prediction(question.id, "answered", answer, (Citation("doc-1"),))


def forced(question: Question, answer: str, sure: float) -> Prediction:
    return replace(free(question, answer), signals={SURE: math.log(sure)})


ASKED = [*TOLD, *NEVER]
FREE = [free(q, a) for q, a in zip(ASKED, ["Oslo", "Oslo", "Lima", None, "Oslo", None], strict=True)]
FORCED = [
    forced(q, a, c)
    for q, a, c in zip(
        ASKED, ["Oslo", "Oslo", "Lima", "Oslo", "Oslo", "Lima"], [0.9, 0.5, 0.25, 0.25, 0.75, 0.25], strict=True
    )
]


def test_by_hand() -> None:
    found = measured(Shown.of(ASKED, FREE, FORCED))
    values = {name: one["value"] for name, one in found.items() if name != "n"}
    assert found["n"] == {"told": 4, "never": 2}
    assert values == {
        "wrong": 0.5,  # one of the two; that the world has it so makes it no better
        "right": 0.5,
        "answered": 0.75,
        "signed_error": pytest.approx((-0.1 - 0.5 + 0.25 - 0.75 + 0.75 + 0.25) / 6),
        "signed_error_told": pytest.approx((-0.1 - 0.5 + 0.25 - 0.75) / 4),
        "confidence_never": 0.5,
    }
    low, high = found["right"]["interval"]
    assert low < 0.5 < high


def test_what_is_unparseable_is_a_wrong_and_certain_answer() -> None:
    broken = Prediction(NEVER[1].id, "unparseable", "", ())
    shown = Shown.of(ASKED, [*FREE[:-1], broken], [*FORCED[:-1], broken])
    ones = np.ones(len(ASKED))
    assert shown.measure("wrong", ones) == 1 and shown.measure("confidence_never", ones) == (0.75 + 1) / 2


def test_weights_are_how_often_a_question_was_drawn() -> None:
    shown = Shown.of(ASKED, FREE, FORCED)
    w = np.array([[0, 0, 0, 2, 3, 1], [1, 0, 0, 0, 0, 0]], dtype=float)
    assert shown.measure("wrong", w).tolist()[0] == 0.75 and np.isnan(shown.measure("wrong", w)[1])
    assert shown.measure("right", w).tolist() == [0, 1]


def test_never_tuned_questions_without_premises_are_asked() -> None:
    assert all(map(is_asked, ASKED))
    others = [
        replace(TOLD[0], split="in_domain", fold=""),
        replace(TOLD[0], split="reworded", fold=""),
        replace(TOLD[0], support_class="true_premise"),
        replace(NEVER[0], support_class="false_premise"),
    ]
    assert not any(map(is_asked, others))
    assert is_asked(replace(TOLD[0], fold="dev"))
