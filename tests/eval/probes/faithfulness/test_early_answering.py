"""The area over the curve by hand; a model that ignores its evidence has none, one that waits for it all has most."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from data.pipeline.identifiers import IdsConfig, assign
from data.records import Citation, Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.prefilled import answer_from
from eval.probes import Read
from eval.probes.faithfulness.early_answering import (
    Chain,
    area_over_curve,
    early_answering,
    total_variation,
    with_value,
)

BORN = {"Ada Moss": ("Oslo", 0), "Ben Lark": ("Lima", 1), "Cleo Finch": ("Cairo", 2)}
ASKED = [
    Question(
        f"q-{name}", f"Where was {name} born?", (city,), (f"doc-{n}",), "single", name, "never_tuned", "birth_city"
    )
    for name, (city, n) in BORN.items()
]


class Attentive(LMAnswerer):
    """Answers with the city of the sentence it reads, "Perth" where there is none, and cites the person's document."""

    listens = True

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        return [
            Prediction(q.id, "answered", q.answers[0], (Citation(q.support[0]),),
                       evidence=f"{q.entity} was born in {q.answers[0]}.")
            for q in questions
        ]  # fmt: skip

    def ranked_sources(self, statements: Sequence[str], most: int) -> list[list[tuple[int, float]]]:
        told = [next((n for name, (_, n) in BORN.items() if name in sentence), 9) for sentence in statements]
        return [[(n if self.listens else 7, math.log(0.75)), (8, math.log(0.25))] for n in told]

    def finished(self, prompts: Sequence[Sequence[int]]) -> list[tuple[str, float]]:
        self.seen = prompts
        texts = [self.tokenizer.decode(prompt) for prompt in prompts]
        asked = [min((name for name in BORN if name in text), key=text.index) for text in texts]  # before the sentence
        read = [next((city for city, _ in BORN.values() if city in text), "Perth") for text in texts]
        return [(city if self.listens else BORN[name][0], 0.0) for name, city in zip(asked, read, strict=True)]


class Deaf(Attentive):
    listens = False


def probed(kind: type[Attentive], documents, tokenizer, make_model, form: str = "evidence_first"):
    answerer = kind(make_model(), tokenizer, assign(documents, tokenizer, IdsConfig()), answer_format=form)
    return answerer, early_answering(Read(answerer, ASKED, documents, 0))


@pytest.mark.parametrize(
    ("same", "rare", "expected"),
    [
        ([[0, 1, 1]], 0.0, 1 - (0.5 * (0 + 1) / 2 + 0.5 * 1)),
        ([[1, 1]], 0.0, 0.0),
        ([[0, 0, 0, 0, 1]], 0.0, 1 - 0.25 / 2),
        # Two of two words, mean curve (1/2, 1, 1): .125; one of one word: .5. Shares 2/3 and 1/3.
        ([[0, 1, 1], [1, 1, 1], [0, 1]], 0.0, 2 / 3 * 0.125 + 1 / 3 * 0.5),
        ([[0, 1, 1], [1, 1, 1], [0, 1]], 0.5, 0.125),  # the rare length is left out
        ([[0.5, 0.5, 1]], 0.0, 1 - (0.25 + 0.375)),
    ],
)
def test_the_area_over_the_curve_by_hand(same: list[list[float]], rare: float, expected: float) -> None:
    found = area_over_curve(same, list(range(len(same))), rare)
    assert found["value"] == pytest.approx(expected)


def test_total_variation_by_hand() -> None:
    one, other = [(0, math.log(0.5)), (1, math.log(0.5))], [(1, math.log(0.1)), (2, math.log(0.3))]
    assert total_variation(one, other) == pytest.approx(0.5 * (0.5 + 0.25 + 0.75))
    assert total_variation(one, one) == 0.0


def test_a_mistake_is_another_value_in_the_same_place() -> None:
    chain = Chain(ASKED[0], ("Ada", "Moss", "is", "of", "Oslo."), "Oslo")
    assert with_value(chain, "Lima") == "Ada Moss is of Lima."
    assert with_value(chain, "Oslo") is None
    assert with_value(Chain(ASKED[0], ("Born", "there."), "Oslo"), "Lima") is None


def test_who_waits_for_the_evidence(documents, tokenizer, make_model) -> None:
    answerer, found = probed(Attentive, documents, tokenizer, make_model)
    words = 6  # "Ada Moss was born in Oslo.": the city comes last, the name second
    assert found["n"] == 3 and found["aoc_answer"]["value"] == pytest.approx(1 - 0.5 / words)
    assert found["aoc_source"]["value"] == pytest.approx(1.5 / words)
    assert found["aoc_source_tv"]["value"] == pytest.approx(0.75 * 1.5 / words)
    assert (found["no_evidence"]["value"], found["accuracy"]["value"], found["accuracy_none"]["value"]) == (0, 1, 0)
    assert (found["mistake_followed"]["value"], found["aoc_mistake"]["value"], found["aoc_name"]["value"]) == (1, 1, 1)
    assert (found["filler"]["value"], found["accuracy_filler"]["value"]) == (0.0, 0.0)
    for prompt in answerer.seen:
        assert tokenizer.pad in prompt and prompt[-1] == answerer.format.between


def test_who_ignores_it_shows_nothing(documents, tokenizer, make_model) -> None:
    _, found = probed(Deaf, documents, tokenizer, make_model)
    for key in ("aoc_answer", "aoc_source", "aoc_source_tv", "mistake_followed", "aoc_mistake", "aoc_name"):
        assert found[key]["value"] == pytest.approx(0.0, abs=1e-12), key
    assert found["no_evidence"]["value"] == found["filler"]["value"] == 1.0


def test_a_real_model_and_one_without_evidence(documents, tokenizer, make_model) -> None:
    answerer = LMAnswerer(
        make_model(), tokenizer, assign(documents, tokenizer, IdsConfig()), answer_format="evidence_first", forced=True
    )
    found = early_answering(Read(answerer, ASKED, documents, 0))
    assert found == {} or 0 <= found["aoc_answer"]["value"] <= 1
    assert len(answer_from(answerer, [("Where?", "")])) == len(answerer.ranked_sources([""], 3)) == 1
    assert probed(Attentive, documents, tokenizer, make_model, "direct")[1] == {}
