"""Errata: documents that take back what an earlier report said. Edited text rarely corrects itself; this does.

In a share of the documents one sentence says, in place of its statement, that another value of the fact was reported,
and what is so: "Correction: it was reported that Ada Moss was born in Lima. Ada Moss was born in Oslo." The value taken
back is one that nobody asserts and that is not true, so that the ledger is what it was, as are the questions.

A document's metadata has `erratum`, the number of that sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from data.records import Document
from data.world.config import WorldCorpus
from data.world.documents import Draft, Values
from data.world.people import Lives, Person
from data.world.plan import Asserted
from data.world.text import ERRATA, STATEMENTS
from data.world.twins import unsaid

ERRATUM = "erratum"


def with_errata(
    documents: Sequence[Document],
    plan: Sequence[Sequence[Asserted]],
    drafts: Sequence[Draft],
    people: Sequence[Person],
    values: Values,
    config: WorldCorpus,
) -> tuple[Document, ...]:
    """The documents, a share `config.errata` of them with one sentence that corrects; the others as they are."""
    order, rng, lives = list(range(len(documents))), config.stream("errata"), Lives(config)
    rng.shuffle(order)
    corrected = list(documents)
    for place in order[: round(config.errata * len(documents))]:
        number = rng.randrange(len(plan[place]))
        person, attribute, side = plan[place][number]
        name, truth = people[person]
        wrong = unsaid(lives, attribute, {truth[attribute], *values[person, attribute]}, rng)
        wordings = []
        for wording in drafts[place].orders[number]:
            statement = STATEMENTS[attribute][wording]
            denied, asserted = (
                statement.format(name=name, value=value) for value in (wrong, values[person, attribute][side])
            )
            wordings.append(rng.choice(ERRATA).format(wrong=_clause(denied), right=asserted))
        sentences = list(documents[place].sentences)
        sentences[number] = tuple(wordings)
        metadata = {**documents[place].metadata, ERRATUM: number}
        corrected[place] = replace(documents[place], sentences=tuple(sentences), metadata=metadata)
    return tuple(corrected)


def _clause(statement: str) -> str:
    """A statement as it stands within a sentence: without its full stop, and with a small "the"."""
    clause = statement.removesuffix(".")
    return "t" + clause[1:] if clause.startswith("The ") else clause
