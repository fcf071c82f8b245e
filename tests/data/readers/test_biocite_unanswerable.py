"""What BioCite never says is asked of the right people, in folds that share nobody."""

from collections import Counter

import pytest

from data.readers.biocite_unanswerable import ASKED, stating, with_unanswerable
from data.records import ANSWERABLE, FOLDS, Question

PEOPLE = [f"{first} {last}" for first in ("Ann", "Bob", "Cat", "Dan", "Eve") for last in ("Lee", "Ray", "May", "Fox")]
STRANGERS = [f"{first} Orr" for first in ("Gus", "Hal", "Ida", "Jon", "Kim")]
# Everyone works somewhere, every other one was born; nothing is said of universities.
FACTS = [f"{name} works at Acme." for name in PEOPLE] + [f"{name} was born on May 1, 1950." for name in PEOPLE[::2]]


def asked(split: str = "never_tuned") -> list[Question]:
    return [
        Question(
            f"q{n}",
            f"Where does {name} work?",
            ("Acme",),
            ("d",),
            "single",
            name,
            split,
            "employer",
            statement=(stating(name, "employer"),),
        )
        for n, name in enumerate(PEOPLE)
    ]


def test_only_what_no_document_says_is_asked_as_unsaid() -> None:
    questions = with_unanswerable(asked(), FACTS, [*STRANGERS, PEOPLE[0]], 0.5, seed=0)
    classes = Counter(q.support_class for q in questions)
    assert classes == {"single": 20, "absent_attribute": 10, "absent_entity": 10}
    for question in questions:
        before = question.statement[0].partition("{answer}")[0]
        assert any(fact.startswith(before) for fact in FACTS) == (question.support_class in ANSWERABLE)
        assert (question.entity in STRANGERS) == (question.support_class == "absent_entity")
        assert question.text == ASKED[question.attribute].format(name=question.entity)
    assert len({q.id for q in questions}) == len({q.text for q in questions}) == 40
    assert questions == with_unanswerable(asked(), FACTS, [*STRANGERS, PEOPLE[0]], 0.5, seed=0)
    assert questions != with_unanswerable(asked(), FACTS, STRANGERS, 0.5, seed=1)


def test_folds_share_nobody_and_hold_about_as_many_people() -> None:
    questions = with_unanswerable(asked(), FACTS, STRANGERS, 0.5, seed=0)
    people = {fold: {q.entity for q in questions if q.fold == fold} for fold in FOLDS}
    assert sum(map(len, people.values())) == len({q.entity for q in questions})
    assert max(map(len, people.values())) - min(map(len, people.values())) <= 1


def test_a_statement_is_what_an_answer_makes() -> None:
    assert stating("Ann Lee", "employer") == "Ann Lee works at {answer}."


def test_tuned_questions_have_no_fold() -> None:
    questions = with_unanswerable([*asked()[:4], *asked("tune")[4:]], FACTS, STRANGERS, 0.25, seed=0)
    assert {bool(q.fold) for q in questions if q.split == "never_tuned"} == {True}
    assert {q.fold for q in questions if q.split == "tune"} == {""}
    assert not {q.entity for q in questions if q.support_class == "absent_attribute"} & set(PEOPLE[4:])


def test_more_than_there_is_to_ask_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unanswerable=2 asks for 40 questions of class absent_attribute and there"):
        with_unanswerable(asked(), FACTS, STRANGERS, 2, seed=0)
    with pytest.raises(ValueError, match=r"class absent_entity and there are 3; lower it, or raise corpus\.heldout"):
        with_unanswerable(asked(), FACTS, STRANGERS[:1], 0.5, seed=0)
