"""Which disputes a hard world has, and what its documents say of themselves."""

from __future__ import annotations

from collections import Counter

import pytest

from data.world.config import DISPUTE_NAMES
from data.world.ledger import RELIABLE
from data.world.plan import DISPUTES
from data.world.world import WorldCorpus, build_world


def world(**settings: object) -> WorldCorpus:
    return WorldCorpus(documents=240, hard=True, exposures=4, contested=0.3, **settings)  # type: ignore[arg-type]


def test_an_unreliable_majority_and_nothing_else() -> None:
    built = build_world(world(disputes=["outnumbered"], outnumber=3))
    contested = [fact for fact in built.ledger if fact.support_class() == "contested"]
    assert len(contested) > 60
    for fact in contested:
        best, worse = fact.claims
        assert fact.dispute == "outnumbered"
        assert (len(best.documents), len(worse.documents)) == (1, 3)
        assert (worse.reliability or 0) < RELIABLE <= (best.reliability or 0)


def test_agreement_is_with_the_best_source_of_each_sentence() -> None:
    built = build_world(world())
    by_id = {document.id: document for document in built.documents}
    told: Counter[tuple[str, int]] = Counter()
    for fact in built.ledger:
        best = max((a.reliability for a in fact.assertions), default=0)
        values = {a.value for a in fact.assertions if a.reliability == best}
        for said in fact.assertions:
            assert by_id[said.document].metadata["agreement"][said.sentence] == (said.value in values)
            told[said.document, said.sentence] += 1
    assert len(told) == sum(len(document.sentences) for document in built.documents)


def test_the_names_of_disputes_are_those_of_the_plan() -> None:
    assert tuple(DISPUTES) == DISPUTE_NAMES
    with pytest.raises(ValueError, match=r"corpus\.disputes=\[\] leaves no way to disagree"):
        world(disputes=[]).check()
