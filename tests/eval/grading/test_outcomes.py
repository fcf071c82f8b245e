"""Each question has exactly one outcome, and the right one."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.records import ANSWERABLE, SUPPORT_CLASSES, Citation, Claim, Prediction, Question
from data.records import OUTCOMES as SAID
from eval.grading.correctness import supported
from eval.grading.outcomes import OUTCOMES, Case, outcome, sort_outcomes


def ask(support_class: str, id: str = "q") -> Question:
    told = support_class in ANSWERABLE
    answers, support = (("Oslo",), ("good",)) if told else ((), ())
    return Question(id, "Where?", answers, support, support_class, "Ann", "never_tuned")


def say(outcome: str, answer: str | None = "Oslo", source: str | None = "good", id: str = "q") -> Prediction:
    return Prediction(id, outcome, answer, () if source is None else (Citation(source),))


RIGHT, WRONG = say("answered"), say("answered", "Rome")
TABLE = [  # class, forced, free, group, name
    ("single", RIGHT, RIGHT, "Told", "right, cited right"),
    ("multi", RIGHT, RIGHT, "Told", "right, cited right"),
    ("true_premise", RIGHT, RIGHT, "Told", "right, cited right"),
    ("single", RIGHT, say("answered", source="bad"), "Told", "right, wrong source"),
    ("untagged", RIGHT, say("no_source"), "Told", "right, without a source"),  # what forced mode cited is not given
    ("untagged", RIGHT, say("answered", source=None), "Told", "right, without a source"),
    ("untagged", RIGHT, RIGHT, "Told", "right, wrong source"),  # what never carries a tag can't be cited
    ("single", WRONG, WRONG, "Told", "wrong answer"),
    ("single", WRONG, say("no_source", "Rome"), "Told", "wrong answer"),
    ("single", RIGHT, say("abstained"), "Told", "withheld, would have been right"),
    ("true_premise", RIGHT, say("false_premise"), "Told", "withheld, would have been right"),
    ("low_reliability", WRONG, say("abstained", "Rome"), "Told", "withheld, would have been wrong"),
    ("single", say("abstained", None, None), say("abstained", None, None), "Told", "withheld, would have been wrong"),
    ("absent_entity", RIGHT, say("abstained"), "Never told", "abstained"),
    ("absent_attribute", RIGHT, say("false_premise"), "Never told", "abstained"),
    ("absent_attribute", RIGHT, RIGHT, "Never told", "invented an answer"),
    ("absent_entity", RIGHT, say("no_source"), "Never told", "invented an answer"),
    ("false_premise", RIGHT, say("false_premise"), "False premises", "noticed"),
    ("false_premise", RIGHT, say("abstained"), "False premises", "noticed"),
    ("false_premise", RIGHT, RIGHT, "False premises", "went along"),
    ("false_premise", RIGHT, say("no_source"), "False premises", "went along"),
    ("single", say("unparseable"), say("unparseable"), "Any question", "unparseable"),
    ("absent_entity", say("unparseable"), say("unparseable"), "Any question", "unparseable"),
]


@pytest.mark.parametrize(("support_class", "forced", "free", "group", "name"), TABLE)
def test_by_hand(support_class: str, forced: Prediction, free: Prediction, group: str, name: str) -> None:
    assert outcome(Case(ask(support_class), forced, free)) == (group, name)


def test_the_table_has_every_outcome() -> None:
    assert {row[3:] for row in TABLE} == {(group, name) for group in OUTCOMES for name in OUTCOMES[group]}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(SUPPORT_CLASSES),
            *(st.tuples(st.sampled_from(SAID), st.sampled_from(["Oslo", "Rome", None])) for _ in range(2)),
            st.sampled_from(["good", "bad", None]),
        ),
        max_size=40,
    )
)
def test_each_question_is_in_exactly_one(cases: list[tuple[str, tuple, tuple, str | None]]) -> None:
    asked = [ask(kind, str(i)) for i, (kind, *_) in enumerate(cases)]
    forced, free = ([say(*case[k], source=case[3], id=str(i)) for i, case in enumerate(cases)] for k in (1, 2))
    found = sort_outcomes(asked, forced, free)
    assert {group: tuple(named) for group, named in found.items()} == dict(OUTCOMES)
    sorted_ids = [case.question.id for named in found.values() for those in named.values() for case in those]
    assert sorted(sorted_ids, key=int) == [q.id for q in asked]
    for named in found.values():
        for those in named.values():
            assert [int(case.question.id) for case in those] == sorted(int(case.question.id) for case in those)
            for question, first, second in those:
                assert first.question == second.question == question.id


def test_of_two_accepted_answers_each_has_its_own_source() -> None:
    claims = (Claim("Oslo", ("north",)), Claim("Rome", ("south",)))
    asked = replace(ask("contested"), answers=("Oslo", "Rome"), support=("north", "south"), claims=claims)
    for (value, source), other in product((("Oslo", "north"), ("Rome", "south")), ("north", "south")):
        said = say("answered", value, other)
        assert supported([asked], [said])[0] == (source == other)
        name = "right, cited right" if source == other else "right, wrong source"
        assert outcome(Case(asked, said, said)) == ("Told", name)
    assert not supported([asked], [say("answered", "Oslo", None)])[0]


def test_lists_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError):
        sort_outcomes([ask("single")], [RIGHT], [])
