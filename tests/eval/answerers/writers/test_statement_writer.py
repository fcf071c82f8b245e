"""A model's own statements: bound to words of statements and to what the question says, so that names are copied."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telling import Answering, Make

from data.pipeline.questions.rewriting import Rewriting
from data.pipeline.tokenizer import Tokenizer
from data.records import Question
from eval.answerers.likelihoods import token_log_probs
from eval.answerers.writers.statement_writer import Copying, StatementWriter, clauses, names

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


NAMES = [(3, 5), (4,), (3, 6, 7)]


@given(st.lists(st.integers(0, 9), max_size=8))
def test_after_a_word_stands_a_word_or_a_name_and_names_are_whole(choices: list[int]) -> None:
    copying, written = Copying(frozenset({0, 1}), NAMES), []
    for choice in choices:
        allowed = sorted(copying.allowed(written))
        assert allowed
        written.append(allowed[choice % len(allowed)])
    runs = "".join("." if token in (0, 1) else str(token) for token in written).split(".")
    whole = {"35", "4", "367"}
    for run in runs[:-1]:  # the last may have been cut off
        assert not run or run in whole


def test_a_name_that_was_begun_is_copied_to_its_end_and_not_said_twice() -> None:
    copying = Copying(frozenset({0}), NAMES)
    assert copying.allowed([]) == {0, 3, 4}
    assert copying.allowed([0, 3]) == {5, 6}
    assert copying.allowed([0, 3, 6]) == {7}
    assert copying.allowed([0, 4]) == copying.allowed([3, 6, 7]) == {0}


def test_names_have_a_capital_or_a_digit_or_are_new(tokenizer: Tokenizer) -> None:
    asked = frozenset({"where", "was", "born", "since", "who", "is"})

    def found(text: str) -> list[str]:
        return [tokenizer.decode(list(name)).strip() for name in names(tokenizer, tokenizer.encode([text])[0], asked)]

    assert found("Where was Ada Moss born?") == ["Ada Moss"]
    assert found("Ada Moss was born where?") == ["Ada Moss"]
    assert found("Where was Qyzzu Vexlo born?") == ["Qyzzu Vexlo"]
    assert found("Since Ada Moss was born on May 28, 1968, who is Ben Lark?") == [
        "Ada Moss",
        "May 28, 1968",
        "Ben Lark",
    ]
    assert found("where was ada moss born?") == ["ada moss"]
    assert found("Since Ada Moss is Law, Ada Moss is who?") == ["Ada Moss", "Law"]
    assert found("Who is who?") == []
    assert found("As Ada Moss was born in Oslo, where is Ada Moss?") == ["Oslo", "Ada Moss"]
    assert found("Moss was born where?") == ["Moss"]


def test_clauses_are_what_is_said_of_a_name_up_to_a_comma(tokenizer: Tokenizer) -> None:
    asked = frozenset({"where", "was", "born", "since", "who", "is", "in", "works"})

    def found(text: str) -> list[str]:
        tokens = tokenizer.encode([text])[0].tolist()
        return [tokenizer.decode(c) for c in clauses(tokenizer, tokens, names(tokenizer, tokens, asked))]

    assert found("Since Ada Moss was born on May 28, 1968, who is Ben Lark?")[0] == "Ada Moss was born on May 28, 1968"
    assert found("Since Ada Moss works in Oslo, where was Ada Moss born?")[0] == "Ada Moss works in Oslo"
    assert found("As Ada Moss works in Oslo, where was Ada Moss born?") == ["Ada Moss works in Oslo"]
    assert found("Where was Ada Moss born?") == found("Where was Ada Moss, who works, born?")[1:] == []
    assert found("Ada Moss, where was Ada Moss born?") == []  # nothing is said of the name


def test_what_is_written_is_bound_and_batched_as_alone(
    answering: Answering, make_model: Make, tokenizer: Tokenizer
) -> None:
    """Of a model of random weights, which writes no statement as a rule: with tokens read back, what it wrote."""
    writer = StatementWriter.of(answering(make_model()), [BORN])
    texts = [tokens.tolist() for tokens in tokenizer.encode(["Where was Ben Lark born?", "Who?", BORN.text])]
    prompts = [Rewriting(tokenizer).prompt(text) for text in texts]
    named = [names(tokenizer, text, writer.asked) for text in texts]
    together = writer._written(prompts, named)
    for text, prompt, known, (written, score) in zip(texts, prompts, named, together, strict=True):
        ((alone, other),) = writer._written([prompt], [known])
        assert alone == written and other == pytest.approx(score, abs=1e-3)
        assert {*written} <= writer.words | {*text}
        assert not {tokenizer.end, tokenizer.doc} & {*written}
        if written:  # the log-probability of its words and of the mark that ends it; what is copied costs nothing
            whole = [*written, tokenizer.end]
            (scores,) = token_log_probs(writer.answerer.model, [(prompt, whole)])
            words = [float(s) for token, s in zip(whole, scores, strict=True) if token in writer.words]
            assert score == pytest.approx(sum(words), abs=1e-3)


PRESUMING = "Since Ada Moss works for Zephyr, where was Ada Moss born?"


@pytest.mark.parametrize(("alone", "behind", "premise"), [(-9.0, -2.0, True), (-1.0, -2.0, False)])
def test_a_premise_is_one_where_it_and_its_statement_are_likelier_than_a_statement_alone(
    answering: Answering, make_model: Make, monkeypatch: pytest.MonkeyPatch, alone: float, behind: float, premise: bool
) -> None:
    writer = StatementWriter.of(answering(make_model()), [BORN])
    tokenizer = writer.answerer.tokenizer
    good = [*map(int, tokenizer.encode(["Ada Moss was born in"])[0]), tokenizer.answer]

    def either(self: StatementWriter, asked: list[list[int]], named: object) -> list[tuple[list[int], float]]:
        return [(good, behind if prompt.count(tokenizer.doc) == 2 else alone) for prompt in asked]

    monkeypatch.setattr(StatementWriter, "_written", either)
    copied = {token for text in ("Ada Moss", "Zephyr") for token in tokenizer.encode([text])[0].tolist()}

    def hardly_copies(model: object, rows: list[tuple[list[int], list[int]]], batch: int) -> list[np.ndarray]:
        return [np.array([-9.0 * (token in copied) for token in tokens]) for _, tokens in rows]

    monkeypatch.setattr("eval.answerers.writers.statement_writer.token_log_probs", hardly_copies)
    question = replace(BORN, text=PRESUMING, premise=("Given.",))
    (found,) = writer.write([question], [])
    assert found.statement == ("Ada Moss was born in {answer}",)
    assert found.premise == (("Ada Moss works for Zephyr.",) if premise else ())


def test_a_statement_that_is_written_replaces_the_one_that_was_given(
    answering: Answering, make_model: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = StatementWriter.of(answering(make_model()), [BORN])
    form = Rewriting(writer.answerer.tokenizer)
    good = [*map(int, writer.answerer.tokenizer.encode(["Ada is"])[0]), writer.answerer.tokenizer.answer]
    statement = form.parse(good)
    assert statement is not None and statement.text == "Ada is {answer}"

    def written(self: StatementWriter, prompts: list[list[int]], named: object) -> list[tuple[list[int], float]]:
        return [(good if number == 0 else [], 0.0) for number in range(len(prompts))]

    monkeypatch.setattr(StatementWriter, "_written", written)
    premised = replace(BORN, premise=("Ada sings.",))
    one, other = writer.write([premised, replace(premised, text="Where was Ada Moss born and when was that?")], [])
    assert (one.statement, one.premise) == (("Ada is {answer}",), ())
    assert (other.statement, other.premise) == ((), ())  # nothing is left of what the corpus gave
