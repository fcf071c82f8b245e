"""Questions that a model writes itself: sampled, and kept where they can help."""

from __future__ import annotations

import random

import pytest
from telling import Telling

from data.records import Document, Question
from eval.answerers.writers.question_writer import _answers, _useless, _words, write_questions

PAGE = Document("doc-7", (("Ada Moss was born in Oslo in May.",), ("Law was what Ada studied there.",)))
ASKS = {
    "<|ask|>": {" was": 0.5, " born": 0.4},
    " was": {" born": 0.9},
    " born": {"<|end|>": 0.9},
}


def test_every_sentence_is_asked_about_and_what_is_kept_has_its_evidence(telling: Telling) -> None:
    answerer = telling(ASKS)
    found = write_questions(answerer, [PAGE], each=6, temperature=1.0, seed=0)
    assert found == write_questions(answerer, [PAGE], each=6, temperature=1.0, seed=0)
    assert {"was born", "born"} & {q.text for q in found.questions}
    assert len({q.text for q in found.questions}) == len(found.questions)
    for question in found.questions:
        (evidence,) = question.evidence
        assert question.split == "tune" and question.support == ("doc-7",) == (evidence.document,)
        assert question.answers[0] in evidence.text
        assert evidence.text in [sentence for (sentence,) in PAGE.sentences]
    assert found.left_out["written before"] > 0
    asked = [Question("e", f"{q.text}?", (), (), "absent_entity", "", "never_tuned") for q in found.questions]
    again = write_questions(answerer, [PAGE], each=6, temperature=1.0, seed=0, evaluated=asked)
    assert not again.questions and again.left_out["is asked in evaluation"] > 0
    assert found.left_out.total() + len(found.questions) <= 12
    assert not write_questions(answerer, [], each=6, temperature=1.0, seed=0).questions


def test_different_words_of_a_sentence_are_asked_for() -> None:
    sentence = PAGE.sentences[0][0]
    found = _answers(sentence, 4, random.Random(1))
    assert 1 < len(found) == len(set(found)) <= 4
    assert all(answer in sentence for answer in found)
    assert _answers("Nobody works.", 4, random.Random(1)) == []  # too few words to be asked about


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Where was she born?", ""),
        ("Was she born in Oslo?", "says its answer"),
        ("Who is that man?", "shares no word with its document"),
        (" ", "none was written"),
    ],
)
def test_what_cannot_help_is_left_out(text: str, reason: str) -> None:
    assert _useless(text, "Oslo", _words(PAGE)) == reason
