"""Tuning, second phase and test share neither document nor entity; bad questions are refused."""

import re
from dataclasses import replace
from typing import Any

import pytest
from world_reading import HARD

from data.records import Claim, Document, Question, RecordError
from data.storage.prepare import Intake, check_splits
from data.world.world import build_world


def split_question(id: str, fold: str, entity: str, document: str, split: str = "never_tuned") -> Question:
    return Question(id, "Who?", ("x",), (document,), "single", entity, split, fold=fold)


def test_folds_that_share_an_entity_are_refused() -> None:
    check_splits(list(build_world(HARD).questions))
    one, other = split_question("q1", "dev", "Ann", "d1"), split_question("q2", "test", "Ann", "d2")
    with pytest.raises(
        ValueError, match="entity 'Ann' is asked about in question 'q1' of fold dev and 'q2' of fold test"
    ):
        check_splits([one, other])
    check_splits([one, replace(other, entity="Bo")])
    check_splits([replace(one, entity=""), replace(other, entity="")])


@pytest.mark.parametrize("split", ["tune", "never_tuned"])
def test_the_second_phase_shares_nothing_with_tuning_or_with_what_is_tested(split: str) -> None:
    fold = "test" if split == "never_tuned" else ""
    second = split_question("q1", "", "Ann", "d1", "relabel")
    with pytest.raises(ValueError, match=f"of split (relabel|{split}) and 'q.' of split (relabel|{split})"):
        check_splits([second, split_question("q2", fold, "Ann", "d2", split)])
    with pytest.raises(ValueError, match="document 'd1' supports question"):
        check_splits([second, split_question("q2", fold, "Bo", "d1", split)])
    check_splits([second, split_question("q2", fold, "Bo", "d2", split)])


def test_a_dispute_that_lost_a_document_is_not_asked_about() -> None:
    claims = (Claim("x", ("d1", "d2"), 0.9), Claim("y", ("d3",), 0.9))
    question = Question("q", "Who?", ("x",), ("d1", "d2"), "contested", "Ann", "tune", claims=claims)
    whole, empty = (lambda id: Document(id, ((f"{id} speaks.",),))), Document("d3", ())
    for third, kept in ((whole("d3"), [question]), (empty, [])):
        intake = Intake()
        list(intake.accept([whole("d1"), whole("d2"), third]))
        assert intake.accept_questions((question,)) == kept
        assert intake.outcomes["questions_on_dropped_documents"] == 1 - len(kept)
    intake = Intake()
    list(intake.accept([whole("d1"), whole("d2")]))
    with pytest.raises(ValueError, match="names document 'd3'"):
        intake.accept_questions((question,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fold": "train"}, "\"fold\" is 'train'"),
        ({"split": "tune"}, "of split never_tuned"),
        ({"statement": ("Ann is here.",)}, "exactly once"),
        ({"new_statement": ("{answer} {answer}",)}, "exactly once"),
        ({"support_class": "false_premise"}, 'needs empty "answers"'),
    ],
)
def test_bad_question_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=re.escape(message)):
        replace(split_question("q", "dev", "Ann", "d1"), **change)
