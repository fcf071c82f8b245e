"""A model's own statements: bound to words of statements and to what the question says, so that names are copied."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from telling import Answering, Make

from data.pipeline.rewriting import Rewriting
from data.pipeline.tokenizer import Tokenizer
from data.records import Question
from eval.answerers.statement_writer import Copying, StatementWriter

BORN = Question(
    "q", "Where was Ada Moss born?", ("Oslo",), ("doc-1",), "single", "Ada Moss", "tune",
    statement=("Ada Moss was born in {answer}.",),
)  # fmt: skip


def test_words_are_those_of_statements_without_their_entities(answering: Answering, make_model: Make) -> None:
    answerer = answering(make_model())
    writer = StatementWriter.of(answerer, [BORN])
    tokenizer = answerer.tokenizer
    inside = {int(token) for token in tokenizer.encode(["was born in"])[0]}
    assert inside <= writer.words
    assert not {int(token) for token in tokenizer.encode(["Ada Moss"])[0]} & writer.words
    assert {tokenizer.answer, tokenizer.doc, tokenizer.end} <= writer.words


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.lists(st.integers(0, 9), max_size=4))
def test_nothing_stands_that_is_neither_a_word_nor_the_questions(text: list[int], written: list[int]) -> None:
    words, starts = frozenset({0, 1}), frozenset({0, 2, 4, 6, 8})
    allowed = Copying(text, words, starts, frozenset({3, 5})).allowed(written)
    assert allowed and allowed <= words | {*text}
    if written:
        after = {b for a, b in pairwise(text) if a == written[-1]}
        for token in allowed - words - starts:
            assert token in after  # the inside of a word stands only behind what stands before it in the question


def test_a_name_that_was_begun_is_copied_to_its_end() -> None:
    copying = Copying([1, 2, 3, 5, 4, 9], frozenset({0}), frozenset({1, 2, 4}), frozenset({3, 5}))  # the word 2 3 5
    assert copying.allowed([2]) == {3}
    assert copying.allowed([2, 3]) == {5}
    assert copying.allowed([2, 3, 5]) == {0, 1, 2, 4}
    assert copying.allowed([]) == {0, 1, 2, 4}
    assert copying.allowed([4]) == {0, 1, 2, 4, 9}  # a sign that follows a name may, and need not, be copied


def test_what_is_written_is_bound_and_batched_as_alone(
    answering: Answering, make_model: Make, tokenizer: Tokenizer
) -> None:
    """Of a model of random weights, which writes no statement as a rule: with tokens read back, what it wrote."""
    writer = StatementWriter.of(answering(make_model()), [BORN])
    texts = [tokens.tolist() for tokens in tokenizer.encode(["Where was Ben Lark born?", "Who?", BORN.text])]
    together = writer._written(texts)
    for text, written in zip(texts, together, strict=True):
        assert writer._written([text]) == [written]
        assert {*written} <= writer.words | {*text}
        assert tokenizer.end not in written


def test_a_statement_that_is_written_replaces_the_one_that_was_given(
    answering: Answering, make_model: Make, monkeypatch
) -> None:
    writer = StatementWriter.of(answering(make_model()), [BORN])
    form = Rewriting(writer.answerer.tokenizer)

    def written(self: StatementWriter, texts: list[list[int]]) -> list[list[int]]:
        statement = form.parse([*writer.answerer.tokenizer.encode(["Ada is"])[0], writer.answerer.tokenizer.answer])
        assert statement is not None and statement.text == "Ada is {answer}"
        good = [*map(int, writer.answerer.tokenizer.encode(["Ada is"])[0]), writer.answerer.tokenizer.answer]
        return [good if number == 0 else [] for number in range(len(texts))]

    monkeypatch.setattr(StatementWriter, "_written", written)
    premised = replace(BORN, premise=("Ada sings.",))
    one, other = writer.write([premised, replace(premised, text="Where was Ada Moss born, and when was that?")])
    assert (one.statement, one.premise) == (("Ada is {answer}",), ())
    assert (other.statement, other.premise) == ((), ())  # nothing is left of what the corpus gave
