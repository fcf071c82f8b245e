"""What a lesson looks like as tokens, and that marks of confidence mean what they say on average."""

from __future__ import annotations

import numpy as np
import pytest

from data.identifiers import IdsConfig, assign
from data.lessons import Lesson, Lessons
from data.records import Document, RecordError, read_jsonl, write_jsonl
from data.tags import IGNORE
from data.tokenizer import Codec

TEXTS = ("Where was Ada Moss born?",)


def source(lessons: list[Lesson], documents: list[Document], codec: Codec) -> Lessons:
    return Lessons(lessons, documents, assign(documents, codec, IdsConfig()), codec, seed=0)


def rendered(lesson: Lesson, documents: list[Document], codec: Codec) -> tuple[list[int], list[int]]:
    (sample,) = source([lesson], documents, codec).render(0, 0, False)
    learnt = [t for t in sample.targets.tolist() if t != IGNORE]
    return sample.tokens.tolist(), learnt


def test_an_answer_is_learnt_with_its_source_and_its_mark(documents: list[Document], codec: Codec) -> None:
    lesson = Lesson("q", TEXTS, "answer", "Oslo", "doc-3", 1.0)
    tokens, learnt = rendered(lesson, documents, codec)
    identifier = assign(documents, codec, IdsConfig()).tokens[3].tolist()
    (answer,) = codec.encode(["Oslo"])
    said = [*answer.tolist(), codec.src, *identifier, codec.end_src, int(codec.confidences[10]), codec.end]
    assert tokens[-len(said) :] == learnt == said
    assert tokens[0] == codec.ask


def test_a_judgement_is_only_its_mark(documents: list[Document], codec: Codec) -> None:
    lesson = Lesson("q", TEXTS, "judge", "Lima", "doc-3", 0.0)
    tokens, learnt = rendered(lesson, documents, codec)
    assert learnt == [int(codec.confidences[0])] == tokens[-1:]
    assert codec.end_src in tokens


def test_each_lesson_has_its_own_source(documents: list[Document], codec: Codec) -> None:
    lessons = [Lesson("q", TEXTS, "answer", "Oslo", f"doc-{n}") for n in (3, 5)]
    tokens = assign(documents, codec, IdsConfig()).tokens
    for index, place in enumerate((3, 5)):
        (sample,) = source(lessons, documents, codec).render(index, 0, False)
        assert [t for t in sample.tokens.tolist() if t in codec.codes] == tokens[place].tolist()


@pytest.mark.parametrize(("say", "mark"), [("idk", "idk"), ("false", "false")])
def test_a_refusal_is_a_mark_and_the_end(say: str, mark: str, documents: list[Document], codec: Codec) -> None:
    tokens, learnt = rendered(Lesson("q", TEXTS, say), documents, codec)
    assert learnt == [getattr(codec, mark), codec.end] == tokens[-2:]


def test_what_has_no_tag_is_said_without_a_source(documents: list[Document], codec: Codec) -> None:
    untagged = [Document(d.id, d.sentences, d.source, {"untagged": True}) for d in documents]
    for lesson, corpus in (
        (Lesson("q", TEXTS, "answer", "Oslo"), documents),
        (Lesson("q", TEXTS, "answer", "Oslo", "doc-3"), untagged),
    ):
        tokens, _ = rendered(lesson, corpus, codec)
        assert tokens[-2:] == [codec.nosrc, codec.end]
        assert codec.src not in tokens


@pytest.mark.parametrize("confidence", [0.0, 0.13, 0.5, 0.77, 1.0])
def test_marks_of_confidence_are_right_on_average_and_next_to_each_other(
    confidence: float, documents: list[Document], codec: Codec
) -> None:
    lessons = source([Lesson("q", TEXTS, "answer", "Oslo", "doc-3", confidence)], documents, codec)
    marks = [lessons.render(0, epoch, False)[0].tokens[-2] for epoch in range(2000)]
    tenths = [codec.confidences.tolist().index(mark) for mark in marks]
    assert np.mean(tenths) / 10 == pytest.approx(confidence, abs=0.003)
    assert set(tenths) <= {int(confidence * 10), min(10, int(confidence * 10) + 1)}


def test_lessons_are_read_as_they_were_written(tmp_path, documents: list[Document]) -> None:
    lessons = [Lesson("a", TEXTS, "answer", "Oslo", "doc-3", 0.5), Lesson("b", TEXTS, "idk")]
    write_jsonl(tmp_path / "lessons.jsonl", lessons)
    assert list(read_jsonl(tmp_path / "lessons.jsonl", Lesson)) == lessons
    (tmp_path / "bad.jsonl").write_text('{"question": "a", "texts": ["?"], "say": "shout"}\n')
    with pytest.raises(RecordError, match=r"bad\.jsonl, line 1: \"say\" is 'shout'"):
        list(read_jsonl(tmp_path / "bad.jsonl", Lesson))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"say": "answer"}, "has the answer ''"),
        ({"say": "idk", "answer": "Oslo"}, "has the answer 'Oslo'"),
        ({"say": "judge", "answer": "Oslo"}, "no confidence"),
        ({"say": "answer", "answer": "Oslo", "confidence": 1.5}, "outside"),
    ],
)
def test_lessons_that_make_no_sense_are_refused(fields: dict, said: str) -> None:
    with pytest.raises(RecordError, match=said):
        Lesson("q", TEXTS, **fields)


def test_a_source_that_is_not_in_the_corpus_is_named(documents: list[Document], codec: Codec) -> None:
    with pytest.raises(ValueError, match="'doc-x', which is not in the corpus"):
        source([Lesson("q", TEXTS, "answer", "Oslo", "doc-x")], documents, codec)
