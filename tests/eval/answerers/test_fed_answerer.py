"""A model that surprisal is fed back to is asked as it is, without, and as an oracle has it; the mark is no word."""

from __future__ import annotations

import math

import pytest
import torch
from telling import Answering, Make, Telling

from data.records import Question
from eval.answerers.lm_answerer import LMAnswerer
from model.transformer import Transformer

TOLD = Question("t", "Where was Ada Moss born?", ("Oslo",), ("doc-1",), "single", "Ada Moss", "never_tuned")
NEVER = Question("n", "Where was Ada Moss born?", (), (), "absent_attribute", "Ada Moss", "never_tuned")


def fed(model: Transformer, source: str) -> Transformer:
    model.feed_back(source)
    assert model.surprisal is not None
    with torch.no_grad():
        for table in model.surprisal.parameters():
            table[1:] = torch.randn(table[1:].shape, generator=torch.Generator().manual_seed(4))
    return model


def refusal(answerer: LMAnswerer, question: Question) -> float:
    (prediction,) = answerer.answer([question])
    return prediction.signals["refusal"]


def test_it_is_also_asked_with_nothing_fed(answering: Answering, make_model: Make) -> None:
    answerer, plain = answering(fed(make_model(), "own")), answering(make_model())
    off = answerer.fed_from("off")
    assert (off.name, answerer.name) == ("whence_off", "whence")
    assert refusal(off, TOLD) == refusal(plain, TOLD) != refusal(answerer, TOLD)
    assert refusal(plain.fed_from("off"), TOLD) == refusal(plain, TOLD)  # there is nothing to take away


def test_an_oracle_alone_is_told_what_the_corpus_answers(answering: Answering, make_model: Make) -> None:
    """The two questions have the same words."""
    oracle = answering(fed(make_model(), "oracle"))
    assert refusal(oracle, TOLD) != refusal(oracle, NEVER)
    assert oracle.told([TOLD, NEVER]).tolist() == [[True], [False]]
    own = answering(fed(make_model(), "own"))
    assert own.told([TOLD, NEVER]) is None and refusal(own, TOLD) == refusal(own, NEVER)


def test_what_an_oracle_says_goes_with_its_row(answering: Answering, make_model: Make) -> None:
    oracle = answering(fed(make_model(), "oracle"))
    alone = [oracle.answer([question])[0] for question in (TOLD, NEVER)]
    together = oracle.answer([TOLD, NEVER])
    assert [p.answer for p in together] == [p.answer for p in alone]
    assert [p.citations[:1] and p.citations[0].id for p in together] == [
        p.citations[:1] and p.citations[0].id for p in alone
    ]


def test_the_mark_of_not_being_sure_counts_as_a_refusal_and_is_barred(telling: Telling) -> None:
    """So is every other mark of confidence: none of them is the first word of an answer."""
    first = {"<|conf_0|>": 0.35, "<|conf_10|>": 0.25, "<|idk|>": 0.1, " Oslo": 0.2}
    told = telling({"<|answer|>": first, " Oslo": {"<|src|>": 0.9}})
    taught = LMAnswerer(told.model, told.tokenizer, told.identifiers, forced=True, backtracks=True)
    (prediction,) = taught.answer([TOLD])
    assert prediction.answer == "Oslo"
    assert prediction.signals["refusal"] == pytest.approx(math.log(0.45), abs=0.01)
    assert prediction.signals["best_word"] == pytest.approx(math.log(0.2), abs=0.01)
    untaught = LMAnswerer(told.model, told.tokenizer, told.identifiers, forced=True)
    assert untaught.answer([TOLD])[0].signals["refusal"] == pytest.approx(math.log(0.1), abs=0.01)
