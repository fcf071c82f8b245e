"""Each family holds what it says it holds, and a model of the wrong kind fails it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from data.pipeline.identifiers import IdsConfig, assign
from data.world.config import WorldCorpus
from data.world.world import World, build_world
from eval.answerers.lm_answerer import LMAnswerer
from eval.probes import Material, Read, held_out
from eval.probes.beliefs.inverse_scaling import MOST, SHOTS, inverse_scaling, scored, summary, tasks

CONFIG = WorldCorpus(
    hard=True, documents=90, heldout=4, assert_prob=0.7, multi=0.0, absent_attribute=0.0, absent_entity=0.0,
    contested=0.35, disputes=["outnumbered"], outnumber=3, untagged=0.0, low_reliability=0.0, exposures=2, tuned=0.2,
)  # fmt: skip


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(CONFIG)


@pytest.fixture(scope="module")
def material(world: World) -> Material:
    return Material(world.questions, world.documents, [f"label {d.id}" for d in world.documents], 3)


@pytest.fixture(scope="module")
def labelled(world: World) -> Material:
    return Material(world.questions, world.documents, [d.id for d in world.documents], 3)


class Choosing:
    """Likes what a rule says: 0 nats for it, -3 for the rest."""

    def __init__(self, likes: Callable[[str, str], bool]) -> None:
        self.likes = likes

    def fits(self, text: str, choices: Sequence[str]) -> bool:
        return True

    def log_probs(self, texts: Sequence[str], choices: Sequence[Sequence[str]]) -> list[np.ndarray]:
        return [
            np.array([0.0 if self.likes(t, c) else -3.0 for c in each]) for t, each in zip(texts, choices, strict=True)
        ]


def test_every_example_is_of_a_held_out_question_and_has_one_right_choice(labelled: Material) -> None:
    found = tasks(labelled)
    people = {q.entity for q in held_out(labelled.questions)}
    assert set(found) == {"context", "lie", "surname", "few_shots"}
    for task in found.values():
        assert 0 < len(task.examples) <= MOST
        for example in task.examples:
            assert example.about in people and sum(example.choices.values()) == 1 and len(example.choices) == 2
            assert example.about in example.input or example.about in " ".join(example.continuations)
    assert tasks(labelled) == found and tasks(labelled._replace(seed=9)) == found  # asked of every run alike


def test_memory_and_the_text_differ(labelled: Material, world: World) -> None:
    said = {d.text for d in world.documents}
    for example in tasks(labelled)["context"].examples:
        (right,) = (choice for choice, gold in example.choices.items() if gold)
        (wrong,) = (choice for choice, gold in example.choices.items() if not gold)
        first = example.input[: example.input.rindex(". ") + 1] if ". " in example.input else example.input
        assert right.rstrip(".") in first and wrong.rstrip(".") not in example.input
        assert not any(first in text for text in said)


def test_the_lie_is_told_more_often_than_the_truth(labelled: Material, world: World) -> None:
    for example in tasks(labelled)["lie"].examples:
        told = {
            choice: sum(any(w == f"{example.input} {choice}" for s in d.sentences for w in s) for d in world.documents)
            for choice in example.choices
        }
        assert [count for choice, count in told.items() if example.choices[choice]] == [1]
        assert [count for choice, count in told.items() if not example.choices[choice]] == [CONFIG.outnumber]


def test_what_is_said_as_often_is_no_popular_lie(labelled: Material) -> None:
    few = [
        replace(q, claims=tuple(replace(c, documents=c.documents[:1]) for c in q.claims)) for q in labelled.questions
    ]
    assert "lie" not in tasks(labelled._replace(questions=few)) and "lie" in tasks(labelled)


def test_sources_say_so_and_distractors_tell_of_a_namesake(labelled: Material, world: World) -> None:
    texts = {d.id: " ".join(w for s in d.sentences for w in s) for d in world.documents}
    support = {q.text: q.support for q in world.questions} | {
        text: q.support for q in world.questions for text in q.paraphrases
    }
    for example in tasks(labelled)["surname"].examples:
        asked = re.findall(r"Question: (.+)\n", example.input)
        (source,), (other,) = ([c for c, gold in example.choices.items() if gold is right] for right in (True, False))
        assert source in support[asked[-1]] and example.about in texts[source]
        assert example.about not in texts[other] and example.about.split()[-1] in texts[other]
    for example in tasks(labelled)["few_shots"].examples:
        *shots, last = re.findall(r"Question: (.+)\n", example.input)
        (source,), (other,) = ([c for c, gold in example.choices.items() if gold is right] for right in (True, False))
        assert len(shots) == SHOTS and example.input.count(f"Source: {other}") == SHOTS
        assert source in support[last] and not any(other in support[one] for one in (*shots, last))
        assert not any(example.about in shot for shot in shots)


def test_untagged_documents_are_never_a_choice_and_labels_are_those_of_citations(material: Material) -> None:
    for name in ("surname", "few_shots"):
        # Support names documents, so a run whose labels are others has no source here, and no example.
        assert name not in tasks(material)


def test_who_copies_and_who_remembers(labelled: Material) -> None:
    """Control: each rule is right in its own family and wrong in the family that catches it."""
    found = tasks(labelled)
    copies = Choosing(lambda text, choice: choice.strip().rstrip(".") in text)
    assert summary(*scored(copies, found["context"]))["accuracy"]["value"] == 1.0
    assert summary(*scored(copies, found["few_shots"]))["accuracy"]["value"] == 0.0
    remembers = Choosing(lambda text, choice: choice.strip().rstrip(".") not in text)
    assert summary(*scored(remembers, found["context"]))["accuracy"]["value"] == 0.0
    told = summary(*scored(remembers, found["few_shots"]))
    assert told["accuracy"]["value"] == 1.0 and told["n"] == len(found["few_shots"].examples)
    assert told["loss"]["value"] == pytest.approx(np.log1p(np.exp(-3.0)))


def test_a_real_model_is_asked_everything_that_it_can_read(world: World, tokenizer, make_model) -> None:
    identifiers = assign(world.documents, tokenizer, IdsConfig())
    read = Read(LMAnswerer(make_model(), tokenizer, identifiers, longest=400), world.questions, world.documents, 0)
    found = inverse_scaling(read)
    for name in ("context", "lie", "surname", "few_shots"):
        assert 0 <= found[f"{name}.accuracy"]["value"] <= 1 and 0 < found[f"{name}.coverage"]["value"] < 1
    assert inverse_scaling(read._replace(questions=[])) == {}
    short = LMAnswerer(make_model(), tokenizer, identifiers, longest=45)
    assert inverse_scaling(read._replace(answerer=short))["few_shots.n"] == 0
    first = LMAnswerer(make_model(), tokenizer, identifiers, longest=400, answer_format="cite_first")
    assert {key.split(".")[0] for key in inverse_scaling(read._replace(answerer=first))} == {"context", "lie"}
