"""Further sources are opened where several answers may have been told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from telling import IN, Answering, Make, Telling, asked, said

from data.pipeline.tokenizer import Tokenizer
from data.records import Prediction, Question
from eval.answerers.candidates import candidates, enumerate_candidates, with_signals
from eval.answerers.lm_answerer import LMAnswerer
from eval.signals.bidirectional import restate
from eval.signals.cloze_candidates import add_cloze_candidates
from eval.signals.multi_source_support import SOURCES, TOLD, add_sources

FURTHER = {"lp_statement_given_id_2", "lp_id_given_statement_2", "lp_statement_given_id_3", "lp_id_given_statement_3"}


def candidates_with_sources(
    answerer: LMAnswerer, questions: Sequence[Question], given: Sequence[Prediction]
) -> list[Prediction]:
    checked = add_cloze_candidates(answerer, questions, restate(answerer, questions, given))
    return add_sources(answerer, questions, checked)


@torch.no_grad()
def plain_told(answerer: LMAnswerer, statement: str, source: str) -> float:
    """log P(statement | identifier) in one plain pass."""
    tokenizer = answerer.tokenizer
    (text,) = tokenizer.encode([statement])
    identifier = answerer.identifiers.tokens[answerer.identifiers.labels.index(source)]
    prefix = [tokenizer.doc, tokenizer.src, *identifier.tolist(), tokenizer.end_src]
    tokens = torch.tensor([[*prefix, *text.tolist()]])
    scores = answerer.model(tokens, torch.arange(tokens.shape[1])[None])[0].double().log_softmax(-1)
    return sum(float(scores[i - 1, tokens[0, i]]) for i in range(len(prefix), tokens.shape[1]))


def test_sources_are_opened_where_two_answers_may_have_been_told(telling: Telling) -> None:
    """log P(told) by hand: -12 lies between the second answer and the third; alone, an answer has one source."""
    rare = {"<|/src|>": {" in": 3e-5}, " in": {" Oslo": 0.5, " Lima": 0.4, " Turin": 0.05}}
    answerer = telling(IN | rare | {" Turin": {".": 0.9}})
    question = asked("in {answer}.")
    first, second = candidates_with_sources(answerer, [question] * 2, [said("Lima"), said("Turin")])
    told = {
        "Oslo": math.log(3e-5 * 0.5 * 0.8),
        "Lima": math.log(3e-5 * 0.4 * 0.9),
        "Turin": math.log(3e-5 * 0.05 * 0.9),
    }
    assert told["Oslo"] > told["Lima"] > TOLD > told["Turin"]
    for prediction in (first, second):
        shown = {p.answer: p.signals for p in candidates(prediction)}
        assert {"Oslo", "Lima", "Turin"} <= set(shown)
        for answer, signals in shown.items():
            if answer in told:
                assert signals["lp_statement_given_id"] == pytest.approx(told[answer], abs=1e-2)
            assert FURTHER & set(signals) == (FURTHER if answer in ("Oslo", "Lima") else set())
            if "lp_statement_given_id_2" in signals:  # all documents say the same here
                assert [signals["lp_statement_given_id_2"], signals["lp_statement_given_id_3"]] == pytest.approx(
                    [told[str(answer)]] * 2, abs=1e-2
                )
    less = telling(IN | rare | {" in": {" Oslo": 0.5, " Turin": 0.05}})
    (alone,) = candidates_with_sources(less, [question], [said("Turin")])
    assert [p.signals["lp_statement_given_id"] >= TOLD for p in candidates(alone)].count(True) == 1
    assert not any(FURTHER & set(p.signals) for p in candidates(alone))


@pytest.mark.parametrize("most", [1, 5])
def test_each_candidate_opens_the_sources_of_its_own_statement(
    make_model: Make, tokenizer: Tokenizer, answering: Answering, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    for name, value in (
        ("answerers.writers.cloze.LEAST", -math.inf),
        ("answerers.writers.cloze.LONGEST_ANSWER", 3),
        ("signals.multi_source_support.TOLD", -math.inf),
    ):
        monkeypatch.setattr(f"eval.{name}", value)
    model = make_model()
    with torch.no_grad():
        model.lm_head.weight[list(tokenizer.reserved - {tokenizer.end, *tokenizer.codes.tolist()})] *= 0.01
    whole = answering(model)
    answerer = LMAnswerer(model, tokenizer, whole.identifiers, most=most)
    questions = [asked(f"Ada {n} studied in {{answer}}.", f"{n} is {{answer}}.", id=str(n)) for n in range(4)]
    questions.insert(2, asked(id="none"))
    found = candidates_with_sources(answerer, questions, [said("Oslo")] * 5)
    opened = 0
    for question, prediction in zip(questions, found, strict=True):
        for candidate in (prediction, *prediction.rivals):
            if not question.statement:
                assert not FURTHER & set(candidate.signals)
                continue
            statement = question.statement[0].replace("{answer}", candidate.answer or "")
            (cited,) = whole.cite([statement])
            assert [c.id for c in candidate.citations] == [c.id for c in cited[: max(most, SOURCES)]]
            for place in (2, 3):
                source = candidate.citations[place - 1]
                told, noted = (
                    candidate.signals[f"lp_statement_given_id_{place}"],
                    candidate.signals[f"lp_id_given_statement_{place}"],
                )
                assert told == pytest.approx(plain_told(answerer, statement, source.id), abs=1e-3)
                assert math.exp(noted) == pytest.approx(source.probability, rel=1e-3)
                opened += 1
            assert candidate.signals["lp_statement_given_id"] == pytest.approx(
                plain_told(answerer, statement, candidate.citations[0].id), abs=1e-3
            )
    assert opened > 16
    assert add_sources(answerer, [], []) == []


def test_candidates_are_exchanged_where_they_stand() -> None:
    """Equal ones are told apart."""
    answers = [replace(said(word), signals={"lp_statement_given_id": -1.0}) for word in "aab"]
    unchecked = said("c")
    predictions = [replace(answers[0], rivals=(answers[1], unchecked)), answers[2]]
    held = enumerate_candidates(predictions)
    assert [(i, c.answer) for i, c in held] == [(0, "a"), (0, "a"), (1, "b")]
    found = with_signals(predictions, [held[1][1], held[2][1]], [said("x"), said("y")])
    assert [(p.answer, [r.answer for r in p.rivals]) for p in found] == [("a", ["x", "c"]), ("y", [])]
    (first,) = with_signals(predictions[:1], [predictions[0]], [said("z")])
    assert (first.answer, first.rivals) == ("z", predictions[0].rivals)
