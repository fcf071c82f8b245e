"""Whom a system believes: right, a lie, or neither; over all disputed questions."""

from __future__ import annotations

from data.record_parts import Claim
from data.records import Prediction, Question
from eval.grading.contested import contested_results, graded, is_disputed

BEST, WORSE = Claim("Oslo", ("d0",), 0.95), Claim("Lima", ("d1", "d2"), 0.55)


def asked(number: int, *claims: Claim, answers: tuple[str, ...] = ("Oslo",), **changes: str) -> Question:
    kind = {"support_class": "contested", "split": "never_tuned"} | changes
    return Question(
        f"q{number}", "Where?", answers, ("d0",), entity=f"e{number}", claims=claims or (BEST, WORSE), **kind
    )


def said(number: int, answer: str | None, outcome: str = "answered") -> Prediction:
    return Prediction(f"q{number}", outcome, answer)


def test_an_answer_is_right_a_lie_or_neither() -> None:
    question = asked(0)
    assert graded(question, "oslo.") == (True, False)
    assert graded(question, "Lima") == (False, True)
    assert graded(question, "Rome") == graded(question, "") == graded(question, None) == (False, False)


def test_only_questions_with_a_better_side_that_were_never_trained_on_count() -> None:
    assert is_disputed(asked(0))
    assert not is_disputed(asked(0, answers=("Oslo", "Lima")))  # both are as good
    assert not is_disputed(asked(0, split="tune"))
    assert not is_disputed(asked(0, split="reworded"))
    assert not is_disputed(asked(0, support_class="single"))


def test_shares_are_of_all_disputed_questions_refusals_among_them() -> None:
    questions = [asked(n) for n in range(4)] + [asked(4, support_class="single")]
    answers = ["Oslo", "Lima", "Rome", None, "Oslo"]
    mine = [said(n, answer, "answered" if answer else "abstained") for n, answer in enumerate(answers)]
    found = contested_results(questions, {"whence": mine})["whence"]
    assert (found["n"], found["right"]["value"], found["lied"]["value"]) == (4, 0.25, 0.25)
    low, high = found["lied"]["interval"]
    assert 0 <= low < 0.25 < high <= 1
    never = contested_results(questions, {"whence": [said(n, "Oslo") for n in range(5)]})["whence"]
    assert never["lied"] == {"value": 0.0, "interval": [0.0, 0.75]}
    assert contested_results(questions[4:], {"whence": mine[4:]}) == {}
