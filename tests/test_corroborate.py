"""Sources are counted by opening them, where several answers may have been told."""

from __future__ import annotations

import math

import pytest
import torch
from telling import IN, Answering, Make, Telling, asked, said

from data.records import Document
from data.tokenizer import Codec
from eval.corroborate import NEAR, SOURCES, TOLD, count_sources
from eval.model import ModelAnswerer
from eval.recite import add_recitals
from eval.two_way import log_told


def test_sources_are_counted_where_two_answers_may_have_been_told(
    telling: Telling,
) -> None:
    """log P(told) by hand: -12 lies between the second answer and the third; alone, an answer is not counted."""
    rare = {"<|/src|>": {" in": 3e-5}, " in": {" Oslo": 0.5, " Lima": 0.4, " Turin": 0.05}}
    answerer = telling(IN | rare | {" Turin": {".": 0.9}})
    question = asked("in {answer}.")
    first, second = add_recitals(
        answerer, [question] * 2, answerer.restate([question] * 2, [said("Lima"), said("Turin")])
    )
    told = {
        "Oslo": math.log(3e-5 * 0.5 * 0.8),
        "Lima": math.log(3e-5 * 0.4 * 0.9),
        "Turin": math.log(3e-5 * 0.05 * 0.9),
    }
    assert told["Oslo"] > told["Lima"] > TOLD > told["Turin"]
    for prediction in (first, second):
        candidates = {p.answer: p.signals for p in (prediction, *prediction.rivals)}
        assert {"Oslo", "Lima", "Turin"} <= set(candidates)
        for answer, signals in candidates.items():
            if answer in told:
                assert signals["told"] == pytest.approx(told[answer], abs=1e-2)
            # All documents say the same here, so that all that are opened say so.
            assert signals.get("sources") == (SOURCES if answer in ("Oslo", "Lima") else None)
    less = telling(IN | rare | {" in": {" Oslo": 0.5, " Turin": 0.05}})
    (alone,) = add_recitals(less, [question], less.restate([question], [said("Turin")]))
    assert [p.signals["told"] >= TOLD for p in (alone, *alone.rivals)].count(True) == 1
    assert not any("sources" in p.signals for p in (alone, *alone.rivals))


def test_each_candidate_has_the_count_of_its_own_statement(
    make_model: Make,
    codec: Codec,
    answering: Answering,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("complete.LEAST", -math.inf), ("complete.LONGEST_ANSWER", 3)):
        monkeypatch.setattr(f"eval.{name}", value)
    for name, value in (("TOLD", -math.inf), ("NEAR", 0.2)):
        monkeypatch.setattr(f"eval.corroborate.{name}", value)
    model = make_model()
    with torch.no_grad():
        model.lm_head.weight[list(codec.reserved - {codec.end, *codec.codes.tolist()})] *= 0.01
    answerer = answering(model)
    questions = [asked(f"Ada {n} studied in {{answer}}.", f"{n} is {{answer}}.", id=str(n)) for n in range(4)]
    questions.insert(2, asked(id="none"))
    restated = answerer.restate(questions, [said("Oslo")] * 5)
    counts = []
    for question, prediction in zip(questions, add_recitals(answerer, questions, restated), strict=True):
        for candidate in (prediction, *prediction.rivals):
            if question.statement:
                statement = question.statement[0].replace("{answer}", candidate.answer or "")
                (count,) = count_sources(answerer, [statement], SOURCES, 0.2)
                assert candidate.signals["sources"] == count
                counts.append(count)
            else:
                assert "sources" not in candidate.signals
    assert len(counts) > 8 and set(counts) == {1, 2, 3}


@torch.no_grad()
def plain_told(answerer: ModelAnswerer, statement: str, source: str) -> float:
    """log P(statement | identifier) in one plain pass."""
    codec = answerer.codec
    (text,) = codec.encode([statement])
    identifier = answerer.identifiers.tokens[answerer.identifiers.labels.index(source)]
    prefix = [codec.doc, codec.src, *identifier.tolist(), codec.end_src]
    tokens = torch.tensor([[*prefix, *text.tolist()]])
    scores = answerer.model(tokens, torch.arange(tokens.shape[1])[None])[0].double().log_softmax(-1)
    return sum(float(scores[i - 1, tokens[0, i]]) for i in range(len(prefix), tokens.shape[1]))


@pytest.mark.parametrize("most", [1, 3, 5])
def test_sources_are_those_that_say_so_nearly_as_well_as_the_first(
    make_model: Make, answering: Answering, documents: list[Document], most: int
) -> None:
    answerer = answering(make_model())
    statements = [document.sentences[0][0] for document in documents[:8]]
    told = [
        [plain_told(answerer, statement, citation.id) for citation in citations[:most]]
        for statement, citations in zip(statements, answerer.cite(statements), strict=True)
    ]
    identifiers = dict(zip(answerer.identifiers.labels, answerer.identifiers.tokens, strict=True))
    for statement, row, citations in zip(statements, told, answerer.cite(statements), strict=True):
        sources = [identifiers[citation.id] for citation in citations[:most]]
        checked = log_told(answerer.model, answerer.codec, [[statement]] * len(sources), sources)
        assert row == pytest.approx(checked.tolist(), abs=1e-4)
    seen = set()
    for near in (0.0, 0.15, 0.4, NEAR):
        expected = [sum(score >= row[0] - near for score in row) for row in told]
        assert count_sources(answerer, statements, most, near) == expected
        seen |= set(expected)
    assert seen == set(range(1, most + 1))
    assert count_sources(answerer, [], most, NEAR) == []
