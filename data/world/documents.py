"""From a plan to documents: outlets, reliabilities, what is said where sources are wrong, and wordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.records import Document
from data.world.config import WorldCorpus
from data.world.ledger import RELIABLE, Assertion, Fact
from data.world.people import Lives, Person
from data.world.plan import KINDS, Asserted
from data.world.text import ATTRIBUTES, OUTLETS, STATEMENTS

LOW_RELIABILITIES = (0.55, 0.7, 0.85)  # of every fourth outlet of a hard world; the others have HIGH_RELIABILITY
HIGH_RELIABILITY = 0.95

Values = Mapping[tuple[int, str], tuple[str, ...]]  # what is said of a person's attribute: one value, or two rivals


@dataclass(frozen=True)
class Outlet:
    """A source; its reliability is the chance to be right where sources disagree, or where it is a low one's alone."""

    name: str
    reliability: float


@dataclass(frozen=True)
class Draft:
    """A document but for its text: for each sentence the order of its wordings."""

    orders: tuple[tuple[int, ...], ...]
    outlet: Outlet
    metadata: Mapping[str, Any]


def make_outlets(config: WorldCorpus) -> list[Outlet]:
    names = config.stream("outlets").sample(OUTLETS, config.sources)
    if not config.hard:
        return [
            Outlet(name, round(0.95 - 0.45 * place / max(1, len(names) - 1), 3)) for place, name in enumerate(names)
        ]
    low = iter(range(len(names)))
    return [
        Outlet(
            name,
            LOW_RELIABILITIES[next(low) % len(LOW_RELIABILITIES)] if place % 4 == 3 else HIGH_RELIABILITY,
        )
        for place, name in enumerate(names)
    ]


def make_drafts(
    plan: Sequence[Sequence[Asserted]],
    kinds: Sequence[str],
    prefix: str,
    outlets: Sequence[Outlet],
    config: WorldCorpus,
) -> list[Draft]:
    """Who publishes each document and when. Documents that contradict each other come from different outlets.

    Raises ValueError when there are not enough outlets for that.
    """
    rng = config.stream(f"text {prefix}")
    rivals = _rivals(plan)
    fit = {
        kind: [o for o in outlets if not config.hard or (o.reliability < RELIABLE) == (kind == "low")] for kind in KINDS
    }
    drafts: list[Draft] = []
    for number, (said, kind) in enumerate(zip(plan, kinds, strict=True)):
        orders = tuple(tuple(rng.sample(range(n), n)) for n in (len(STATEMENTS[attribute]) for _, attribute, _ in said))
        taken = {drafts[other].outlet for other in rivals[number] if other < number}
        free = [outlet for outlet in fit[kind] if outlet not in taken]
        if not free:
            raise ValueError(f"corpus.sources={config.sources} are too few for documents that contradict each other")
        outlet = rng.choice(free)
        year, month, day = rng.randint(2010, 2024), rng.randint(1, 12), rng.randint(1, 28)
        site = outlet.name.lower().replace(" ", "")
        metadata: dict[str, Any] = {
            "url": f"https://{site}.example/{year}/{month:02}/{rng.randrange(10**6):06}",
            "date": f"{year}-{month:02}-{day:02}",
            "reliability": outlet.reliability,
        }
        if kind == "untagged":
            metadata["untagged"] = True
        drafts.append(Draft(orders, outlet, metadata))
    return drafts


def values_said(
    plan: Sequence[Sequence[Asserted]], drafts: Sequence[Draft], people: Sequence[Person], config: WorldCorpus
) -> Values:
    """What is said of each fact: the truth, but for what is contested or told by a source of low reliability.

    Where two values rival, the first is true with the odds of exactly one side being right, r1 (1 - r2) : r2 (1 - r1)
    at the best reliabilities of the two sides. What only a source of reliability r < RELIABLE tells is true with
    probability r.
    """
    lives, rng = Lives(config), config.stream("beliefs")
    sources: dict[tuple[int, str], tuple[list[float], list[float]]] = {}
    for said, draft in zip(plan, drafts, strict=True):
        for person, attribute, side in said:
            sources.setdefault((person, attribute), ([], []))[side].append(draft.outlet.reliability)
    values: dict[tuple[int, str], tuple[str, ...]] = {}
    for (person, attribute), (first, second) in sorted(sources.items()):
        truth = people[person][1][attribute]
        if second:
            other = lives.other(attribute, truth, rng)
            one, two = max(first) * (1 - max(second)), max(second) * (1 - max(first))
            values[person, attribute] = (truth, other) if rng.random() < one / (one + two) else (other, truth)
        elif config.hard and max(first) < RELIABLE and rng.random() >= max(first):
            values[person, attribute] = (lives.other(attribute, truth, rng),)
        else:
            values[person, attribute] = (truth,)
    return values


def document_ids(plan: Sequence[Sequence[Asserted]], people: Sequence[Person], prefix: str, names: bool) -> list[str]:
    """The documents' ids: numbers, or three letters of both names of each person in the order in which they are told
    of, with a number where that is taken. Khalifa et al. 2024 (arXiv 2404.01019) have the surnames only."""
    if not names:
        return [f"{prefix}-{number:05}" for number in range(len(plan))]
    taken: Counter[str] = Counter()
    ids = []
    for said in plan:
        told = dict.fromkeys(piece[:3].lower() for person, *_ in said for piece in people[person][0].split())
        name = "-".join(told)
        taken[name] += 1
        ids.append(name if taken[name] == 1 else f"{name}-{taken[name]}")
    return ids


def write_documents(
    plan: Sequence[Sequence[Asserted]],
    drafts: Sequence[Draft],
    people: Sequence[Person],
    values: Values,
    ids: Sequence[str],
) -> tuple[Document, ...]:
    """Every sentence carries all wordings, in an order of its own.

    Where some are disputed, `agreement` in each document's metadata says of each sentence whether it agrees with the
    most reliable source of its fact, 1, or not, 0: what was said decides, not what is true.
    """
    best: dict[tuple[int, str], list[float]] = {}
    for said, draft in zip(plan, drafts, strict=True):
        for person, attribute, side in said:
            most = best.setdefault((person, attribute), [0.0, 0.0])
            most[side] = max(most[side], draft.outlet.reliability)
    disputed = any(side for said in plan for _, _, side in said)
    documents = []
    for id, said, draft in zip(ids, plan, drafts, strict=True):
        sentences = []
        for (person, attribute, side), order in zip(said, draft.orders, strict=True):
            wordings = [
                text.format(name=people[person][0], value=values[person, attribute][side])
                for text in STATEMENTS[attribute]
            ]
            sentences.append(tuple(wordings[place] for place in order))
        agreement = [
            int(best[person, attribute][side] == max(best[person, attribute])) for person, attribute, side in said
        ]
        metadata = {**draft.metadata, "agreement": agreement} if disputed else draft.metadata
        documents.append(Document(id, tuple(sentences), draft.outlet.name, metadata))
    return tuple(documents)


def write_ledger(
    plan: Sequence[Sequence[Asserted]], documents: Sequence[Document], values: Values, people: Sequence[Person]
) -> tuple[Fact, ...]:
    """A row for each attribute of `people`, whose first places are the people of the plan."""
    assertions: dict[tuple[int, str], list[Assertion]] = {}
    for document, said in zip(documents, plan, strict=True):
        for sentence, (person, attribute, side) in enumerate(said):
            assertion = Assertion(
                values[person, attribute][side],
                document.id,
                document.source,
                sentence,
                document.metadata["reliability"],
                not document.metadata.get("untagged", False),
            )
            assertions.setdefault((person, attribute), []).append(assertion)
    return tuple(
        Fact(name, attribute, truth[attribute], tuple(assertions.get((person, attribute), ())))
        for person, (name, truth) in enumerate(people)
        for attribute in ATTRIBUTES
    )


def _rivals(plan: Sequence[Sequence[Asserted]]) -> list[set[int]]:
    """For each document those that assert the other value of a fact."""
    sides: dict[tuple[int, str], tuple[set[int], set[int]]] = {}
    for number, said in enumerate(plan):
        for person, attribute, side in said:
            sides.setdefault((person, attribute), (set(), set()))[side].add(number)
    rivals: list[set[int]] = [set() for _ in plan]
    for first, second in sides.values():
        for number in first:
            rivals[number] |= second
        for number in second:
            rivals[number] |= first
    return rivals
