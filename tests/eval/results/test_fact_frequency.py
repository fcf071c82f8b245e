"""Exposures are counted by hand; their bands are those of a plain bootstrap over entities."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.records import Citation, Prediction, Question
from eval.results.fact_frequency import exposure_curve


def ask(name: str, documents: int, entity: str = "", support_class: str = "") -> Question:
    kind = support_class or ("single" if documents == 1 else "multi")
    support = tuple(f"{name}-{i}" for i in range(documents))
    return Question(name, f"What is {name}?", ("yes",) if support else (), support, kind, entity or name, "never_tuned")


def answer(question: Question, right: bool, cited: bool) -> Prediction:
    source = question.support[-1] if cited and question.support else "elsewhere"
    return Prediction(question.id, "answered", "yes" if right else "no", (Citation(source),))


def withheld(prediction: Prediction) -> Prediction:
    return replace(prediction, outcome="abstained")


ASKED = [
    ask("a", 1, "Ann"),
    ask("b", 1, "Ann"),
    ask("c", 1, "Bo"),
    ask("d", 1, "Cy"),
    ask("e", 2, "Bo"),
    ask("f", 3, "Cy"),
    ask("g", 64, "Di"),
    ask("h", 2, "Ann", "contested"),
    ask("i", 0, "Ann", "absent_attribute"),
    ask("j", 0, "Ed", "absent_entity"),
    ask("k", 0, "Ann", "false_premise"),
]
GRADED = {"a": (1, 1), "b": (1, 0), "c": (0, 1), "d": (0, 0), "e": (1, 1), "f": (1, 0), "g": (1, 1), "h": (1, 1)}
FORCED = [answer(q, *map(bool, GRADED.get(q.id, (1, 1)))) for q in ASKED]
FREE = [withheld(p) if p.question in "bdfik" else p for p in FORCED]


def test_by_hand() -> None:
    curve = exposure_curve(ASKED, FORCED, FREE)
    rows = [
        tuple(row[key] for key in ("documents", "n", "entities"))
        + tuple(row[name]["value"] for name in ("right", "right_cited", "withheld"))
        for row in curve["by_documents"]
    ]
    assert rows == [
        (1, 4, 3, 0.5, 0.25, 0.5),
        (2, 2, 2, 1.0, 0.5, 0.5),  # three documents count as two
        (64, 1, 1, 1.0, 1.0, 0.0),
    ]
    # Tellings: 4 facts once, one twice, one three times, one 64 times. The contested fact is no plain one.
    assert (curve["singletons"]["value"], curve["singletons"]["n"]) == (pytest.approx(4 / 73), 73)
    assert (curve["singleton_facts"]["value"], curve["singleton_facts"]["n"]) == (pytest.approx(4 / 7), 7)
    # Wrong: c, d, and whatever is said of i and j, which nobody tells.
    assert (curve["error"]["value"], curve["error"]["n"]) == (pytest.approx(4 / 9), 9)
    assert curve["never_told"]["value"] == pytest.approx(2 / 9)
    assert json.loads(json.dumps(curve, allow_nan=False)) == curve


def test_one_entity_has_no_interval() -> None:
    curve = exposure_curve(ASKED, FORCED, FREE)
    assert curve["by_documents"][-1]["right"] == {"value": 1.0, "interval": None}
    assert curve["by_documents"][0]["right"]["interval"] is not None


def test_nothing_told_is_nothing() -> None:
    assert exposure_curve([], [], []) == {}
    assert exposure_curve(ASKED[-2:], FORCED[-2:], FREE[-2:]) == {}


def test_a_source_counts_only_where_one_is_given() -> None:
    unsourced = [replace(p, outcome="no_source") for p in FORCED]
    row = exposure_curve(ASKED, unsourced, FREE)["by_documents"][0]
    assert (row["right"]["value"], row["right_cited"]["value"]) == (0.5, 0.0)


@pytest.mark.parametrize("share", ["right", "singletons"])
def test_bands_resample_entities(share: str) -> None:
    """Against a loop that draws whole entities; two questions on one of them stand or fall together."""
    asked = [ask(f"{name}{i}", 1 + (i == 3), name) for name in "abcdefgh" for i in range(4)]
    said = [answer(q, q.entity in "abcd" or q.id == "e0", True) for q in asked]
    curve = exposure_curve(asked, said, said)
    found = curve["by_documents"][0]["right"] if share == "right" else curve["singletons"]
    generator = np.random.default_rng(1)

    def drawn(entities: Sequence[str]) -> float:
        times = Counter(entities)
        once = [q for q in asked if len(q.support) == 1]
        if share == "right":
            good = sum(times[q.entity] for q in once if q.entity in "abcd" or q.id == "e0")
            return good / sum(times[q.entity] for q in once)
        return sum(times[q.entity] for q in once) / sum(times[q.entity] * len(q.support) for q in asked)

    draws = [drawn(generator.choice(list("abcdefgh"), 8)) for _ in range(4000)]
    assert found["interval"] == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.05)
    if share == "right":
        assert found["interval"][1] - found["interval"][0] > 0.5  # 24 questions, but 8 entities


@given(st.lists(st.tuples(st.integers(1, 100), st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_every_told_question_is_in_one_row(cases: list[tuple[int, bool, bool, bool]]) -> None:
    asked = [ask(f"q{i}", documents) for i, (documents, *_) in enumerate(cases)]
    forced = [answer(q, right, cited) for q, (_, right, cited, _) in zip(asked, cases, strict=True)]
    free = [withheld(p) if silent else p for p, (*_, silent) in zip(forced, cases, strict=True)]
    curve = exposure_curve(asked, forced, free)
    rows = curve["by_documents"]
    levels = [row["documents"] for row in rows]
    assert levels == sorted({2**k for k in range(7) for n, *_ in cases if 2**k <= n < 2 ** (k + 1)})
    assert sum(row["n"] for row in rows) == len(cases)
    assert sum(row["n"] * row["withheld"]["value"] for row in rows) == pytest.approx(sum(case[3] for case in cases))
    for row in rows:
        assert 0 <= row["right_cited"]["value"] <= row["right"]["value"] <= 1
    assert curve["singletons"]["value"] <= curve["singleton_facts"]["value"]  # equal where all are told once
    assert curve["error"]["value"] == pytest.approx(1 - np.mean([case[1] for case in cases]))
