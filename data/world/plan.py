"""Who is told of in which document: the plan that the documents of a closed world are written from.

Documents are planned in parts that share neither document nor person, so that what is tuned on and what is tested on
are apart. A hard world has parts for tuning, its second phase, calibration, dev and test, and documents of three kinds:
plain, untagged, and of a source of low reliability. People are told of in all three, so that a name says nothing about
the kind.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from data.records import FOLDS
from data.world.config import SHARES, SMALLEST_PART, WorldCorpus
from data.world.text import ATTRIBUTES

PEOPLE_OF_A_DOCUMENT = (2, 2, 2, 2, 3, 3, 3, 3, 3, 4)  # dealt in turn, so every ten documents have this mix
SENTENCES_OF_A_DOCUMENT = (4, 4, 4, 5, 5, 5, 5, 6, 6, 6)  # likewise, in a hard world
MEAN_SENTENCES = sum(SENTENCES_OF_A_DOCUMENT) / len(SENTENCES_OF_A_DOCUMENT)
SOURCES_OF_A_MULTI_FACT = ((2, 3, 4, 5), (65, 20, 10, 5))  # numbers of documents and their weights
EXPOSURE_DECAY = 0.75  # in a hard world n documents tell of a multi fact with weight n ** -EXPOSURE_DECAY
KINDS = ("plain", "untagged", "low")
DISPUTES = {  # how sources disagree: the kind of each document that asserts the first value, and the second
    "equal": (("plain",), ("plain",)),
    "counts": (("plain", "plain"), ("plain",)),
    "reliability": (("plain",), ("low",)),
    "outnumbered": (("plain",), ("low",)),  # as many as the key outnumber says
}
# An employer gives its city away, so in a hard world the two are told together or not at all.
TOLD_TOGETHER = (("birth_date",), ("birth_city",), ("university",), ("major",), ("employer", "employer_city"))

Visit = list[tuple[str, int]]  # what one document says of one person: attributes, and which of their values
Asserted = tuple[int, str, int]  # a person, an attribute, and which of the values said of it: 0, or 1 for a rival


@dataclass
class Part:
    """Documents about people that no other part tells of.

    Attributes:
        name: tune, second, never_tuned (easy worlds) or one of `FOLDS` (hard ones), or heldout.
        plan: for each document what it asserts, in order.
        kinds: of each document, one of `KINDS`.
        people: how many; they are numbered from 0.
    """

    name: str
    plan: list[list[Asserted]]
    kinds: list[str]
    people: int


def plan_parts(config: WorldCorpus) -> list[Part]:
    """All parts of a world, heldout last. Raises ValueError, naming the key, for a part that is too small."""
    tuned = round(config.documents * config.tuned)
    heldout = _plan(config.heldout, config, config.stream("plan 2"))
    if not config.hard:
        halves = (_plan(size, config, config.stream(f"plan {n}")) for n, size in enumerate((tuned, _rest(config))))
        return [_easy(name, *half) for name, half in zip(("tune", "never_tuned"), halves, strict=True)] + [
            _easy("heldout", *heldout)
        ]
    ends = [round(_rest(config) * n / len(FOLDS)) for n in range(len(FOLDS) + 1)]
    second = {"relabel": round(config.documents * config.relabel)} if config.relabel else {}
    sizes = (
        {"tune": tuned} | second | {fold: end - start for fold, start, end in zip(FOLDS, ends, ends[1:], strict=False)}
    )
    return [_hard(name, size, config) for name, size in sizes.items()] + [_easy("heldout", *heldout)]


def _rest(config: WorldCorpus) -> int:
    return config.documents - round(config.documents * config.tuned) - round(config.documents * config.relabel)


def _easy(name: str, plan: list[list[tuple[int, str]]], people: int) -> Part:
    return Part(name, [[(*claim, 0) for claim in said] for said in plan], ["plain"] * len(plan), people)


def _plan(documents: int, config: WorldCorpus, rng: random.Random) -> tuple[list[list[tuple[int, str]]], int]:
    """An easy part. Returns the (person, attribute) of each document and the number of people, numbered from 0.

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
    told = [attribute for attribute in ATTRIBUTES if rng.random() < config.assert_prob] or [rng.choice(ATTRIBUTES)]
    rng.shuffle(told)
    numbers, weights = SOURCES_OF_A_MULTI_FACT
    times = [rng.choices(numbers, weights)[0] if rng.random() < config.multi else 1 for _ in told]
    said = [attribute for attribute, n in zip(told, times, strict=True) for _ in range(n)]
    documents = max(max(times), math.ceil(len(said) / 2), min(2, len(said)))
    # Dealing in turn puts the repetitions of a fact, which are neighbours, into different documents.
    return [said[start::documents] for start in range(documents)]


@dataclass
class Dealer:
    """Deals outcomes by weight as evenly as it can: at any time each was dealt its share, give or take one or two."""

    weights: Mapping[str, float]
    rng: random.Random
    dealt: Counter[str] = field(default_factory=Counter)

    def deal(self) -> str:
        total = self.dealt.total() + 1
        owed = {name: weight * total - self.dealt[name] + self.rng.random() for name, weight in self.weights.items()}
        chosen = max((name for name in owed if self.weights[name]), key=owed.__getitem__)
        self.dealt[chosen] += 1
        return chosen


class Facts:
    """Draws what is told of people, such that each relation is told, unsaid, contested, ... at the same shares."""

    def __init__(self, config: WorldCorpus, rng: random.Random) -> None:
        self.rng = rng
        share = {key: getattr(config, key) for key in SHARES}
        plain = 1.0 - sum(share.values())
        classes = {"single": plain * (1 - config.multi), "multi": plain * config.multi, **share}
        strata = [2**power for power in range(1, config.exposures.bit_length())]
        mass = sum(n**-EXPOSURE_DECAY for n in strata)
        self.told = {
            group: Dealer({"told": config.assert_prob, "unsaid": 1 - config.assert_prob}, rng)
            for group in map(" ".join, TOLD_TOGETHER)
        }
        self.classes = {attribute: Dealer(classes, rng) for attribute in ATTRIBUTES}
        self.exposures = Dealer({str(n): n**-EXPOSURE_DECAY / mass for n in strata}, rng)
        self.disputes = Dealer({name: 1 / len(config.disputes) for name in DISPUTES if name in config.disputes}, rng)
        self.outnumber = config.outnumber

    def visits(self) -> dict[str, list[Visit]]:
        """What is told of one person: for each kind of document, what each document says, one or two things."""
        groups = [group for group, dealer in self.told.items() if dealer.deal() == "told"]
        told = " ".join(groups or [self.rng.choice(list(self.told))]).split()
        self.rng.shuffle(told)
        said: dict[str, Visit] = {kind: [] for kind in KINDS}
        for attribute in told:
            for kind, value in self._documents(self.classes[attribute].deal()):
                said[kind].append((attribute, value))
        return {kind: _spread(claims) for kind, claims in said.items() if claims}

    def _documents(self, support_class: str) -> Iterable[tuple[str, int]]:
        """The kind of each document that asserts a fact of a class, and the value it asserts."""
        if support_class == "contested":
            dispute = self.disputes.deal()
            first, second = DISPUTES[dispute]
            sides = first, second * (self.outnumber if dispute == "outnumbered" else 1)
            return [(kind, value) for value, kinds in enumerate(sides) for kind in kinds]
        if support_class == "multi":
            return [("plain", 0)] * int(self.exposures.deal())
        return [({"single": "plain", "untagged": "untagged", "low_reliability": "low"}[support_class], 0)]


def _spread(claims: Visit) -> list[Visit]:
    """Deal claims to as few documents as can be, none with more than two and none with two of one attribute."""
    most = max(Counter(attribute for attribute, _ in claims).values())
    documents = max(most, math.ceil(len(claims) / 2))
    return [claims[start::documents] for start in range(documents)]


def _hard(name: str, documents: int, config: WorldCorpus) -> Part:
    """A hard part: people are told of until the documents are full, which are then shared out between the kinds."""
    rng = config.stream(f"plan {name}")
    facts = Facts(config, rng)
    people: list[dict[str, list[Visit]]] = []
    sentences: Counter[str] = Counter()
    while True:
        person = facts.visits()
        more = sentences + Counter({kind: sum(map(len, visits)) for kind, visits in person.items()})
        if sum(math.ceil(n / MEAN_SENTENCES) for n in more.values()) > documents:
            break
        people.append(person)
        sentences = more
    plan: list[list[Asserted]] = []
    kinds: list[str] = []
    for kind, size in _share_out(documents, sentences).items():
        told = [(number, person.get(kind, [])) for number, person in enumerate(people)]
        if documents < SMALLEST_PART or max(len(visits) for _, visits in told) > size:
            raise ValueError(
                f"{documents} documents, {size} of them {kind}, are too few for the part {name} of a hard world where "
                f"a fact is told {config.exposures} times: raise corpus.documents, or lower corpus.exposures"
            )
        plan += _seat(told, size, rng)
        kinds += [kind] * size
    return Part(name, plan, kinds, len(people))


def _share_out(documents: int, sentences: Mapping[str, int]) -> dict[str, int]:
    """How many documents are of each kind: in proportion to its sentences."""
    sizes = {kind: math.ceil(n / MEAN_SENTENCES) for kind, n in sentences.items()}
    while sizes and sum(sizes.values()) < documents:
        sizes[max(sizes, key=lambda kind: sentences[kind] / sizes[kind])] += 1
    return sizes


def _seat(told: Sequence[tuple[int, list[Visit]]], documents: int, rng: random.Random) -> list[list[Asserted]]:
    """Put each person's visits into as many documents, always those with most room left."""
    room = [(-SENTENCES_OF_A_DOCUMENT[n % len(SENTENCES_OF_A_DOCUMENT)], rng.random(), n) for n in range(documents)]
    heapq.heapify(room)
    visits: list[list[list[Asserted]]] = [[] for _ in range(documents)]
    # Whoever needs most documents chooses first; the others fill up what is left.
    for person, claims in sorted(told, key=lambda item: -len(item[1])):
        chosen = [heapq.heappop(room) for _ in claims]
        for said, (left, _, document) in zip(claims, chosen, strict=True):
            visits[document].append([(person, attribute, value) for attribute, value in said])
            heapq.heappush(room, (left + len(said), rng.random(), document))
    for visit in visits:
        rng.shuffle(visit)
    return [[claim for visit in said for claim in visit] for said in visits]
