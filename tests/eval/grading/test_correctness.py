"""What is right and what supports it, by hand; every measure and every lesson takes it from one place."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from data.records import ANSWERABLE, SUPPORT_CLASSES, Citation, Claim, Prediction, Question
from eval.grading.attribution import grade, summarise
from eval.grading.correctness import (
    answer_given,
    asserting,
    exact_match,
    is_right,
    normalise,
    right,
    supported,
    supports,
)
from eval.grading.methods import relabel
from eval.selective.policy import Policy

ROOT = Path(__file__).parents[3]
CLAIMS = (Claim("Oslo", ("a",), 0.9), Claim("Lima", ("b",), 0.9), Claim("Rome", ("c",), 0.1))


def ask(support_class: str = "single", claims: tuple[Claim, ...] = ()) -> Question:
    told = support_class in ANSWERABLE
    answers, support = (("Oslo", "Lima"), ("a", "b")) if told else ((), ())
    return Question("q", "?", answers, support, support_class, "e", "relabel", claims=claims)


def say(answer: str | None, *cited: str, outcome: str = "answered") -> Prediction:
    return Prediction("q", outcome, answer, tuple(map(Citation, cited)), samples=(answer or "",))


@pytest.mark.parametrize(
    ("text", "normal"),
    [("The  Hague.", "hague"), ("an apple, a day", "apple day"), ("Anatole", "anatole"), ("U.S.A.", "usa"), ("A", "")],
)
def test_normalise_is_squads(text: str, normal: str) -> None:
    assert normalise(text) == normal


@pytest.mark.parametrize(
    ("answer", "accepted", "same"),
    [
        ("the Oslo!", ("Rome", "oslo"), True),
        ("Oslo Fjord", ("Oslo",), False),
        ("", ("Oslo",), False),
        ("a", ("A",), True),
        ("The", ("A",), False),  # nothing survives normalising either; they are still not the same
        ("?", ("!",), False),
    ],
)
def test_exact_match(answer: str, accepted: tuple[str, ...], same: bool) -> None:
    assert exact_match(answer, accepted) is same


def test_nothing_is_right_or_supported_where_nothing_was_told() -> None:
    for name in SUPPORT_CLASSES:
        question = ask(name, CLAIMS)
        assert is_right(question, "oslo.") == (name in ANSWERABLE)
        assert asserting(question, "Oslo") == (("a",) if name in ANSWERABLE else ())
        assert supports(question, "Oslo", "a") == (name in ANSWERABLE and name != "untagged")


def test_a_document_asserts_what_it_says_and_supports_what_is_right() -> None:
    question = ask("contested", CLAIMS)
    said = {answer: asserting(question, answer) for answer in ("Oslo", "Lima", "Rome", "Quito", "", None)}
    assert said == {"Oslo": ("a",), "Lima": ("b",), "Rome": ("c",), "Quito": (), "": (), None: ()}
    assert [supports(question, answer, "c") for answer in said] == [False] * 6  # it says Rome, which is not the best
    assert supports(question, "Lima", "b") and not supports(question, "Lima", "a")
    assert asserting(ask(), "Lima") == ("a", "b")  # without claims nobody knows which says which
    twice = ask("contested", (Claim("Oslo", ("a",)), Claim("oslo.", ("d", "a"))))
    assert asserting(twice, "Oslo") == ("a", "d")


@pytest.mark.parametrize("outcome", ["abstained", "false_premise", "unparseable"])
def test_what_is_no_answer_is_neither_right_nor_supported(outcome: str) -> None:
    said = say("Oslo", "a", outcome=outcome)
    assert answer_given(said) is None and answer_given(None) is None
    assert not right([ask()], [said])[0] and not supported([ask()], [said])[0]


def test_attribution_takes_the_source_of_the_answer_that_was_given() -> None:
    question = ask("multi", CLAIMS[:2])
    crossed, fitting = (grade([question], [say("Lima", *cited)]) for cited in (("a", "b"), ("b", "a")))
    assert [summarise(crossed)[name] for name in ("joint", "citation", "hits10", "cited")] == [0, 0, 1, 1]
    assert [summarise(fitting)[name] for name in ("joint", "citation", "hits10", "cited")] == [1, 1, 1, 1]


def test_lessons_cite_the_source_of_the_answer_that_was_given() -> None:
    question = ask("contested", CLAIMS[:2])
    (lesson,) = relabel("graded", [(question, say("Lima", "a"))], [])
    assert (lesson.answer, lesson.source) == ("Lima", "b")


def test_the_source_of_a_policy_is_calibrated_on_the_same() -> None:
    questions, said = [ask("multi", CLAIMS[:2])] * 4, [say("Lima", name) for name in "abab"]
    assert np.array_equal(supported(questions, said), [False, True, False, True])
    signals = [{"answer": 0.0 if name == "b" else -1.0} for name in "abab"]
    shown = [Prediction("q", "answered", p.answer, p.citations, signals=s) for p, s in zip(said, signals, strict=True)]
    policy = Policy.fit({"answer": 1.0}, (questions, shown), (questions, shown), 0.0)
    assert policy is not None and policy.source is not None
    assert policy.source.confidences(shown) == [0.0, 1.0, 0.0, 1.0]


def test_no_other_definition_stands_beside_it() -> None:
    """Whoever compares an answer or its documents itself will differ on claims or on untagged documents."""
    for path in (ROOT / "eval").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name != "correctness.py":
            assert not re.search(r"exact_match\([^)]*(answers|claim)", text), path
            assert not re.search(r"\.id in question\.support", text), path


def test_grading_needs_no_signal_and_no_policy() -> None:
    for path in (ROOT / "eval" / "grading").glob("*.py"):
        assert not re.search(r"from eval\.(signals|selective)", path.read_text(encoding="utf-8")), path
