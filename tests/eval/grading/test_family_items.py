"""What a run cites is set against what it read; readers of names and of nothing come out as what they are."""

from __future__ import annotations

import numpy as np

from data.pipeline.counterfactual import Counterfactual, Move
from data.records import Citation, Prediction, Question
from eval.grading.counterfactual import Member, ablated, exchanged, facts, left_out, untouched
from eval.metrics.citation_effect import LEFT_OUT

LABELS = ["a", "b", "c", "d"]


def ask(name: str, *support: str, split: str = "never_tuned") -> Question:
    kind = "single" if len(support) == 1 else "multi"
    return Question(name, "Where?", ("Oslo",), support, kind, name, split)


def say(question: str, cited: str, answer: str = "Oslo", outcome: str = "answered") -> Prediction:
    return Prediction(question, outcome, answer, (Citation(cited),))


def member(run: int, left: str, *said: Prediction, marked: str = "ab", bears: dict[int, int] | None = None) -> Member:
    places = [frozenset(LABELS.index(name) for name in names) for names in (marked, left)]
    family = Counterfactual(places[0], places[1], bears or {}, frozenset(left))
    return Member(run, family, LABELS, {p.question: p for p in said})


ASKED = [ask("one", "a"), ask("two", "a", "c"), ask("both", "a", "b"), ask("far", "d")]


def test_an_item_for_each_fact_run_and_marked_source() -> None:
    reads = member(0, "b", say("one", "a"), say("two", "c"), say("both", "a"), say("far", "d"))
    misses = member(
        1, "a", say("one", "a"), say("two", "c", "Lima"), say("both", "b"), say("far", "a", outcome="abstained")
    )
    items, found = left_out([reads, misses], ASKED)
    assert items == [
        (0, "a", "one"), (0, "a", "two"), (0, "a", "both"), (0, "b", "both"),
        (1, "a", "one"), (1, "a", "two"), (1, "a", "both"), (1, "b", "both"),
    ]  # fmt: skip
    assert found.read.tolist() == [True, True, True, False, False, False, False, True]
    assert found.alone.tolist() == [True, False, False, False] * 2
    assert found.others.tolist() == [False, True, False, True, False, True, True, False]
    assert found.cites.tolist() == [True, False, True, False, True, False, False, True]
    assert found.cites_other.tolist() == [False, True, False, True, False, True, True, False]
    assert found.right.tolist() == [True, True, True, True, True, False, True, True]
    assert not found.withheld.any()
    values = {key: float(made(found)(np.ones((1, 8)))[0]) for key, made in LEFT_OUT.items()}
    assert values["lcd"] == 0.0  # the first is cited by both
    assert (values["phantom"], values["reroute"], values["retention"]) == (1 / 4, 1.0, 2 / 3)


def test_a_withheld_answer_cites_nothing() -> None:
    silent = member(0, "a", say("one", "a", outcome="abstained"), say("both", "a", outcome="no_source"))
    items, found = left_out([silent], ASKED)
    assert [item.question for item in items] == ["one", "both", "both"]  # what was not asked has no item
    assert not found.cites.any() and found.withheld.tolist() == [True, False, False]


def test_tracking_and_leak() -> None:
    """a bears d's identifier and d bears a's: who cites by the old name cites the wrong one."""
    swapped = {0: 3, 3: 0}
    tracks = member(0, "", say("one", "a"), say("far", "a"), marked="", bears=swapped)
    items, found = exchanged([tracks], ASKED)
    assert items == [(0, "a", "one"), (0, "d", "far")]
    assert (found.tracks.tolist(), found.leaks.tolist()) == ([True, False], [False, True])


def test_untouched_facts_are_those_read_under_identifiers_of_their_own() -> None:
    said = [say(q.id, "a") for q in ASKED]
    found = untouched([member(0, "b", *said, bears={3: 2, 2: 3})], ASKED)
    assert [question.id for _, question, _ in found] == ["one"]


def test_facts_are_plain_and_never_tuned() -> None:
    absent = Question("absent", "Where?", (), (), "absent_entity", "x", "never_tuned")
    assert facts([*ASKED, ask("tuned", "c", split="tune"), absent]) == ASKED


def test_items_of_what_was_read_otherwise() -> None:
    """a's tag is taken, b's text is another, c gives "three" to d; each in the first run only."""
    others = {"untag": frozenset({0}), "dummy": frozenset({1}), "move": frozenset({2})}
    asked = [ask("one", "a"), ask("two", "b"), ask("three", "c"), ask("four", "c"), ask("both", "a", "b")]
    moved = {2: Move("three", "Oslo.", 3)}
    treats = Counterfactual(
        others=others, bare=frozenset({0}), dummies=frozenset({1}), moves=moved, names=frozenset({"b"}), ids=LABELS
    )
    said = (say("one", "c"), say("two", "b"), say("three", "d"), say("four", "c"), say("both", "a"))
    plain = (say("one", "a"), say("two", "b"), say("three", "c"), say("four", "c", "Lima"), say("both", "a"))
    runs = [
        Member(0, treats, LABELS, {p.question: p for p in said}),
        Member(1, Counterfactual(others=others), LABELS, {p.question: p for p in plain}),
    ]
    for how, document, fact, cites, follows in (
        ("untag", "a", "one", [False, True], [False, False]),
        ("dummy", "b", "two", [True, True], [False, False]),
        ("move", "c", "three", [False, True], [True, False]),
    ):
        items, found = ablated(runs, asked, how)
        assert items == [(0, document, fact), (1, document, fact)]
        assert found.treated.tolist() == [True, False] and found.right.all()
        assert (found.cites.tolist(), found.follows.tolist()) == (cites, follows)
    assert [(m.run, q.id) for m, q, _ in untouched(runs, asked)] == [(1, q.id) for q in asked]
