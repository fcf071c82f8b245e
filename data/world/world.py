"""A closed world of fictitious people, the documents that tell of them, and a ledger of who said what.

What was told, what is true and what was never said are known exactly, so answers, citations and silences are graded
with no judge. Against the defects of BioCite (Khalifa et al. 2024, arXiv 2404.01019; one wording per relation, one
source per fact, identifiers made of surnames): names are shared, every statement has several wordings, a person's
attributes are spread over documents, facts have one to five sources, and identifiers say nothing. A hard world adds
what makes doubt and silence the right behaviour: see `WorldCorpus`.

The world is a pure function of its config. Each part draws from a random stream of its own, so that asking other
questions leaves the documents as they were.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from data.records import FOLDS, Document, Question
from data.world.config import WorldCorpus
from data.world.documents import document_ids, make_drafts, make_outlets, values_said, write_documents, write_ledger
from data.world.errata import with_errata
from data.world.ledger import Assertion, Fact
from data.world.people import make_people, make_strangers
from data.world.plan import Asserted, Part, plan_parts
from data.world.questions import make_questions
from data.world.twins import places_of_twins, write_twins

__all__ = ["Assertion", "Fact", "World", "WorldCorpus", "build_world"]

QUESTIONS_PER_ABSENT_PERSON = 3
Side = tuple[str, str]  # tune or never_tuned, and the fold in the latter


@dataclass(frozen=True)
class World:
    """A generated world, twins of documents behind them.

    The ledger has a row for every attribute of everyone but the people of `heldout`.
    """

    documents: tuple[Document, ...]
    heldout: tuple[Document, ...]
    questions: tuple[Question, ...]
    ledger: tuple[Fact, ...]


def build_world(config: WorldCorpus) -> World:
    """Generate the world. Raises ValueError, naming the key, for a config that no world can meet."""
    config.check()
    *parts, unseen = plan_parts(config)
    asserted = sum(len({claim[:2] for said in part.plan for claim in said}) for part in parts)
    told = sum(part.people for part in parts)
    absent, strange = (
        math.ceil(round(share * asserted) / QUESTIONS_PER_ABSENT_PERSON)
        for share in (config.absent_entity, config.absent_name)
    )
    people = make_people(config, told, unseen.people + absent)
    unseen_people, absentees = people[told : told + unseen.people], people[told + unseen.people :]
    people = people[:told]
    strangers = make_strangers(config, _sides_of_others(strange, config))

    documents_plan, kinds = _joined(parts, config)
    outlets = make_outlets(config)
    drafts = make_drafts(documents_plan, kinds, "doc", outlets, config)
    values = values_said(documents_plan, drafts, people, config)
    twinned = places_of_twins(len(documents_plan), config)
    twins_plan = [documents_plan[place] for place in twinned]
    names = document_ids([*documents_plan, *twins_plan], people, "doc", config.name_ids)
    documents = write_documents(documents_plan, drafts, people, values, names[: len(documents_plan)])
    documents = with_errata(documents, documents_plan, drafts, people, values, config)
    of_twins = [documents[place] for place in twinned], names[len(documents_plan) :]
    twins = write_twins(twins_plan, *of_twins, people, values, outlets, config)
    heldout_drafts = make_drafts(unseen.plan, unseen.kinds, "held", outlets, config)
    heldout_values = values_said(unseen.plan, heldout_drafts, unseen_people, config)
    unseen_names = document_ids(unseen.plan, unseen_people, "held", False)
    heldout = write_documents(unseen.plan, heldout_drafts, unseen_people, heldout_values, unseen_names)

    ledger = write_ledger(documents_plan, documents, values, people + absentees)
    sides = [*_sides(parts), *_sides_of_others(absent, config), *_sides_of_others(strange, config)]
    side_of = {name: side for (name, _), side in zip((*people, *absentees, *strangers), sides, strict=True)}
    questions = make_questions(ledger, write_ledger([], [], {}, strangers), side_of, config)
    return World(documents + twins, heldout, questions, ledger)


def _joined(parts: Sequence[Part], config: WorldCorpus) -> tuple[list[list[Asserted]], list[str]]:
    """The parts as one plan with the kinds of its documents, people numbered through; in an order of their own, since
    an identifier must not tell the part its document belongs to."""
    plan: list[list[Asserted]] = []
    start = 0
    for part in parts:
        plan += [[(start + person, attribute, value) for person, attribute, value in said] for said in part.plan]
        start += part.people
    kinds = [kind for part in parts for kind in part.kinds]
    order = list(range(len(plan)))
    config.stream("order").shuffle(order)
    return [plan[place] for place in order], [kinds[place] for place in order]


def _sides(parts: Iterable[Part]) -> Iterator[Side]:
    """The side of every person told of. Where documents are not planned by fold, people are dealt to folds in turn."""
    for part in parts:
        for person in range(part.people):
            if part.name in ("tune", "relabel"):
                yield part.name, ""
            else:
                yield "never_tuned", part.name if part.name in FOLDS else FOLDS[person % len(FOLDS)]


def _sides_of_others(people: int, config: WorldCorpus) -> list[Side]:
    """The side of each of `people` who are never mentioned."""
    tuned, second = people * config.tuned, people * (config.tuned + config.relabel)
    return [
        ("tune", "") if n < tuned else ("relabel", "") if n < second else ("never_tuned", FOLDS[n % len(FOLDS)])
        for n in range(people)
    ]
