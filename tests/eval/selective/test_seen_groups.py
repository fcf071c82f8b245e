"""Groups are read off the text and what was said, and nothing that a user does not have plays a part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.record_parts import Citation
from data.records import Prediction, Question
from eval.selective.seen_groups import OTHER, Wordings, common, masked, merged, seen

BORN = Question("q1", "Where was Ada Moss born?", ("Oslo",), ("d1",), "single", "Ada Moss", "tune", "birth_city",
                ("What is Ada Moss's birthplace?",))  # fmt: skip
SINCE = replace(BORN, id="q2", text="Since Ada Moss works for Zephyr, where was Ada Moss born?", paraphrases=(),
                premise=("Ada Moss works for Zephyr.",))  # fmt: skip
WORDINGS = Wordings.of([BORN, SINCE])
SIGNALS = ("citation", "lp_next_citation", "agreement")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Where was Ada Moss born?", "Where was _ born?"),
        ("What is Ben Lark's birthplace?", "What is _'s birthplace?"),
        ("Since Ada Moss was born on May 3, 1990, who employs Ada Moss?", "Since _ was born on _, who employs _?"),
    ],
)
def test_names_and_numbers_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_what_is_asked_goes_by_the_wording_alone() -> None:
    assert WORDINGS.asks("Where was Finn Vale born?") == "birth_city"
    assert WORDINGS.asks("Finn Vale was born where?") == OTHER


def test_groups_by_hand() -> None:
    asked = [replace(BORN, text="Where was Finn Vale born?", split="never_tuned"), replace(SINCE, split="never_tuned")]
    signals = [dict(zip(SIGNALS, values, strict=True)) for values in ((-0.1, -5.0, 1.0), (-3.0, -1.0, 0.4))]
    said = [
        Prediction(q.id, "answered", "Oslo", (Citation(f"d{n}"),), signals=shown)
        for n, (q, shown) in enumerate(zip(asked, signals, strict=True), start=1)
    ]
    found = seen(asked, said, WORDINGS, {"d1": 0.9, "d2": 0.3}, SIGNALS)
    of = {name: found.members[:, n].tolist() for n, name in enumerate(found.names)}
    assert of["all"] == of["asks birth_city"] == [True, True] and of["asks other"] == [False, False]
    for name in ("presumes", "cites a doubtful source", "not: sure of its source", "another source is near"):
        assert of[name] == [False, True], name
    assert of["samples agree"] == of["not: presumes"] == [True, False]
    assert found.cells == ("birth_city, plain, trusted", "birth_city, presumes, doubtful")
    assert found.features.shape == (2, len(found.names) + 3) and found.features[1, -3] == -3.0


def test_the_ledger_plays_no_part() -> None:
    asked = [replace(BORN, text="Where was Finn Vale born?", split="never_tuned")]
    absent = [
        replace(asked[0], answers=(), support=(), support_class="absent_entity", attribute="", entity="", truth="Rome")
    ]
    said = [Prediction("q1", "answered", "Oslo", (Citation("d1"),), signals={"citation": -0.1})]
    one, other = (seen(questions, said, WORDINGS, {}, SIGNALS) for questions in (asked, absent))
    assert one.cells == other.cells and np.array_equal(one.members, other.members)
    assert np.array_equal(one.features, other.features)


def test_rare_cells_are_one_and_there_is_always_one() -> None:
    assert common(["a"] * 3 + ["b"] * 2 + ["c"], 2) == {"a", "b"}
    assert common(["a"] * 3, 2) == frozenset()
    assert merged(["a", "c"], frozenset("a")) == ["a", OTHER]
