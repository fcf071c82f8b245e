"""Self-written questions are kept where their answer comes back: from their sentence, or from memory."""

from __future__ import annotations

from collections import Counter

import pytest
from telling import Telling

from data.record_parts import Evidence
from data.records import Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.writers.question_writer import Written
from eval.answerers.writers.round_trip import returning

# What follows a token, whatever stands before it: it would rather abstain.
READER = {
    "<|doc|>": {" in": 0.9},
    " in": {"<|answer|>": 0.9},
    "<|answer|>": {" Oslo": 0.4, "<|idk|>": 0.5},
    " Oslo": {"<|src|>": 0.9},
}


def written(number: int, answer: str, sentence: str = "Ada Moss was born in Oslo.") -> Question:
    evidence = (Evidence("doc-1", sentence),)
    return Question(f"self-{number}", "Where?", (answer,), ("doc-1",), "single", "doc-1", "tune", evidence=evidence)


def reading(answerer: LMAnswerer, form: str, longest: int = 10_000) -> LMAnswerer:
    return LMAnswerer(
        answerer.model, answerer.tokenizer, answerer.identifiers, batch=2, longest=longest, answer_format=form
    )


@pytest.mark.parametrize(
    ("how", "form"), [("open_book", "evidence_first"), ("closed_book", "evidence_first"), ("closed_book", "direct")]
)
def test_what_does_not_return_is_left_out_and_counted_beside_other_reasons(
    telling: Telling, how: str, form: str
) -> None:
    answerer = reading(telling(READER), form)
    questions = [written(0, "Lima"), written(1, "Oslo"), written(2, "oslo."), written(3, "Oslo in May")]
    found = returning(answerer, Written(questions, Counter({"too long": 2})), how)
    assert found.questions == questions[1:3]  # case and punctuation don't count, further words do
    said = "is answered otherwise from its sentence" if how == "open_book" else "is answered otherwise from memory"
    assert found.left_out == {"too long": 2, said: 2}
    assert returning(answerer, Written(questions[1:3], Counter()), how).left_out == {}
    assert not returning(answerer, Written([], Counter()), how).questions


def test_the_sentence_is_read_in_one_way_and_recalled_in_the_other(telling: Telling) -> None:
    """The last word before the answer decides it: here the sentence ends with it, and memory has nothing but "in"."""
    answerer = reading(telling(READER), "evidence_first")
    asked: list[list[list[int]]] = []
    read = answerer.read

    def noted(prompts, model=None):  # type: ignore[no-untyped-def]
        asked.append(prompts)
        return read(prompts, model)

    answerer.read = noted  # type: ignore[method-assign]
    question, tokenizer = written(0, "Oslo"), answerer.tokenizer
    sentence, text = tokenizer.encode([question.evidence[0].text, question.text])
    returning(answerer, Written([question], Counter()), "open_book")
    assert asked == [[[tokenizer.ask, *text, tokenizer.answer, tokenizer.doc, *sentence, tokenizer.answer]]]
    asked.clear()
    returning(answerer, Written([question], Counter()), "closed_book")
    assert asked[0] == [[tokenizer.ask, *text, tokenizer.answer]]


def test_what_is_too_long_to_be_asked_back_does_not_return(telling: Telling) -> None:
    question = written(0, "Oslo", "Ada Moss was born in Oslo. " * 9)
    answerer = reading(telling(READER), "evidence_first", longest=40)
    assert not returning(answerer, Written([question], Counter()), "open_book").questions
