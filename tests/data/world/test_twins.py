"""A twin tells of the same people and asserts nothing; without twins the world is what it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data.world.config import WorldCorpus
from data.world.text import DENIALS, QUESTIONS, SILENCES, STATEMENTS
from data.world.world import build_world

PLAIN = WorldCorpus(documents=60, heldout=2, multi=0.2)
HARD = WorldCorpus(documents=120, heldout=2, hard=True, exposures=2)


@pytest.mark.parametrize("config", [PLAIN, HARD], ids=["easy", "hard"])
def test_a_twin_has_the_people_of_its_document_and_none_of_its_values(config: WorldCorpus) -> None:
    world, before = build_world(replace(config, twins=0.5)), build_world(config)
    assert world.documents[: config.documents] == before.documents
    assert (world.questions, world.ledger, world.heldout) == (before.questions, before.ledger, before.heldout)
    twins = world.documents[config.documents :]
    assert len(twins) == config.documents // 2 and len({d.id for d in world.documents}) == len(world.documents)
    by_id = {d.id: d for d in before.documents}
    said = {(a.document, a.sentence): (fact, a.value) for fact in world.ledger for a in fact.assertions}
    values = {(f.entity, f.attribute): {f.value, *(a.value for a in f.assertions)} for f in world.ledger}
    kinds = [twin.metadata["says"] for twin in twins]
    assert kinds[:4] == ["other", "nothing", "other", "nothing"]
    for twin in twins:
        own = by_id[twin.metadata["twin"]]
        assert len(twin.sentences) == len(own.sentences) and not twin.metadata.get("untagged")
        for number, wordings in enumerate(twin.sentences):
            fact, _ = said[own.id, number]
            texts = DENIALS if twin.metadata["says"] == "other" else SILENCES
            assert len(wordings) == len(texts[fact.attribute])
            for wording in wordings:
                assert fact.entity in wording and not any(v in wording for v in values[fact.entity, fact.attribute])


def test_no_twin_says_what_a_statement_or_a_question_says() -> None:
    for texts in (DENIALS, SILENCES):
        assert texts.keys() == STATEMENTS.keys()
        for attribute, wordings in texts.items():
            assert len({*wordings}) == len(wordings) > 1
            assert not {*wordings} & {*STATEMENTS[attribute], *QUESTIONS[attribute]}
            assert all(w.count("{name}") == 1 and w.count("{value}") == (texts is DENIALS) for w in wordings)


def test_names_of_people_call_twins_too() -> None:
    world = build_world(replace(PLAIN, twins=0.3, name_ids=True))
    twin = world.documents[-1]
    assert twin.id.startswith(twin.metadata["twin"].rsplit("-", 1)[0]) and twin.id != twin.metadata["twin"]
