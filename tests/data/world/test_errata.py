"""Errata take back what nobody says, and say what they said; nothing else of the world is another."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from data.world.config import WorldCorpus
from data.world.text import ERRATA, STATEMENTS
from data.world.world import build_world

PLAIN = WorldCorpus(documents=60, heldout=2, multi=0.2)
HARD = WorldCorpus(documents=120, heldout=2, hard=True, exposures=2, low_reliability=0.2)


@pytest.mark.parametrize("config", [PLAIN, HARD], ids=["easy", "hard"])
def test_one_sentence_of_a_share_corrects(config: WorldCorpus) -> None:
    world, before = build_world(replace(config, errata=0.25)), build_world(config)
    assert (world.questions, world.ledger, world.heldout) == (before.questions, before.ledger, before.heldout)
    changed = [(a, b) for a, b in zip(world.documents, before.documents, strict=True) if a != b]
    assert len(changed) == config.documents // 4
    said = {(a.document, a.sentence): (fact, a.value) for fact in world.ledger for a in fact.assertions}
    values = {(f.entity, f.attribute): {f.value, *(a.value for a in f.assertions)} for f in world.ledger}
    for document, plain in changed:
        number = document.metadata["erratum"]
        assert [i for i, (a, b) in enumerate(zip(document.sentences, plain.sentences, strict=True)) if a != b] == [
            number
        ]
        assert {k: v for k, v in document.metadata.items() if k != "erratum"} == plain.metadata
        fact, value = said[document.id, number]
        for wording, as_it_was in zip(document.sentences[number], plain.sentences[number], strict=True):
            assert wording.endswith(f". {as_it_was}") and value in as_it_was
            taken_back = wording.removesuffix(f". {as_it_was}")
            assert fact.entity in taken_back
            assert not any(re.search(rf"\b{re.escape(v)}\b", taken_back) for v in values[fact.entity, fact.attribute])
    assert all("erratum" not in document.metadata for document in before.documents)


def test_what_is_taken_back_stands_within_its_sentence() -> None:
    world = build_world(replace(PLAIN, errata=1.0))
    texts = [w for d in world.documents for w in d.sentences[d.metadata["erratum"]]]
    assert not [text for text in texts if re.search(r" (that|had) (The|It) ", text) or re.search(r"\.[,.]", text)]
    starts = {text.split()[0] for text in texts}
    assert starts == {form.split()[0] for form in ERRATA} and len(STATEMENTS) == 6
