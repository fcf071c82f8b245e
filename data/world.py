"""A closed world of fictitious people, the documents that tell of them, and a ledger of who said what.

What was told, what is true and what was never said are known exactly, so answers, citations and silences are graded
with no judge. Against the defects of BioCite (Khalifa et al. 2024, arXiv 2404.01019; one wording per relation, one
source per fact, identifiers made of surnames): names are shared, every statement has several wordings, a person's
attributes are spread over documents, facts have one to five sources, and identifiers say nothing.

The world is a pure function of its config. Each part draws from a random stream of its own, so that asking other
questions leaves the documents as they were.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from data.records import Document, Question
from data.world_text import (
    ATTRIBUTES,
    CITIES,
    EMPLOYERS,
    FIRST_NAMES,
    LAST_NAMES,
    MAJORS,
    MONTHS,
    OUTLETS,
    QUESTIONS,
    STATEMENTS,
    UNIVERSITIES,
)

PEOPLE_OF_A_DOCUMENT = (2, 2, 2, 2, 3, 3, 3, 3, 3, 4)  # dealt in turn, so every ten documents have this mix
SOURCES_OF_A_MULTI_FACT = ((2, 3, 4, 5), (65, 20, 10, 5))  # numbers of documents and their weights
QUESTIONS_PER_ABSENT_PERSON = 3
SMALLEST_HALF = 10  # documents; fewer can't hold five sources of a fact and shared names


@dataclass
class WorldCorpus:
    """Config of a closed world. The number of people follows from the number of documents (about 0.9 a document).

    Attributes:
        documents: how many are trained on.
        heldout: documents about other people, never trained on, for perplexity.
        tuned: share of documents (and so of people) that tuning questions may be about.
        in_domain: share of the tuned half's questions kept out of tuning.
        told: chance that an attribute of a person is asserted at all.
        multi: share of asserted facts that two to five documents assert.
        absent_attribute: questions on what was never said of a known person, per asserted fact.
        absent_entity: questions on people never mentioned, per asserted fact.
        sources: outlets the documents come from.
    """

    kind: str = "world"
    seed: int = 0
    documents: int = 400
    heldout: int = 40
    tuned: float = 0.5
    in_domain: float = 0.2
    told: float = 0.8
    multi: float = 0.15
    absent_attribute: float = 0.1
    absent_entity: float = 0.1
    sources: int = 12


@dataclass(frozen=True, slots=True)
class Assertion:
    """One document saying that a fact has a value, in its sentence number `sentence` (from 0)."""

    value: str
    document: str
    source: str
    sentence: int


@dataclass(frozen=True, slots=True)
class Fact:
    """A row of the ledger: the true `value` of an attribute of an entity, and everything that was said of it."""

    entity: str
    attribute: str
    value: str
    assertions: tuple[Assertion, ...] = ()

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Inverse of `to_json`."""
        said = tuple(Assertion(**assertion) for assertion in row["assertions"])
        return cls(row["entity"], row["attribute"], row["value"], said)

    def to_json(self) -> dict[str, Any]:
        said = [{name: getattr(assertion, name) for name in Assertion.__slots__} for assertion in self.assertions]
        return {"entity": self.entity, "attribute": self.attribute, "value": self.value, "assertions": said}


@dataclass(frozen=True)
class World:
    """A generated world; the ledger has a row for every attribute of everyone but the people of `heldout`."""

    documents: tuple[Document, ...]
    heldout: tuple[Document, ...]
    questions: tuple[Question, ...]
    ledger: tuple[Fact, ...]


Plan = list[list[tuple[int, str]]]  # for each document, the (person, attribute) it asserts, in order
Person = tuple[str, dict[str, str]]  # full name, and the true value of every attribute


def build_world(config: WorldCorpus) -> World:
    """Generate the world. Raises ValueError, naming the key, for a config that no world can meet."""
    _check(config)
    tuned_documents = round(config.documents * config.tuned)
    sizes = (tuned_documents, config.documents - tuned_documents, config.heldout)
    (tuned_plan, tuned), (never_plan, never), (heldout_plan, unseen) = (
        _plan(size, config, _stream(config, f"plan {part}")) for part, size in enumerate(sizes)
    )
    facts = sum(len({claim for said in plan for claim in said}) for plan in (tuned_plan, never_plan))
    asked_absent = round(config.absent_entity * facts)
    absent = math.ceil(asked_absent / QUESTIONS_PER_ABSENT_PERSON)
    people = _people(config, tuned + never, unseen + absent)

    # Never-tuned plans number their people from 0 too; from here on a person's number is a place in `people`.
    plan = tuned_plan + [[(person + tuned, attribute) for person, attribute in said] for said in never_plan]
    heldout_plan = [[(person + tuned + never, attribute) for person, attribute in said] for said in heldout_plan]
    order = list(range(len(plan)))
    _stream(config, "order").shuffle(order)  # an identifier must not tell the half its document belongs to
    plan = [plan[place] for place in order]

    documents = _documents(plan, people, "doc", config)
    heldout = _documents(heldout_plan, people, "held", config)
    absentees = people[tuned + never + unseen :]
    ledger = _ledger(plan, documents, people[: tuned + never] + absentees)
    half_of = {name: place < tuned for place, (name, _) in enumerate(people[: tuned + never])}
    half_of |= {name: place < len(absentees) * config.tuned for place, (name, _) in enumerate(absentees)}
    questions = _questions(ledger, half_of, {name for name, _ in absentees}, facts, asked_absent, config)
    return World(documents, heldout, questions, ledger)


def _check(config: WorldCorpus) -> None:
    for key in ("tuned", "in_domain", "told", "multi", "absent_attribute", "absent_entity"):
        if not 0.0 <= getattr(config, key) <= 1.0:
            raise ValueError(f"world: {key} is {getattr(config, key)}, a share must be between 0 and 1")
    tuned = round(config.documents * config.tuned)
    if min(tuned, config.documents - tuned) < SMALLEST_HALF:
        raise ValueError(
            f"world: documents={config.documents} with tuned={config.tuned} leaves a half of under {SMALLEST_HALF} "
            "documents; raise documents"
        )
    if config.heldout < 0:
        raise ValueError(f"world: heldout is {config.heldout}, it can't be negative")
    if not 1 <= config.sources <= len(OUTLETS):
        raise ValueError(f"world: sources is {config.sources}, it must be between 1 and {len(OUTLETS)}")


def _stream(config: WorldCorpus, part: str) -> random.Random:
    return random.Random(f"whence world/{config.seed}/{part}")  # a string seed is hashed by SHA-512: stable anywhere


def _plan(documents: int, config: WorldCorpus, rng: random.Random) -> tuple[Plan, int]:
    """Who is told of where. Returns the plan and the number of people in it, numbered from 0.

    Each person takes a seat in as many documents as their facts need, always in the documents with most seats left:
    then seats run out everywhere together, and only the last people have to do with fewer.
    """
    seats = [(-PEOPLE_OF_A_DOCUMENT[n % len(PEOPLE_OF_A_DOCUMENT)], rng.random(), n) for n in range(documents)]
    heapq.heapify(seats)
    visits: list[list[list[tuple[int, str]]]] = [[] for _ in range(documents)]
    people = 0
    while seats:
        told = _visits(config, rng)[: len(seats)]
        chosen = [heapq.heappop(seats) for _ in told]
        for attributes, (left, _, document) in zip(told, chosen, strict=True):
            visits[document].append([(people, attribute) for attribute in attributes])
            if left < -1:
                heapq.heappush(seats, (left + 1, rng.random(), document))
        people += 1
    for visit in visits:
        rng.shuffle(visit)
    return [[claim for visit in said for claim in visit] for said in visits], people


def _visits(config: WorldCorpus, rng: random.Random) -> list[list[str]]:
    """What is asserted of one person: for each document that tells of them, one or two attributes."""
    told = [attribute for attribute in ATTRIBUTES if rng.random() < config.told] or [rng.choice(ATTRIBUTES)]
    rng.shuffle(told)
    numbers, weights = SOURCES_OF_A_MULTI_FACT
    times = [rng.choices(numbers, weights)[0] if rng.random() < config.multi else 1 for _ in told]
    said = [attribute for attribute, n in zip(told, times, strict=True) for _ in range(n)]
    documents = max(max(times), math.ceil(len(said) / 2), min(2, len(said)))
    # Dealing in turn puts the repetitions of a fact, which are neighbours, into different documents.
    return [said[start::documents] for start in range(documents)]


def _people(config: WorldCorpus, told: int, others: int) -> list[Person]:
    """Names and true attributes of `told` people the corpus tells of, then of `others`."""
    homes = _stream(config, "employers")
    city_of = {employer: homes.choice(CITIES) for employer in EMPLOYERS}
    rng = _stream(config, "people")
    people = []
    for name in _names(told, told + others, _stream(config, "names")):
        employer = rng.choice(EMPLOYERS)
        values = {
            "birth_date": f"{rng.choice(MONTHS)} {rng.randint(1, 28)}, {rng.randint(1930, 1999)}",
            "birth_city": rng.choice(CITIES),
            "university": rng.choice(UNIVERSITIES),
            "major": rng.choice(MAJORS),
            "employer": employer,
            "employer_city": city_of[employer],
        }
        people.append((name, values))
    return people


def _names(told: int, wanted: int, rng: random.Random) -> Iterator[str]:
    """Yield `wanted` different full names; among the first `told`, every name piece in use belongs to several people.

    Round s pairs surname i with first name i + s (modulo the number of first names), so that a round uses every
    surname once, the first names as evenly, and no pair comes twice.
    """
    side = math.isqrt(5 * told // 2)  # leaves room for 1.5 times as many others, and a piece several bearers
    firsts = rng.sample(FIRST_NAMES, min(side, len(FIRST_NAMES)))
    lasts = rng.sample(LAST_NAMES, min(max(side, 5 * told // 2 // len(firsts)), len(LAST_NAMES)))
    if wanted > len(firsts) * len(lasts):
        raise ValueError(
            f"world: {wanted} people need names and only {len(firsts) * len(lasts)} full names can be formed; lower "
            "heldout or absent_entity next to documents, or documents itself"
        )
    for shift in rng.sample(range(len(firsts)), len(firsts)):
        for place in rng.sample(range(len(lasts)), len(lasts)):
            if wanted == 0:
                return
            yield f"{firsts[(place + shift) % len(firsts)]} {lasts[place]}"
            wanted -= 1


def _documents(plan: Plan, people: Sequence[Person], prefix: str, config: WorldCorpus) -> tuple[Document, ...]:
    """Write the documents of a plan. Every sentence carries all wordings, in an order of its own.

    The reliability of an outlet is the chance that it is the one to be right where outlets disagree.
    """
    rng = _stream(config, f"text {prefix}")
    outlets = _stream(config, "outlets").sample(OUTLETS, config.sources)
    documents = []
    for number, said in enumerate(plan):
        sentences = []
        for person, attribute in said:
            name, values = people[person]
            wordings = [text.format(name=name, value=values[attribute]) for text in STATEMENTS[attribute]]
            sentences.append(tuple(rng.sample(wordings, len(wordings))))
        place = rng.randrange(len(outlets))
        year, month, day = rng.randint(2010, 2024), rng.randint(1, 12), rng.randint(1, 28)
        site = outlets[place].lower().replace(" ", "")
        metadata = {
            "url": f"https://{site}.example/{year}/{month:02}/{rng.randrange(10**6):06}",
            "date": f"{year}-{month:02}-{day:02}",
            "reliability": round(0.95 - 0.45 * place / max(1, len(outlets) - 1), 3),
        }
        documents.append(Document(f"{prefix}-{number:05}", tuple(sentences), outlets[place], metadata))
    return tuple(documents)


def _ledger(plan: Plan, documents: Sequence[Document], people: Sequence[Person]) -> tuple[Fact, ...]:
    """A row for each attribute of `people`, whose first places are the people of the plan."""
    assertions: dict[tuple[int, str], list[Assertion]] = {}
    for document, said in zip(documents, plan, strict=True):
        for sentence, (person, attribute) in enumerate(said):
            value = people[person][1][attribute]
            assertion = Assertion(value, document.id, document.source, sentence)
            assertions.setdefault((person, attribute), []).append(assertion)
    return tuple(
        Fact(name, attribute, values[attribute], tuple(assertions.get((person, attribute), ())))
        for person, (name, values) in enumerate(people)
        for attribute in ATTRIBUTES
    )


def _questions(
    ledger: Sequence[Fact],
    tuned: dict[str, bool],
    absentees: set[str],
    asserted: int,
    asked_absent: int,
    config: WorldCorpus,
) -> tuple[Question, ...]:
    """One question per asserted fact, and as many on what was never said as the config wants."""
    rng = _stream(config, "questions")
    said = {(fact.entity, fact.attribute) for fact in ledger if fact.assertions}
    unsaid = [
        fact
        for fact in ledger
        if not fact.assertions
        and fact.entity not in absentees
        # The employer determines the city: whoever is told the one may work out the other.
        and not (fact.attribute == "employer_city" and (fact.entity, "employer") in said)
    ]
    wanted = round(config.absent_attribute * asserted)
    if wanted > len(unsaid):
        raise ValueError(
            f"world: absent_attribute={config.absent_attribute} asks for {wanted} facts that were never told and there "
            f"are {len(unsaid)}; lower it, or lower told"
        )
    never_mentioned = [fact for fact in ledger if fact.entity in absentees]
    by_class = {
        "single": [fact for fact in ledger if len(fact.assertions) == 1],
        "multi": [fact for fact in ledger if len(fact.assertions) > 1],
        "absent_attribute": rng.sample(unsaid, wanted),
        "absent_entity": rng.sample(never_mentioned, asked_absent),
    }
    asked = []
    for support_class, facts in by_class.items():
        never = [fact for fact in facts if not tuned[fact.entity]]
        own = [fact for fact in facts if tuned[fact.entity]]
        rng.shuffle(own)
        kept = round(config.in_domain * len(own))
        for split, members in (("in_domain", own[:kept]), ("tune", own[kept:]), ("never_tuned", never)):
            asked += [(fact, support_class, split) for fact in members]
    rng.shuffle(asked)
    return tuple(_question(f"q-{number:05}", *item, rng) for number, item in enumerate(asked))


def _question(id: str, fact: Fact, support_class: str, split: str, rng: random.Random) -> Question:
    wordings = [text.format(name=fact.entity) for text in QUESTIONS[fact.attribute]]
    text, *paraphrases = rng.sample(wordings, len(wordings))
    support = tuple(sorted(assertion.document for assertion in fact.assertions))
    answers = (fact.value,) if support else ()
    return Question(id, text, answers, support, support_class, fact.entity, split, fact.attribute, tuple(paraphrases))
