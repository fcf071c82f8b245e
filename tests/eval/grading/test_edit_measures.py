"""What an edit teaches and how it is measured, by hand; a system that ignores the edit fails every measure of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data.record_parts import Citation
from data.records import Prediction, Question
from data.storage.editing import Edit, without
from eval.grading.edit_lessons import edit_lessons
from eval.grading.edit_measures import EditCase, asked_after, joint_change, measure_edit
from eval.selective.edit_cases import edit_cases

EDIT = Edit(added=("new",), retracted=("old",), renamed={"plain": "called"})


def asked(name: str, *support: str, split: str = "never_tuned") -> Question:
    kind = "single" if len(support) == 1 else "multi"
    return Question(
        name, f"{name}?", ("so",), support, kind, name, split,
        paraphrases=(f"Say {name}.", f"And {name}?"), new_paraphrases=(f"{name}, I ask you?",),
    )  # fmt: skip


BEFORE = [
    asked("n", "new"),
    asked("r1", "old"),
    asked("r2", "old", split="tune"),
    asked("m", "old", "other"),
    asked("c", "plain"),
    asked("k1", "other"),
    asked("k2", "other"),
    asked("t", "other", split="tune"),
]
AFTER = [q for b in BEFORE if (q := without(b, frozenset(EDIT.retracted), EDIT.renamed))]
ASKED = asked_after(BEFORE, AFTER, EDIT)


def says(name: str, source: str, answer: str = "so", refuses: bool = False) -> Prediction:
    """A forced answer; `refuses`: its likeliest first word was that it does not know."""
    signals = {"refusal": -0.1 if refuses else -5.0, "best_word": -1.0}
    return Prediction(name, "answered", answer, (Citation(source, 0.9),), signals=signals)


def cases(said: dict[str, Prediction]) -> list[EditCase]:
    """Questions that nothing is said to of their own are answered as the same in other words."""
    forced = [replace(said[after.id.removesuffix("~reworded")], question=after.id) for _, _, after in ASKED]
    return edit_cases(ASKED, forced)


IGNORES = {q.id: says(q.id, q.support[0]) for q in BEFORE} | {"n": says("n", "other", "wrong")}
FOLLOWS = IGNORES | {
    "n": says("n", "new"),
    "r1": says("r1", "other", "wrong", refuses=True),
    "r2": says("r2", "old", refuses=True),
    "m": says("m", "other"),
    "c": says("c", "called"),
}


def values(said: dict[str, Prediction]) -> dict[str, tuple[float, int]]:
    return {name: (found["value"], found["n"]) for name, found in measure_edit(cases(said), EDIT).items()}


def test_what_is_asked_is_touched_by_the_edit_or_never_tuned() -> None:
    assert [(kind, after.id) for kind, _, after in ASKED] == [
        ("new", "n"), ("retracted", "r1"), ("reworded", "r1~reworded"),
        ("retracted", "r2"), ("reworded", "r2~reworded"),
        ("rerouted", "m"), ("reworded", "m~reworded"), ("renamed", "c"), ("kept", "k1"), ("kept", "k2"),
    ]  # fmt: skip


def test_a_system_that_follows_the_edit() -> None:
    assert values(FOLLOWS) == {
        "new_joint": (1.0, 1),
        "stale_citation": (0.0, 3),
        "retracted_abstained": (1.0, 2),
        "renamed_joint": (1.0, 1),
        "kept_joint": (1.0, 2),
        "rerouted_joint": (1.0, 1),
        "stale_reworded": (0.0, 3),
        "stale_name": (0.0, 1),
        "retracted_known": (0.5, 2),  # r2 is withheld, but the old answer is what it would have given
    }


def test_a_system_that_ignores_the_edit_fails_every_measure_of_it() -> None:
    assert values(IGNORES) == {
        "new_joint": (0.0, 1),
        "stale_citation": (1.0, 3),
        "retracted_abstained": (0.0, 2),
        "renamed_joint": (0.0, 1),
        "kept_joint": (1.0, 2),
        "rerouted_joint": (0.0, 1),
        "stale_reworded": (1.0, 3),
        "stale_name": (1.0, 1),
        "retracted_known": (1.0, 2),
    }


def test_a_stale_citation_is_one_whatever_the_answer_and_none_where_it_is_withheld() -> None:
    said = FOLLOWS | {"r1": says("r1", "old", "wrong"), "m": says("m", "old")}
    assert values(said)["stale_citation"] == (pytest.approx(2 / 3), 3)
    assert values(said)["rerouted_joint"] == (0.0, 1)


def test_what_was_never_seen_has_the_bounds_of_the_rule_of_three() -> None:
    found = measure_edit(cases(FOLLOWS), EDIT)["stale_citation"]
    assert found["interval"] == [0.0, 1.0]  # 3 of 3


def test_the_change_of_joint_is_of_the_same_questions() -> None:
    forgets = FOLLOWS | {"k1": says("k1", "other", "wrong")}
    found = joint_change(cases(forgets), cases(IGNORES), EDIT)
    assert (found["value"], found["n"]) == (-0.5, 2)
    assert joint_change(cases(FOLLOWS), cases(IGNORES), EDIT)["value"] == 0.0
    with pytest.raises(ValueError, match="same questions"):
        joint_change(cases(FOLLOWS), cases(FOLLOWS)[:-1], EDIT)


def test_lessons_abstain_or_cite_what_is_left_and_leave_the_wording_that_is_asked() -> None:
    lessons = edit_lessons(BEFORE, AFTER, EDIT)
    assert [(lesson.question, lesson.say, lesson.source) for lesson in lessons] == [
        ("r1", "idk", ""), ("r2", "idk", ""), ("m", "answer", "other"),
    ]  # fmt: skip
    texts = {after.id: after.text for _, _, after in ASKED}
    assert all(texts[lesson.question] not in lesson.texts and len(lesson.texts) == 2 for lesson in lessons)
