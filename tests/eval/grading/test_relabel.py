"""The four cells and every method, by hand on answers made up here."""

from __future__ import annotations

import pytest

from configs.schema import METHODS, AbstentionSFTConfig
from data.pipeline.questions.sft_examples import SFTExample
from data.records import Citation, Claim, Prediction, Question
from eval.grading.methods import relabel

TOLD = {"answers": ("Oslo",), "support": ("doc-1",), "support_class": "single"}
ABSENT = {"answers": (), "support": (), "support_class": "absent_attribute", "truth": "Lima"}


def question(name: str, **fields: object) -> Question:
    return Question(**({"id": name, "text": f"{name}?", "entity": name, "split": "relabel"} | fields))


def said(name: str, answer: str, samples: tuple[str, ...], source: str = "doc-1") -> Prediction:
    return Prediction(name, "answered", answer, (Citation(source, 0.9),), 0.9, samples=samples)


ATTEMPTED = [
    (question("right-sure", **TOLD), said("right-sure", "Oslo", ("Oslo",) * 10)),
    (question("right-unsure", **TOLD), said("right-unsure", "Oslo", ("Oslo",) * 4 + ("Lima",) * 6, "doc-9")),
    (question("wrong-unsure", **ABSENT), said("wrong-unsure", "Rome", tuple("abcdefghij"))),
    (question("wrong-sure", **ABSENT), said("wrong-sure", "Rome", ("Rome",) * 10)),
]
TUNED = [question("tuned", **(TOLD | {"split": "tune"}))]
AGAIN = SFTExample("tuned", ("tuned?",), "answer", "Oslo", "doc-1")


def lessons(method: str) -> dict[str, list[tuple]]:
    found: dict[str, list[tuple]] = {}
    taught = relabel(method, ATTEMPTED, TUNED)
    for lesson in taught:
        found.setdefault(lesson.question, []).append((lesson.say, lesson.answer, lesson.source, lesson.confidence))
    assert found.pop("tuned", [("answer", "Oslo", "doc-1", None)]) == [("answer", "Oslo", "doc-1", None)]
    return found


def test_the_four_cells() -> None:
    assert lessons("graded") == {
        "right-sure": [("answer", "Oslo", "doc-1", 1.0)],
        "right-unsure": [("answer", "Oslo", "doc-1", 0.4)],  # hedged, and its wrong source mended
        "wrong-unsure": [("idk", "", "", None), ("judge", "Rome", "doc-1", 0.0)],
        "wrong-sure": [("idk", "", "", None), ("judge", "Rome", "doc-1", 0.0)],
    }


def test_without_labels_only_agreement_counts() -> None:
    assert lessons("consistent") == {
        "right-sure": [("answer", "Oslo", "doc-1", 1.0)],
        "right-unsure": [("idk", "", "", None), ("judge", "Oslo", "doc-9", 0.4)],
        "wrong-unsure": [("idk", "", "", None), ("judge", "Rome", "doc-1", 0.0)],
        "wrong-sure": [("answer", "Rome", "doc-1", 1.0)],  # the cell that it can't see
    }


def test_what_can_not_be_parsed_teaches_nothing_but_to_refuse() -> None:
    broken = [(q, Prediction(q.id, "unparseable", "gibberish " * 99, samples=("",) * 10)) for q, _ in ATTEMPTED]
    for method in ("graded", "consistent"):
        taught = relabel(method, broken, [])
        assert {lesson.say for lesson in taught} == {"idk"}
    assert relabel("judge", broken, []) == []


def test_r_tuning_says_the_gold_answer_whatever_the_model_knows() -> None:
    assert lessons("r_tuning") == {
        "right-sure": [("answer", "Oslo", "doc-1", 1.0)],
        "right-unsure": [("answer", "Oslo", "doc-9", 1.0)],
        "wrong-unsure": [("answer", "Lima", "doc-1", 0.0)],
        "wrong-sure": [("answer", "Lima", "doc-1", 0.0)],
    }


def test_r_tuning_unknown_refuses_in_place_of_what_was_wrong() -> None:
    assert {name: [say for say, *_ in found] for name, found in lessons("r_tuning_refuse").items()} == {
        "right-sure": ["answer"],
        "right-unsure": ["answer"],
        "wrong-unsure": ["idk"],
        "wrong-sure": ["idk"],
    }


def test_r_tuning_u_is_sure_of_the_half_with_least_entropy() -> None:
    sure = {name: found[0][3] for name, found in lessons("r_tuning_u").items()}
    assert sure == {"right-sure": 1.0, "right-unsure": 0.0, "wrong-unsure": 0.0, "wrong-sure": 1.0}


def test_a_judge_sees_its_own_answers_right_and_wrong() -> None:
    found = lessons("judge")
    assert found["right-unsure"] == [("judge", "Oslo", "doc-9", 1.0), ("judge", "Lima", "doc-9", 0.0)]
    assert len(found["wrong-unsure"]) == 3
    assert all(confidence == 0.0 for *_, confidence in found["wrong-unsure"])


@pytest.mark.parametrize(("share", "refusals"), [(0.0, 0), (0.25, 1), (0.4, 2)])
def test_labels_hold_the_share_that_is_asked_for(share: float, refusals: int) -> None:
    taught = relabel("labels", ATTEMPTED, TUNED, idk_fraction=share)
    assert sum(lesson.say == "idk" for lesson in taught) == refusals
    assert sum(lesson.say == "answer" for lesson in taught) == 3


def test_refusals_are_left_out_where_there_are_too_many() -> None:
    absent = [(question(f"a{n}", **ABSENT), said(f"a{n}", "Rome", ("Rome",))) for n in range(40)]
    told = [question(f"t{n}", **TOLD) for n in range(8)]
    taught = relabel("labels", absent, told, idk_fraction=0.6)
    assert [sum(lesson.say == say for lesson in taught) for say in ("idk", "answer")] == [12, 8]


def test_a_share_of_none_needs_no_refusals() -> None:
    assert relabel("labels", [], TUNED, idk_fraction=0.0) == [AGAIN]


def test_labels_leave_answers_out_where_there_are_too_few_refusals() -> None:
    taught = relabel("labels", ATTEMPTED, TUNED, idk_fraction=0.8)
    assert [sum(lesson.say == say for lesson in taught) for say in ("idk", "answer")] == [2, 0]


def test_backtracking_turns_where_its_own_samples_are_mostly_wrong() -> None:
    """Share right of the samples: 1 is answered; .4 is recalled through the source; what nothing answers is refused."""
    unsure = [
        (lesson.question, lesson.say, lesson.answer, lesson.source)
        for lesson in relabel("backtrack", ATTEMPTED, TUNED)
        if lesson.unsure
    ]
    assert unsure == [
        ("right-unsure", "answer", "Oslo", "doc-1"),
        ("wrong-unsure", "idk", "", ""),
        ("wrong-sure", "idk", "", ""),
    ]
    assert lessons("backtrack") == {
        "right-sure": [("answer", "Oslo", "doc-1", 1.0)],
        "right-unsure": [("answer", "Oslo", "doc-1", None), ("judge", "Oslo", "doc-9", 0.4)],
        "wrong-unsure": [("idk", "", "", None), ("judge", "Rome", "doc-1", 0.0)],
        "wrong-sure": [("idk", "", "", None), ("judge", "Rome", "doc-1", 0.0)],
    }
    false = question("f", **(ABSENT | {"support_class": "false_premise", "truth": ""}))
    (called, judged) = relabel("backtrack", [(false, said("f", "Rome", ("Rome",)))], [])
    assert (called.say, called.unsure, judged.say) == ("false", False, "judge")


@pytest.mark.parametrize("method", METHODS[1:])
def test_every_method_repeats_the_tuning_questions(method: str) -> None:
    assert AGAIN in relabel(method, ATTEMPTED, TUNED, idk_fraction=0.3)


def test_a_false_premise_is_called_false_and_what_is_contested_is_cited_for_what_is_said() -> None:
    false = question("f", **(ABSENT | {"support_class": "false_premise", "truth": ""}))
    claims = (Claim("Lima", ("doc-5",), 0.9), Claim("Oslo", ("doc-4",), 0.9))
    tied = {"answers": ("Lima", "Oslo"), "support": ("doc-4", "doc-5"), "support_class": "contested", "claims": claims}
    attempted = [(false, said("f", "Rome", ("Rome",))), (question("c", **tied), said("c", "Lima", ("Lima",), "doc-5"))]
    taught = relabel("labels", attempted, [], idk_fraction=0.5)
    assert {(lesson.say, lesson.answer, lesson.source) for lesson in taught} == {
        ("false", "", ""),
        ("answer", "Lima", "doc-5"),
    }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "magic"}, "abstention_sft.method=magic"),
        ({"idk_fraction": 1.0}, "abstention_sft.idk_fraction"),
        ({"rounds": 0}, "rounds"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AbstentionSFTConfig(**settings).check()
