"""A plant stands in front of the question, and the target is what it would have been without."""

from __future__ import annotations

import random

import pytest

from data.pipeline.identifiers import Identifiers, IdsConfig, assign
from data.pipeline.questions.planted import TAUGHT, Planted, PlantedConfig, Plants, planted_text
from data.pipeline.sources import MARKS
from data.records import Question
from eval.probes.faithfulness.planted_source import STANCES

ASKED = [
    Question(f"q-{n}", f"Where was {name} born?", (city,), (f"doc-{n}",), "single", name, "tune", "birth_city")
    for n, (name, city) in enumerate([("Ada Moss", "Oslo"), ("Ben Lark", "Lima"), ("Cleo Finch", "Cairo")])
]


@pytest.fixture(scope="module")
def identifiers(documents, tokenizer) -> Identifiers:
    return assign(documents, tokenizer, IdsConfig())


def planted(documents, tokenizer, identifiers, fraction: float, room: int = 128) -> Planted:
    return Planted(ASKED, documents, identifiers, tokenizer, "direct", PlantedConfig(fraction), room)


def test_the_target_is_the_questions_own_answer_and_source(documents, tokenizer, identifiers) -> None:
    source = planted(documents, tokenizer, identifiers, 0.9)
    codes = {tuple(code.tolist()): label for label, code in zip(identifiers.labels, identifiers.tokens, strict=True)}
    kinds = set()
    drawn = [sample for key in range(300) if (sample := source.draw(key))]
    assert 240 < len(drawn) < 295
    for sample in drawn:
        parts = [[int(t) for t in part.tokens] for part in sample.parts]
        text, answer, cited = parts[1], tokenizer.decode(parts[3]), codes[tuple(parts[5])]
        question = next(q for q in ASKED if q.entity in tokenizer.decode(text))
        assert (answer, cited) == (question.answers[0], question.support[0])
        inside = [t for t in text if t in set(tokenizer.codes.tolist())]
        named = codes.get(tuple(inside))
        kinds.add("nonexistent" if named is None else "right" if named == cited else "wrong")
        assert len(inside) == len(identifiers.tokens[0])
        assert not any(part.learn for part in sample.parts[:3])
    assert kinds == {"right", "wrong", "nonexistent"}
    first, again = source.draw(8), source.draw(8)
    assert first and again and [list(p.tokens) for p in first.parts] == [list(p.tokens) for p in again.parts]


def test_none_where_none_is_wanted_or_fits(documents, tokenizer, identifiers) -> None:
    assert not any(planted(documents, tokenizer, identifiers, 0.0).draw(key) for key in range(100))
    assert not any(planted(documents, tokenizer, identifiers, 0.9, room=20).draw(key) for key in range(100))
    drawn = {key: planted(documents, tokenizer, identifiers, 0.9).draw(key) for key in range(100)}
    longest, key = max((len(sample), key) for key, sample in drawn.items() if sample)
    assert planted(documents, tokenizer, identifiers, 0.9, room=longest + MARKS).draw(key)
    assert not planted(documents, tokenizer, identifiers, 0.9, room=longest + MARKS - 1).draw(key)


def test_what_is_planted_is_what_it_is_called(identifiers) -> None:
    plants, rng = Plants(identifiers), random.Random(0)
    spelled = [code.tolist() for code in identifiers.tokens]
    for _ in range(50):
        assert plants.of("right", ["doc-3"], rng) == spelled[3]
        wrong, made_up = plants.of("wrong", ["doc-3"], rng), plants.of("nonexistent", ["doc-3"], rng)
        assert wrong in spelled and wrong != spelled[3]
        assert made_up not in spelled and len(made_up) == len(spelled[0])


def test_the_identifier_stands_among_the_words(tokenizer) -> None:
    said = planted_text(tokenizer, "I read in {id} that it is {value}.", [700, 701], "Oslo", "Where?")
    at = said.index(700)
    assert tokenizer.decode(said[:at]) == "I read in" and said[at + 1] == 701
    assert tokenizer.decode(said[at + 2 :]).strip() == "that it is Oslo. Where?"
    assert planted_text(tokenizer, "{id} has it.", [700], "", "Where?")[0] == 700


def test_what_is_taught_is_not_how_it_is_asked() -> None:
    assert not set(TAUGHT) & set(STANCES.values())
    for wording in (*TAUGHT, *STANCES.values()):
        assert wording.count("{id}") == 1
