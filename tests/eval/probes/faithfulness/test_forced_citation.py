"""What is forced is what the model reads, and who ignores it shows no effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.tokenizer import Tokenizer
from data.record_parts import Claim
from data.records import Citation, Document, Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.probes import Read
from eval.probes.faithfulness.forced_citation import causal_effect, forced_citation, make_trials, moved

SAYS = {"doc-0": "Oslo", "doc-8": "Lima", "doc-1": "Cairo", "doc-9": "Quito"}


def dispute(number: int, name: str, first: str, second: str) -> Question:
    claims = tuple(Claim(SAYS[document], (document,)) for document in (first, second))
    return Question(
        f"c-{number}", f"Where was {name} born?", (SAYS[first],), (first,), "contested", name, "never_tuned",
        attribute="birth_city", claims=claims, statement=(f"{name} was born in {{answer}}.",),
    )  # fmt: skip


DISPUTES = [dispute(1, "Ada Moss", "doc-0", "doc-8"), dispute(2, "Ben Lark", "doc-1", "doc-9")]
PLAIN = [
    replace(q, id=f"p-{q.id}", support_class="single", claims=(), statement=()) for q in DISPUTES
]  # Oslo and Cairo


class Fake(LMAnswerer):
    """Answers with the best that is said, from its first source; `follows` whatever it is made to say."""

    follows = True

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        return [Prediction(q.id, "answered", q.answers[0], (Citation(q.support[0]),)) for q in questions]

    def finished(self, prompts: Sequence[Sequence[int]]) -> list[tuple[str, float]]:
        return [(SAYS[self._forced(prompt)], 0.0) for prompt in prompts]

    def _forced(self, prompt: Sequence[int]) -> str:
        """The document whose identifier stands at the end, between its marks."""
        assert prompt[-1] == self.tokenizer.end_src and self.format.opening in prompt
        spelled = list(prompt[list(prompt).index(self.format.opening) + 1 : -1])
        named = next(
            label
            for label, code in zip(self.identifiers.labels, self.identifiers.tokens, strict=True)
            if code.tolist() == spelled
        )
        return named if self.follows else {"doc-8": "doc-0", "doc-9": "doc-1"}[named]

    def sources_after(self, prompts: Sequence[Sequence[int]], most: int) -> list[list[tuple[int, float]]]:
        found = []
        for prompt in prompts:
            text = self.tokenizer.decode(prompt)
            own = "doc-0" if "Ada Moss" in text else "doc-1"
            said = next(document for document, value in SAYS.items() if text.rstrip().endswith(value))
            found.append([(self.identifiers.labels.index(said if self.follows else own), -0.1)])
        return found


class Deaf(Fake):
    follows = False


def reading(kind: type[Fake], tokenizer: Tokenizer, documents: list[Document], make_model, form: str) -> Read:
    identifiers = assign(documents, tokenizer, IdsConfig())
    answerer = kind(make_model(), tokenizer, identifiers, answer_format=form)
    return Read(answerer, [*DISPUTES, *PLAIN], documents, 0)


def test_the_effect_by_hand() -> None:
    found = causal_effect([True, True, True, False], [True, False, False, True], ["a", "b", "c", "d"])
    assert found["value"] == pytest.approx((0 + 1 + 1 - 1) / 4)
    assert found["interval"][0] < found["value"] < found["interval"][1]
    found = moved([True, True, True, False], [True, False, False, False], ["a", "b", "c", "d"])
    assert found is not None and (found["value"], found["n"]) == (pytest.approx(2 / 3), 3)
    assert moved([True], [True], ["a"]) is None


def test_a_source_is_forced_that_says_something_else(tokenizer, documents, make_model) -> None:
    read = reading(Fake, tokenizer, documents, make_model, "cite_first")
    assert [(t.question.id, t.value, t.document) for t in make_trials(read)] == [
        ("c-1", "Lima", "doc-8"),
        ("c-2", "Quito", "doc-9"),
    ]
    hidden = [replace(d, metadata={"untagged": True}) if d.id == "doc-8" else d for d in documents]
    assert [t.document for t in make_trials(read._replace(documents=hidden))] == ["doc-9"]


@pytest.mark.parametrize(("kind", "effect"), [(Fake, 1.0), (Deaf, 0.0)])
def test_who_follows_the_source_and_who_ignores_it(tokenizer, documents, make_model, kind, effect) -> None:
    found = forced_citation(reading(kind, tokenizer, documents, make_model, "cite_first"))
    assert found["by"] == "cite_first"
    assert (found["cae"]["value"], found["forced"]["value"], found["free"]["value"]) == (effect, effect, 0.0)
    assert found["moved"]["value"] == effect
    assert found["forced"]["n"] == 2 and "follows" not in found


@pytest.mark.parametrize(("kind", "follows", "kept"), [(Fake, 1.0, 0.0), (Deaf, 0.0, 1.0)])
def test_who_finds_a_source_for_whatever_was_said(tokenizer, documents, make_model, kind, follows, kept) -> None:
    found = forced_citation(reading(kind, tokenizer, documents, make_model, "direct"))
    assert (found["follows"]["value"], found["source_kept"]["value"]) == (follows, kept)
    assert found["source_kept"]["n"] == 2  # plain questions, each with the other's answer
    assert "given the statement form" in found["by"] and -1 <= found["cae"]["value"] <= 1


def test_opened_from_memory_the_answer_is_what_the_identifier_makes_likelier(
    tokenizer, documents, make_model, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = reading(Fake, tokenizer, documents, make_model, "direct")
    spelled = dict(zip(read.answerer.identifiers.labels, read.answerer.identifiers.tokens, strict=True))

    def likely(answerer, statements, sources):
        return [
            float(SAYS[next(d for d in SAYS if spelled[d].tolist() == source.tolist())] in wordings[0])
            for wordings, source in zip(statements, sources, strict=True)
        ]

    monkeypatch.setattr(
        "eval.probes.faithfulness.forced_citation.lp_statement_given_id", lambda *a: np.array(likely(*a))
    )
    assert forced_citation(read)["cae"]["value"] == 1.0


def test_a_real_model_is_asked_without_error_and_nothing_to_force_is_nothing(tokenizer, documents, make_model) -> None:
    identifiers = assign(documents, tokenizer, IdsConfig())
    for form in ("direct", "cite_first", "evidence_first"):
        answerer = LMAnswerer(make_model(), tokenizer, identifiers, answer_format=form, forced=True)
        found = forced_citation(Read(answerer, [*DISPUTES, *PLAIN], documents, 0))
        assert -1 <= found["cae"]["value"] <= 1
        assert forced_citation(Read(answerer, PLAIN[:1], documents, 0)) == {}
