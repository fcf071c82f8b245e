"""Models that back off, derive or make up as they are told to, counted by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from telling import Telling

from data.records import Document, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.probes import Read
from eval.probes.uncertainty import backtracking
from eval.probes.uncertainty.backtracking import Said

TOLD = [
    Question(f"t{i}", "Where was Ada Moss born?", ("Oslo",), ("doc-1",), "single", f"t{i}", "never_tuned")
    for i in range(4)
]
NEVER = [
    Question(f"n{i}", "Where was Ben Lark born?", (), (), "absent_attribute", f"n{i}", "never_tuned") for i in range(2)
]
ASKED = [*TOLD, *NEVER]
ANSWER, MARK = {"<|conf_0|>": 0.6, " Oslo": 0.3}, "<|conf_0|>"


def values(found: dict) -> dict[str, float | None]:
    return {name: one["value"] for name, one in found.items() if name != "n"}


def test_what_backs_off_says_nothing_and_makes_things_up_when_it_may_not(telling: Telling) -> None:
    answerer = telling({"<|answer|>": ANSWER, MARK: {"<|idk|>": 0.9}, " Oslo": {"<|src|>": 0.9}})
    assert backtracking.answers(answerer, ASKED[3:5], suppressed=False) == [Said(True, "")] * 2
    assert backtracking.answers(answerer, ASKED[3:5], suppressed=True) == [Said(False, "Oslo")] * 2
    found = values(backtracking.backtracking(Read(answerer, ASKED, [], 0)))
    assert (found["precision"], found["recall"], found["derived"]) == (pytest.approx(2 / 6), 1, 0)
    assert (found["confabulated"], found["confabulated_suppressed"]) == (0, 1)
    assert (found["right"], found["right_suppressed"], found["derived_right"]) == (0, 1, None)


def test_what_is_recalled_through_a_source_is_its_answer(telling: Telling) -> None:
    answerer = telling(
        {"<|answer|>": ANSWER, MARK: {"<|src|>": 0.9}, "<|/src|>": {" Lima": 0.9}, " Lima": {"<|end|>": 0.9}}
    )
    assert backtracking.answers(answerer, TOLD, suppressed=False) == [Said(True, "Lima")] * 4
    assert backtracking.backtracking(Read(answerer, ASKED, [], 0))["derived"]["value"] == 1


@pytest.mark.parametrize("after", ["<|conf_0|>", "<|end|>"])
def test_marks_in_place_of_words_are_no_answer(telling: Telling, after: str) -> None:
    answerer = telling({"<|answer|>": ANSWER, MARK: {"<|src|>": 0.9}, "<|/src|>": {after: 0.9}})
    assert backtracking.answers(answerer, TOLD[:1], suppressed=False) == [Said(True, "")]


def test_shares_by_hand(monkeypatch: pytest.MonkeyPatch, telling: Telling, documents: list[Document]) -> None:
    free = [
        Said(False, "Oslo"),
        Said(True, "Oslo"),
        Said(True, "Lima"),
        Said(True, ""),
        Said(True, ""),
        Said(False, "Lima"),
    ]
    barred = [Said(False, "Oslo"), Said(False, "Lima"), Said(False, "Oslo"), *[Said(False, "Lima")] * 3]

    def said(_: LMAnswerer, questions: Sequence[Question], suppressed: bool) -> list[Said]:
        assert questions == ASKED
        return barred if suppressed else free

    monkeypatch.setattr(backtracking, "answers", said)
    found = backtracking.backtracking(Read(telling({}), ASKED, documents, 0))
    assert values(found) == {
        "precision": 1 / 4,  # n0 of t1, t2, t3, n0
        "precision_unknown": 3 / 4,  # and t1 and t3, which it gets wrong
        "recall": 1 / 2,
        "derived": pytest.approx(2 / 3),
        "derived_right": 1 / 2,
        "suppressed_right": 1 / 2,
        "confabulated": 1 / 2,
        "confabulated_suppressed": 1,
        "right": 2 / 4,
        "right_suppressed": 2 / 4,
    }
    assert found["n"] == 6 and found["derived_right"]["n"] == 2


def test_nothing_to_tell_apart(telling: Telling) -> None:
    assert backtracking.backtracking(Read(telling({}), TOLD, [], 0)) == {}
