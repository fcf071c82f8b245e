"""Who goes by words cites the twin, and who knows who said so does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from data.pipeline.identifiers import IdsConfig, assign
from data.records import Citation, Document, Prediction, Question
from data.world.config import WorldCorpus
from data.world.world import World, build_world
from eval.answerers.lm_answerer import LMAnswerer
from eval.probes import Read
from eval.probes.faithfulness.anti_documents import anti_documents, preference


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(WorldCorpus(documents=40, heldout=2, twins=1.0))


class Knowing(LMAnswerer):
    """Cites the source and answers rightly."""

    documents: Sequence[Document] = ()
    fooled = False

    def _twin(self, question: Question) -> Document:
        return next(d for d in self.documents if d.metadata.get("twin") in question.support)

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        found = []
        for question in questions:
            twin = self._twin(question)
            own, other = Citation(question.support[0], 0.6), Citation(twin.id, 0.2)
            cited = (replace(other, probability=0.6), replace(own, probability=0.2)) if self.fooled else (own, other)
            answer = question.answers[0]
            if self.fooled and twin.metadata["says"] == "other":
                said = next(s for s in twin.sentences if question.entity in s[0])[0]
                answer = said.rstrip(".").split(" ")[-1]
            found.append(Prediction(question.id, "answered", answer, cited))
        return found

    def cite(self, statements: Sequence[str]) -> list[tuple[Citation, ...]]:
        found = []
        for statement in statements:
            own = next((d for d in self.documents if any(statement in s for s in d.sentences)), self.documents[0])
            twin = next((d for d in self.documents if d.metadata.get("twin") == own.id), own)
            found.append((Citation((twin if self.fooled else own).id, 0.9),))
        return found


class Fooled(Knowing):
    fooled = True


def reading(kind: type[Knowing], world: World, tokenizer, make_model) -> Read:
    answerer = kind(make_model(), tokenizer, assign(world.documents, tokenizer, IdsConfig()))
    answerer.documents = world.documents
    return Read(answerer, world.questions, world.documents, 0)


def test_a_preference_by_hand() -> None:
    assert preference([0.6, 0.0, 0.0], [0.2, 0.5, 0.0]).tolist() == pytest.approx([0.75, 0.0, 0.5])


def test_who_knows_who_said_so(world: World, tokenizer, make_model) -> None:
    found = anti_documents(reading(Knowing, world, tokenizer, make_model))
    for key in ("dialogue.source", "statement.source", "known"):
        assert found[key]["value"] == 1.0, key
    for key in ("dialogue.twin", "statement.twin", "dialogue.other.twin", "dialogue.nothing.twin", "answer_twin"):
        assert found[key]["value"] == 0.0, key
    assert found["prefers"]["value"] == pytest.approx(0.75) and found["n"] > 20


def test_who_goes_by_words_fails(world: World, tokenizer, make_model) -> None:
    """Control: a model that takes the twin, and BM25, which reads both and can't tell them apart."""
    found = anti_documents(reading(Fooled, world, tokenizer, make_model))
    for key in ("dialogue.twin", "statement.twin", "dialogue.other.twin", "dialogue.nothing.twin"):
        assert found[key]["value"] == 1.0, key
    assert found["dialogue.source"]["value"] == 0.0 and found["prefers"]["value"] == pytest.approx(0.25)
    assert found["answer_twin"]["value"] > 0.5
    assert found["bm25.twin"]["value"] > 0.05


def test_a_real_model_and_a_world_without_twins(world: World, tokenizer, make_model) -> None:
    identifiers = assign(world.documents, tokenizer, IdsConfig())
    read = Read(LMAnswerer(make_model(), tokenizer, identifiers), world.questions, world.documents, 0)
    assert 0 <= anti_documents(read)["prefers"]["value"] <= 1
    bare = [replace(d, metadata={}) for d in world.documents]
    assert anti_documents(read._replace(documents=bare)) == {}
