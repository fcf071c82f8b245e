"""Choices by hand; options are what they are said to be; a model that knows nothing is at chance."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from data.pipeline.identifiers import IdsConfig, assign
from data.records import Question
from eval.answerers.likelihoods import token_log_probs
from eval.answerers.lm_answerer import LMAnswerer
from eval.probes import Read
from eval.probes.uncertainty.options import NONE, Choice, _choice, cross_tempered, judged, options, scored

QUESTION = Question("q", "Where was Ada Moss born?", ("Oslo",), ("doc-0",), "single", "Ada Moss", "never_tuned", "city")


def choice(right: int, none: int | None = None, person: str = "Ada Moss") -> Choice:
    shown = tuple(NONE if n == none else name for n, name in enumerate("abcd"))
    question = Question(person, "Where?", ("a",), ("doc-0",), "single", person, "never_tuned")
    return Choice(question, "", shown, right)


def test_by_hand() -> None:
    choices = [
        choice(0, person="a"),
        choice(1, none=1, person="b"),
        choice(2, none=1, person="c"),
        choice(3, person="d"),
    ]
    scores = np.log([[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1]])
    found = judged(choices, scores - 3.0)  # a mass that no option has is nobody's
    assert found["accuracy"]["value"] == 0.5
    assert found["ece"]["value"] == pytest.approx(0.2, abs=0.02)
    assert (found["none"]["value"], found["none"]["n"]) == (1.0, 1)
    assert (found["none_wrong"]["value"], found["none_wrong"]["n"]) == (1.0, 1)


@pytest.mark.parametrize(
    ("kind", "none", "right"), [("with right", 0, "Oslo"), ("none beside", 1, "Oslo"), ("right is none", 1, NONE)]
)
def test_what_is_offered(kind: str, none: int, right: str) -> None:
    for seed in range(20):
        found = _choice(QUESTION, "", "Oslo", {"Oslo", "Lima", "Cairo", "Quito"}, random.Random(seed), kind)
        assert found is not None and len(found.options) == len(set(found.options)) == 4
        assert found.options.count(NONE) == none and found.options[found.right] == right
        assert ("Oslo" in found.options) == (kind != "right is none")
    assert _choice(QUESTION, "", "Oslo", {"Oslo", "Lima"}, random.Random(0), kind) is None


def test_a_temperature_comes_from_other_persons() -> None:
    persons = [f"p{n}" for n in range(200)]
    confidence, right = np.full(200, 0.9), np.array([n % 2 == 0 for n in range(200)])
    assert cross_tempered(confidence, right, persons) == pytest.approx(np.full(200, 0.5), abs=0.1)
    assert cross_tempered(confidence, right, ["one"] * 200) == pytest.approx(confidence)  # nobody else


def test_likelihoods_are_of_the_text_with_the_mark_behind_it(answering, make_model) -> None:
    answerer = answering(make_model())
    of_answer = Choice(QUESTION, "", ("Oslo", NONE), 0)
    of_source = Choice(QUESTION, "Oslo", ("doc-0", NONE), 0)
    found = scored(answerer, [of_answer, of_source])
    tokenizer = answerer.tokenizer
    text, oslo = tokenizer.encode([QUESTION.text, "Oslo"])
    prompt = answerer.prompt(text)
    after = [*prompt, *oslo]
    code = answerer.identifiers.tokens[answerer.identifiers.labels.index("doc-0")]
    expected = [
        (prompt, [*oslo, tokenizer.src]), (prompt, [tokenizer.idk]),
        (after, [tokenizer.src, *code, tokenizer.end_src]), (after, [tokenizer.nosrc]),
    ]  # fmt: skip
    sums = [each.sum() for each in token_log_probs(answerer.model, expected)]
    assert found.ravel() == pytest.approx(sums, rel=1e-5)


def test_a_model_that_knows_nothing_is_near_chance(make_model, tokenizer, documents) -> None:
    answerer = LMAnswerer(make_model(), tokenizer, assign(documents, tokenizer, IdsConfig()), forced=True)
    places = ("Oslo", "Lima", "Cairo", "Quito", "Turin", "Perth", "Accra")
    asked = [
        Question(
            f"q{n}", f"Where was {n} born?", (places[n % 7],), (f"doc-{n}",), "single", f"p{n}", "never_tuned", "city"
        )
        for n in range(40)
    ]
    absent = [
        Question(f"a{n}", f"Where was {n} born?", (), (), "absent_entity", f"n{n}", "never_tuned", "city")
        for n in range(9)
    ]
    found = options(Read(answerer, [*asked, *absent], documents, 0))
    assert found["answers.of_4.accuracy"]["n"] == 40 and 0.05 < found["answers.of_4.accuracy"]["value"] < 0.6
    assert found["answers.with_none.accuracy"]["n"] == 49 and "answers.of_4.none" not in found
    assert "sources.of_4.accuracy" not in found  # it gives no right answer, so it is asked for no source
    assert math.isfinite(found["answers.with_none.ece_temperature"]["value"])
    assert options(Read(answerer, absent, documents, 0)) == {}
