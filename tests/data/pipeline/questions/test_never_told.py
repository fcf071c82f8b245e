"""Sets of tuning questions at every share: of one size, nested, nobody answered here and refused there."""

from __future__ import annotations

from collections import Counter

import pytest
from composing import composed

from data.pipeline.feedback import control_tokens
from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.questions.never_told import ExpertConfig, never_told, tuning_set
from data.pipeline.questions.sft_examples import SFTExample, SFTExamples
from data.pipeline.sample import IGNORE
from data.pipeline.tokenizer import Tokenizer
from data.records import Document, Question

TOLD = [SFTExample(f"t{i}", ("Where?",), "answer", "Oslo", "doc-1") for i in range(40)]
NEVER = [
    Question(f"n{i}", "Where?", (), (), "absent_entity", f"n{i}", "tune", paraphrases=("In which city?",), truth="Lima")
    for i in range(60)
]


def kinds(lessons: list[SFTExample]) -> Counter[str]:
    return Counter("idk" if one.say == "idk" else "told" if one.source else "invented" for one in lessons)


@pytest.mark.parametrize(
    ("unknown", "refused", "found"),
    [
        (0.0, 0.25, {"told": 40, "idk": 13}),
        (0.25, 0.25, {"told": 30, "invented": 10, "idk": 13}),
        (0.5, 0.25, {"told": 20, "invented": 20, "idk": 13}),
        (1.0, 0.25, {"invented": 40, "idk": 13}),
        (0.5, 0.0, {"told": 20, "invented": 20}),
        (0.0, 0.5, {"told": 30, "idk": 30}),  # half of them are refused, so there can be 30 of either
        (0.0, 0.0, {"told": 40}),
    ],
)
def test_shares_by_hand(unknown: float, refused: float, found: dict[str, int]) -> None:
    assert kinds(tuning_set(TOLD, NEVER, ExpertConfig(unknown, refused), 0)) == found


def test_what_was_never_told_is_answered_truly_without_a_source_or_refused() -> None:
    lessons = tuning_set(TOLD, NEVER, ExpertConfig(1.0, 0.25), 0)
    answered = [one for one in lessons if one.say == "answer"]
    assert {(one.answer, one.source, one.confidence, one.texts) for one in answered} == {
        ("Lima", "", None, ("Where?", "In which city?"))
    }


def test_a_larger_share_answers_what_a_smaller_one_does_and_refuses_the_same() -> None:
    sets = [tuning_set(TOLD, NEVER, ExpertConfig(share, 0.25), 3) for share in (0.25, 0.5, 1.0)]
    invented = [{one.question for one in lessons if one.say == "answer" and not one.source} for lessons in sets]
    told = [{one.question for one in lessons if one.source} for lessons in sets]
    refused = [{one.question for one in lessons if one.say == "idk"} for lessons in sets]
    assert invented[0] < invented[1] < invented[2] and told[0] > told[1] > told[2]
    assert refused[0] == refused[1] == refused[2] and not refused[2] & invented[2]
    assert {one.question for one in tuning_set(TOLD, NEVER, ExpertConfig(0.25, 0.25), 4)} != {
        one.question for one in sets[0]
    }


def test_only_tuning_questions_with_a_truth_are_taken() -> None:
    common = ("Where?", (), (), "absent_entity", "e")
    others = [Question("a", *common, "never_tuned", truth="Lima"), Question("b", *common, "tune")]
    told = Question("c", "Where?", ("Oslo",), ("doc-1",), "single", "e", "tune", truth="Oslo")
    assert never_told([*others, told, *NEVER[:2]]) == NEVER[:2]


def test_a_corpus_without_them_is_refused_by_the_key() -> None:
    with pytest.raises(ValueError, match=r"expert\.unknown=0\.5 and expert\.refused=0\.0: .* 40 were told and 0 never"):
        tuning_set(TOLD, [], ExpertConfig(0.5), 0)


def test_the_prefix_stands_before_the_question_and_is_not_learnt(
    documents: list[Document], tokenizer: Tokenizer
) -> None:
    identifiers, mark = assign(documents, tokenizer, IdsConfig()), control_tokens(tokenizer)[1]
    plain, begun = (
        SFTExamples(TOLD[:1], documents, identifiers, tokenizer, 0, prefix=prefix).render(0, 0, False)[0]
        for prefix in ((), (mark,))
    )
    assert begun.tokens.tolist() == [tokenizer.ask, mark, *plain.tokens.tolist()[1:]]
    assert [t for t in begun.targets if t != IGNORE] == [t for t in plain.targets if t != IGNORE]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("expert.unknown=0.5", "sft.tokens=0"), "sft.tokens=0: raise sft.tokens, or set expert=none"),
        (("expert.prefix=true",), "objective.control=none gives it no meaning: set objective=conditional"),
        (
            (
                "expert.prefix=true",
                "objective=conditional",
                "abstention_sft=graded",
                "corpus.hard=true",
                "corpus.relabel=0.2",
            ),
            "the second phase asks without a prefix",
        ),
        (("expert.refused=0.5", "self_questions.each=2"), "expert takes the place of the tuning questions"),
        (("expert.refused=1.0",), "expert.refused=1.0: must be a share from 0 to below 1"),
    ],
)
def test_what_can_not_be_is_said(overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        composed(*overrides).check()
