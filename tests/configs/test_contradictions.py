"""What a run needs of its questions is looked for as soon as the corpus is prepared."""

from __future__ import annotations

import itertools

import pytest
from composing import composed

from configs.contradictions import check_questions, without_tuning
from data.records import Question

NUMBERS = itertools.count()


def asked(split: str = "never_tuned", fold: str = "", told: bool = True) -> Question:
    number = next(NUMBERS)
    return Question(
        f"q{number}",
        "Who?",
        ("x",) if told else (),
        (f"d{number}",) if told else (),
        "single" if told else "absent_entity",
        f"e{number}",
        split,
        fold=fold,
    )


@pytest.mark.parametrize(
    ("method", "questions", "said"),
    [
        (
            "graded",
            [asked("tune")],
            r"abstention_sft\.method=graded asks questions of split relabel, and the corpus has none",
        ),
        (
            "labels",
            [asked("tune"), asked("relabel")],
            r"abstention_sft\.idk_fraction=0\.2 needs questions of split relabel without an ans",
        ),
        (
            "labels",
            [asked("relabel", told=False)],
            r"abstention_sft\.method=labels needs questions of split relabel or tune with",
        ),
        ("none", [asked(fold="calibration"), asked(fold="dev")], "folds calibration and dev, and none of fold test"),
        ("none", [asked(fold="test")], "the fold test, and none of fold calibration or dev"),
    ],
)
def test_questions_that_are_missing_are_named_before_training(method: str, questions: list, said: str) -> None:
    config = composed("corpus=files", "corpus.path=a", f"abstention_sft.method={method}")
    with pytest.raises(ValueError, match=said):
        check_questions(config, questions)


def test_questions_that_are_there_will_do() -> None:
    labels = composed("corpus=files", "corpus.path=a", "abstention_sft=labels_20")
    check_questions(labels, [asked("tune"), asked("relabel"), asked("relabel", told=False)])
    check_questions(composed("abstention_sft=labels_0"), [asked("relabel")])
    check_questions(composed(), [asked(fold=fold) for fold in ("calibration", "dev", "test")])
    check_questions(composed(), [])


def test_a_corpus_without_questions_is_not_tuned_and_that_is_said() -> None:
    for questions, which in (([], "no questions:"), ([asked(), asked("tune", told=False)], "no questions to tune on")):
        config = composed()
        assert which in without_tuning(config, questions)
        assert (config.pretrain.qa_fraction, config.sft.tokens) == (0, 0)
        assert without_tuning(config, questions) == "", "said although nothing was asked for"
    config = composed("self_questions.each=2")
    assert "can't ask any of its own (self_questions.each=0)" in without_tuning(config, [])
    assert config.self_questions.each == 0
    config = composed()
    assert without_tuning(config, [asked("tune")]) == ""
    assert config == composed()
