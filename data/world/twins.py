"""Twins of documents: the same people in the same order, and nothing that answers a question.

A twin that says "other" denies another value of each fact of its document, one that says "nothing" tells that the
fact is not known; there is one of each in turn. So it shares names, relations and style with a source and asserts
nothing: whoever cites it has gone by the words. The ledger does not know of it. After the anti-documents of DataDignity
(arXiv 2605.05687), where facts are removed or replaced.

A twin's metadata has `twin`, the id of its document, and `says`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from data.records import Document
from data.world.config import WorldCorpus
from data.world.documents import Outlet, Values, make_drafts
from data.world.people import Lives, Person
from data.world.plan import Asserted
from data.world.text import DENIALS, SILENCES

TWIN, SAYS = "twin", "says"
OTHER, NOTHING = "other", "nothing"


def places_of_twins(documents: int, config: WorldCorpus) -> list[int]:
    """The places of the documents that have a twin, in the order in which their twins stand behind all documents."""
    order = list(range(documents))
    config.stream("twins").shuffle(order)
    return order[: round(config.twins * documents)]


def write_twins(
    plan: Sequence[Sequence[Asserted]],
    documents: Sequence[Document],
    ids: Sequence[str],
    people: Sequence[Person],
    values: Values,
    outlets: Sequence[Outlet],
    config: WorldCorpus,
) -> tuple[Document, ...]:
    """The twins of `documents`, each with what it was planned from and the id of its twin."""
    lives, rng = Lives(config), config.stream("texts of twins")
    drafts = make_drafts(
        [[(person, attribute, 0) for person, attribute, _ in said] for said in plan],
        ["plain"] * len(plan),
        "twin",
        outlets,
        config,
    )
    twins = []
    for number, (said, document, id, draft) in enumerate(zip(plan, documents, ids, drafts, strict=True)):
        says = (OTHER, NOTHING)[number % 2]
        sentences = []
        for person, attribute, _ in said:
            wordings = DENIALS[attribute] if says == OTHER else SILENCES[attribute]
            name, truth = people[person]
            value = unsaid(lives, attribute, {truth[attribute], *values[person, attribute]}, rng)
            sentences.append(tuple(text.format(name=name, value=value) for text in rng.sample(wordings, len(wordings))))
        metadata = {**draft.metadata, TWIN: document.id, SAYS: says}
        if "agreement" in document.metadata:  # a twin disputes nothing
            metadata["agreement"] = [1] * len(sentences)
        twins.append(Document(id, tuple(sentences), draft.outlet.name, metadata))
    return tuple(twins)


def unsaid(lives: Lives, attribute: str, said: set[str], rng: random.Random) -> str:
    """A value of the attribute that nobody says of this fact, and that is not true."""
    while (drawn := lives.draw(rng)[attribute]) in said:
        pass
    return drawn
