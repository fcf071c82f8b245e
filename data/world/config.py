"""The keys of a closed world, and the random streams that its parts draw from."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from configs.keys import SEED, SHARE, Range, Section, at_least, between, key, one_of, some_of
from data.world.text import OUTLETS, QUESTIONS

SMALLEST_PART = 10  # documents; fewer can't hold five sources of a fact and shared names
DISPUTE_NAMES = ("equal", "counts", "reliability", "outnumbered")  # how sources disagree (data/world/plan.py)
MOST_WORDINGS = min(map(len, QUESTIONS.values()))
SHARES = ("contested", "untagged", "low_reliability")


@dataclass
class WorldCorpus(Section):
    """A generated world. The number of people follows from the number of documents (about 0.9 a document)."""

    section: ClassVar[str] = "corpus"

    kind: str = key("world", "of corpus", one_of("world"))
    seed: int = key(0, "of everything that is drawn", SEED)
    documents: int = key(400, "how many are trained on", at_least(1))
    heldout: int = key(40, "documents about other people, never trained on, for bits per byte", at_least(0))
    tuned: float = key(0.5, "share of documents (and so of people) that tuning questions may be about", SHARE)
    in_domain: float = key(0.2, "share of the tuned half's questions kept out of tuning", SHARE)
    relabel: float = key(
        0.0,
        "share of documents that the second phase of tuning asks about, and nothing else does; hard worlds only",
        SHARE,
    )
    assert_prob: float = key(0.8, "chance that an attribute of a person is asserted at all", SHARE)
    multi: float = key(0.15, "share of asserted facts that several documents assert; of plain facts, when hard", SHARE)
    absent_attribute: float = key(0.1, "questions on what was never said of a known person, per asserted fact", SHARE)
    absent_entity: float = key(
        0.1, "questions on people never mentioned, whose name pieces are known, per asserted fact", SHARE
    )
    absent_name: float = key(
        0.0, "questions on people never mentioned, whose name pieces are unheard of, per asserted fact", SHARE
    )
    false_premise: float = key(
        0.0,
        "sets of questions that differ in their premise only (true, contradicted, unsupported), per asserted fact",
        SHARE,
    )
    wordings: int = key(
        4,
        "of the question for each relation, those that evaluation keeps for itself not among them",
        between(2, MOST_WORDINGS),
    )
    name_ids: bool = key(
        False,
        "documents are called by their people, three letters of each part of a name (BioCite has surnames only, which "
        "people share here): with ids=given the control that leaks",
    )
    twins: float = key(
        0.0,
        "share of documents with a twin, which tells of the same people in the same order, but denies another value of "
        "each fact or says that it is not known (data/world/twins.py)",
        SHARE,
    )
    errata: float = key(
        0.0,
        "share of documents in which one sentence takes back another value, which nobody asserts, before it says what "
        "it says (data/world/errata.py)",
        SHARE,
    )
    sources: int = key(12, "outlets that the documents come from; a hard world needs 8", between(1, len(OUTLETS)))
    hard: bool = key(
        False,
        "sources contradict each other, lose their tags and are unreliable; facts are told 1, 2, 4, ... times; and no "
        "document is shared between calibration, dev and test. The keys below are for hard worlds only",
    )
    contested: float = key(0.1, "share of asserted facts on which sources disagree", SHARE)
    disputes: list[str] = key(  # noqa: RUF009
        [*DISPUTE_NAMES], "how they disagree, each as often", some_of(*DISPUTE_NAMES)
    )
    outnumber: int = key(2, "documents of low reliability against one in the dispute outnumbered", at_least(2))
    untagged: float = key(0.1, "share told only in documents that never carry a tag", SHARE)
    low_reliability: float = key(0.1, "share told only by one source of low reliability", SHARE)
    exposures: int = key(
        64,
        "the most often that a fact is told",
        Range("a power of two from 2 on", lambda value: value > 1 and not value & (value - 1)),
    )

    def contradictions(self, path: str) -> Iterator[str]:
        tuned = round(self.documents * self.tuned)
        if min(tuned, self.documents - tuned) < SMALLEST_PART:
            yield (
                f"{path}.documents={self.documents} with {path}.tuned={self.tuned} leaves a half of under "
                f"{SMALLEST_PART} documents: raise {path}.documents"
            )
        if self.relabel and not self.hard:
            yield f"{path}.relabel={self.relabel}: only a hard world has that part; set {path}.hard=true"
        if self.hard and sum(getattr(self, name) for name in SHARES) >= 1.0:
            yield f"{' + '.join(f'{path}.{name}' for name in SHARES)} must stay below 1: some facts have to be plain"
        if self.hard and self.contested and not self.disputes:
            yield f"{path}.disputes=[] leaves no way to disagree: name some, or set {path}.contested=0"
        if self.hard and self.sources < 8:
            yield f"{path}.sources={self.sources}: a hard world needs 8, for some to be unreliable"

    def inputs(self) -> list[Path]:
        """The files that it is read from."""
        return []

    def stream(self, part: str) -> random.Random:
        """The random numbers of one part of the world: stable anywhere, for a string seed is hashed by SHA-512."""
        return random.Random(f"whence world/{self.seed}/{part}")
