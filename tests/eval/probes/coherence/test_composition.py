"""Who answers a step of its own as before is consistent, and who goes by the last words is not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from data.pipeline.identifiers import IdsConfig, assign
from data.records import Citation, Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.probes import Read
from eval.probes.coherence.composition import composition, figures, pairs, substituted


def ask(name: str, attribute: str, answer: str, source: str) -> Question:
    text = f"Who employs {name}?" if attribute == "employer" else f"In which city does {name} work?"
    stated = f"{name} works for {{answer}}." if attribute == "employer" else f"{name} works in {{answer}}."
    return Question(
        f"{name}-{attribute}", text, (answer,), (source,), "single", name, "never_tuned",
        attribute=attribute, statement=(stated,),
    )  # fmt: skip


ADA = ask("Ada Moss", "employer", "Zephyr", "doc-0"), ask("Ada Moss", "employer_city", "Oslo", "doc-8")
BEN = ask("Ben Lark", "employer", "Acrona", "doc-1"), ask("Ben Lark", "employer_city", "Lima", "doc-9")
CLEO = (ask("Cleo Finch", "employer_city", "Cairo", "doc-2"),)
ASKED = [*ADA, *BEN, *CLEO]


def say(question: Question, answer: str, source: str, outcome: str = "answered") -> Prediction:
    return Prediction(question.id, outcome, answer, (Citation(source),))


def test_by_hand() -> None:
    """Ada is right in both hops and stays; Ben's first hop is wrong, and his answer moves with its source; Dov's first
    hop has no source that says so, and he stays."""
    dov = ask("Dov Reed", "employer", "Kestrel", "doc-3"), ask("Dov Reed", "employer_city", "Cairo", "doc-11")
    hop = [say(ADA[0], "Zephyr", "doc-0"), say(BEN[0], "Yarrow", "doc-1"), say(dov[0], "Kestrel", "doc-5")]
    alone = [say(ADA[1], "Oslo", "doc-8"), say(BEN[1], "Lima", "doc-9"), say(dov[1], "Cairo", "doc-11")]
    behind = [say(ADA[1], "Oslo", "doc-8"), say(BEN[1], "Oslo", "doc-3"), say(dov[1], "Cairo", "doc-11")]
    found = figures([ADA, BEN, dov], hop, alone, behind)
    values = {key: one["value"] for key, one in found.items() if isinstance(one, dict)}
    assert values == pytest.approx(
        {
            "consistent": 2 / 3,
            "consistent_right": 1.0,
            "consistent_wrong": 0.0,
            "source_consistent": 2 / 3,
            "both_cited": 1 / 3,
            "flagged": 0.0,
        }
    )
    assert found["chance"] == pytest.approx((1 * 2 + 1 * 0 + 1 * 1) / 9)  # Oslo once alone and twice behind, Cairo once


def test_pairs_are_of_one_person_and_the_step_is_the_models_own(documents, tokenizer, make_model) -> None:
    answerer = LMAnswerer(make_model(), tokenizer, assign(documents, tokenizer, IdsConfig()))
    assert pairs(Read(answerer, ASKED, documents, 0)) == [ADA, BEN]
    said = substituted(ADA[0], "Yarrow", ADA[1])
    assert said == "Given that Ada Moss works for Yarrow, in which city does Ada Moss work?"


class Firm(LMAnswerer):
    """Answers rightly from the source, whatever stands before the question."""

    echoes = False

    def answer_texts(
        self, questions: Sequence[Question], texts: Sequence[Sequence[int] | np.ndarray]
    ) -> list[Prediction]:
        found = []
        for question, text in zip(questions, texts, strict=True):
            words = self.tokenizer.decode(text)
            answer = words.split(" for ")[1].split(",")[0] if self.echoes and "Given" in words else question.answers[0]
            found.append(say(question, answer, question.support[0]))
        return found


class Echo(Firm):
    """Control: says what the premise says."""

    echoes = True


@pytest.mark.parametrize(("kind", "consistent"), [(Firm, 1.0), (Echo, 0.0)])
def test_who_stays_and_who_echoes(documents, tokenizer, make_model, kind, consistent: float) -> None:
    answerer = kind(make_model(), tokenizer, assign(documents, tokenizer, IdsConfig()))
    found = composition(Read(answerer, ASKED, documents, 0))
    assert found["consistent"]["value"] == found["both_cited"]["value"] == consistent
    assert found["source_consistent"]["value"] == 1.0 and found["consistent_wrong"] is None


def test_a_real_model_and_nobody_with_two_facts(documents, tokenizer, make_model) -> None:
    answerer = LMAnswerer(make_model(), tokenizer, assign(documents, tokenizer, IdsConfig()), forced=True)
    assert 0 <= composition(Read(answerer, ASKED, documents, 0))["consistent"]["value"] <= 1
    assert composition(Read(answerer, [*CLEO], documents, 0)) == {}
