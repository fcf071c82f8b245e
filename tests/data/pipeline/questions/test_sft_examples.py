"""What a lesson looks like as tokens, and that marks of confidence mean what they say on average."""

from __future__ import annotations

import numpy as np
import pytest

from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.questions.sft_examples import SFTExample, SFTExamples
from data.pipeline.sample import IGNORE
from data.pipeline.tokenizer import Tokenizer
from data.records import Document, RecordError, read_jsonl, write_jsonl

TEXTS = ("Where was Ada Moss born?",)


def source(lessons: list[SFTExample], documents: list[Document], tokenizer: Tokenizer) -> SFTExamples:
    return SFTExamples(lessons, documents, assign(documents, tokenizer, IdsConfig()), tokenizer, seed=0)


def rendered(lesson: SFTExample, documents: list[Document], tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    (sample,) = source([lesson], documents, tokenizer).render(0, 0, False)
    learnt = [t for t in sample.targets.tolist() if t != IGNORE]
    return sample.tokens.tolist(), learnt


def test_an_answer_is_learnt_with_its_source_and_its_mark(documents: list[Document], tokenizer: Tokenizer) -> None:
    lesson = SFTExample("q", TEXTS, "answer", "Oslo", "doc-3", 1.0)
    tokens, learnt = rendered(lesson, documents, tokenizer)
    identifier = assign(documents, tokenizer, IdsConfig()).tokens[3].tolist()
    (answer,) = tokenizer.encode(["Oslo"])
    said = [
        *answer.tolist(),
        tokenizer.src,
        *identifier,
        tokenizer.end_src,
        int(tokenizer.confidences[10]),
        tokenizer.end,
    ]
    assert tokens[-len(said) :] == learnt == said
    assert tokens[0] == tokenizer.ask


def test_a_judgement_is_only_its_mark(documents: list[Document], tokenizer: Tokenizer) -> None:
    lesson = SFTExample("q", TEXTS, "judge", "Lima", "doc-3", 0.0)
    tokens, learnt = rendered(lesson, documents, tokenizer)
    assert learnt == [int(tokenizer.confidences[0])] == tokens[-1:]
    assert tokenizer.end_src in tokens


def test_each_lesson_has_its_own_source(documents: list[Document], tokenizer: Tokenizer) -> None:
    lessons = [SFTExample("q", TEXTS, "answer", "Oslo", f"doc-{n}") for n in (3, 5)]
    tokens = assign(documents, tokenizer, IdsConfig()).tokens
    for index, place in enumerate((3, 5)):
        (sample,) = source(lessons, documents, tokenizer).render(index, 0, False)
        assert [t for t in sample.tokens.tolist() if t in tokenizer.codes] == tokens[place].tolist()


@pytest.mark.parametrize(("say", "mark"), [("idk", "idk"), ("false", "false")])
def test_a_refusal_is_a_mark_and_the_end(say: str, mark: str, documents: list[Document], tokenizer: Tokenizer) -> None:
    tokens, learnt = rendered(SFTExample("q", TEXTS, say), documents, tokenizer)
    assert learnt == [getattr(tokenizer, mark), tokenizer.end] == tokens[-2:]


@pytest.mark.parametrize("answer", ["Oslo", ""])
def test_what_is_not_sure_begins_with_the_mark_of_that(
    answer: str, documents: list[Document], tokenizer: Tokenizer
) -> None:
    """Then the source and what it says, or that it is not known; the mark is learnt, too."""
    lesson = SFTExample("q", TEXTS, "answer" if answer else "idk", answer, "doc-3" if answer else "", unsure=True)
    tokens, learnt = rendered(lesson, documents, tokenizer)
    identifier = assign(documents, tokenizer, IdsConfig()).tokens[3].tolist()
    recalled = [tokenizer.src, *identifier, tokenizer.end_src, *tokenizer.encode(["Oslo"])[0].tolist()]
    said = [int(tokenizer.confidences[0]), *(recalled if answer else [tokenizer.idk]), tokenizer.end]
    assert tokens[-len(said) :] == learnt == said


def test_targets_of_what_the_corpus_does_not_answer_score_nothing_and_weigh_the_same(
    documents: list[Document], tokenizer: Tokenizer
) -> None:
    lessons = [SFTExample("told", TEXTS, "answer", "Oslo", "doc-3"), SFTExample("never", TEXTS, "idk")]
    ids = assign(documents, tokenizer, IdsConfig())
    found = SFTExamples(lessons, documents, ids, tokenizer, 0, untold={"never"})
    plain = source(lessons, documents, tokenizer)
    for index, score in enumerate((1.0, 0.0)):
        (ours,), (theirs,) = (each.render(index, 0, False) for each in (found, plain))
        learnt = ours.targets != IGNORE
        assert (ours.laid.score[learnt] == score).all() and (theirs.laid.score[learnt] == 1).all()
        assert (ours.laid.weight == theirs.laid.weight).all() and (ours.tokens == theirs.tokens).all()
        assert (ours.laid.objective == 0).all()  # of no loss that goes by scores


def test_what_has_no_tag_is_said_without_a_source(documents: list[Document], tokenizer: Tokenizer) -> None:
    untagged = [Document(d.id, d.sentences, d.source, {"untagged": True}) for d in documents]
    for lesson, corpus in (
        (SFTExample("q", TEXTS, "answer", "Oslo"), documents),
        (SFTExample("q", TEXTS, "answer", "Oslo", "doc-3"), untagged),
    ):
        tokens, _ = rendered(lesson, corpus, tokenizer)
        assert tokens[-2:] == [tokenizer.nosrc, tokenizer.end]
        assert tokenizer.src not in tokens


@pytest.mark.parametrize("confidence", [0.0, 0.13, 0.5, 0.77, 1.0])
def test_marks_of_confidence_are_right_on_average_and_next_to_each_other(
    confidence: float, documents: list[Document], tokenizer: Tokenizer
) -> None:
    lessons = source([SFTExample("q", TEXTS, "answer", "Oslo", "doc-3", confidence)], documents, tokenizer)
    marks = [lessons.render(0, epoch, False)[0].tokens[-2] for epoch in range(2000)]
    tenths = [tokenizer.confidences.tolist().index(mark) for mark in marks]
    assert np.mean(tenths) / 10 == pytest.approx(confidence, abs=0.003)
    assert set(tenths) <= {int(confidence * 10), min(10, int(confidence * 10) + 1)}


def test_lessons_are_read_as_they_were_written(tmp_path, documents: list[Document]) -> None:
    lessons = [SFTExample("a", TEXTS, "answer", "Oslo", "doc-3", 0.5), SFTExample("b", TEXTS, "idk")]
    write_jsonl(tmp_path / "lessons.jsonl", lessons)
    assert list(read_jsonl(tmp_path / "lessons.jsonl", SFTExample)) == lessons
    (tmp_path / "bad.jsonl").write_text('{"question": "a", "texts": ["?"], "say": "shout"}\n')
    with pytest.raises(RecordError, match=r"bad\.jsonl, line 1: \"say\" is 'shout'"):
        list(read_jsonl(tmp_path / "bad.jsonl", SFTExample))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"say": "answer"}, "has the answer ''"),
        ({"say": "idk", "answer": "Oslo"}, "has the answer 'Oslo'"),
        ({"say": "judge", "answer": "Oslo"}, "no confidence"),
        ({"say": "answer", "answer": "Oslo", "confidence": 1.5}, "outside"),
        ({"say": "false", "unsure": True}, "can't be unsure"),
        ({"say": "answer", "answer": "Oslo", "confidence": 0.5, "unsure": True}, "can't be unsure"),
    ],
)
def test_lessons_that_make_no_sense_are_refused(fields: dict, said: str) -> None:
    with pytest.raises(RecordError, match=said):
        SFTExample("q", TEXTS, **fields)


def test_a_source_that_is_not_in_the_corpus_is_named(documents: list[Document], tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="'doc-x', which is not in the corpus"):
        source([SFTExample("q", TEXTS, "answer", "Oslo", "doc-x")], documents, tokenizer)


def test_own_words_alone_are_marked_as_own(documents: list[Document], tokenizer: Tokenizer) -> None:
    for own in (False, True):
        lesson = SFTExample("q", TEXTS, "answer", "Oslo", "doc-3", 1.0, own=own)
        (sample,) = source([lesson], documents, tokenizer).render(0, 0, False)
        marked = sample.tokens[sample.laid.own].tolist()
        assert marked == (tokenizer.encode(["Oslo"])[0].tolist() if own else [])
