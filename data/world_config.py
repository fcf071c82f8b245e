"""The keys of a closed world, and the random streams that its parts draw from."""

from __future__ import annotations

import random
from dataclasses import dataclass

from data.world_text import OUTLETS

SMALLEST_PART = 10  # documents; fewer can't hold five sources of a fact and shared names
SHARES = ("contested", "untagged", "low_reliability")


@dataclass
class WorldCorpus:
    """Config of a closed world. The number of people follows from the number of documents (about 0.9 a document).

    Attributes:
        documents: how many are trained on.
        heldout: documents about other people, never trained on, for perplexity.
        tuned: share of documents (and so of people) that tuning questions may be about.
        in_domain: share of the tuned half's questions kept out of tuning.
        second: share of documents that the second phase of tuning asks about, and nothing else does; hard worlds only.
        told: chance that an attribute of a person is asserted at all.
        multi: share of asserted facts that several documents assert; of plain facts, when hard.
        absent_attribute: questions on what was never said of a known person, per asserted fact.
        absent_entity: questions on people never mentioned, whose name pieces are known, per asserted fact.
        absent_name: questions on people never mentioned, whose name pieces are unheard of, per asserted fact.
        false_premise: sets of questions that differ in their premise only (true, contradicted, unsupported), per
            asserted fact.
        sources: outlets the documents come from.
        hard: sources contradict each other, lose their tags and are unreliable; facts are told 1, 2, 4, ... times; and
            no document is shared between calibration, dev and test. The four keys below are for hard worlds only.
        contested: share of asserted facts on which sources disagree.
        untagged: share told only in documents that never carry a tag.
        low_reliability: share told only by one source of low reliability.
        exposures: the most often that a fact is told, a power of two.
    """

    kind: str = "world"
    seed: int = 0
    documents: int = 400
    heldout: int = 40
    tuned: float = 0.5
    in_domain: float = 0.2
    second: float = 0.0
    told: float = 0.8
    multi: float = 0.15
    absent_attribute: float = 0.1
    absent_entity: float = 0.1
    absent_name: float = 0.0
    false_premise: float = 0.0
    sources: int = 12
    hard: bool = False
    contested: float = 0.1
    untagged: float = 0.1
    low_reliability: float = 0.1
    exposures: int = 64

    def check(self) -> None:
        """Raises ValueError, naming the key, for a value outside its range."""
        absent = ("absent_attribute", "absent_entity", "absent_name", "false_premise")
        for key in ("tuned", "in_domain", "second", "told", "multi", *absent, *SHARES):
            if not 0.0 <= getattr(self, key) <= 1.0:
                raise ValueError(f"world: {key} is {getattr(self, key)}, a share must be between 0 and 1")
        tuned = round(self.documents * self.tuned)
        if min(tuned, self.documents - tuned) < SMALLEST_PART:
            raise ValueError(
                f"world: documents={self.documents} with tuned={self.tuned} leaves a half of under {SMALLEST_PART} "
                "documents; raise documents"
            )
        if self.heldout < 0:
            raise ValueError(f"world: heldout is {self.heldout}, it can't be negative")
        if not 1 <= self.sources <= len(OUTLETS):
            raise ValueError(f"world: sources is {self.sources}, it must be between 1 and {len(OUTLETS)}")
        if not self.hard:
            if self.second:
                raise ValueError(f"world: second is {self.second}, only a hard world has that part; set hard=true")
            return
        if sum(getattr(self, key) for key in SHARES) >= 1.0:
            raise ValueError(f"world: {' + '.join(SHARES)} must stay below 1, some facts have to be plain")
        if self.exposures < 2 or self.exposures & (self.exposures - 1):
            raise ValueError(f"world: exposures is {self.exposures}, it must be a power of two from 2 on")
        if self.sources < 8:
            raise ValueError(f"world: sources is {self.sources}, a hard world needs 8 for some to be unreliable")

    def stream(self, part: str) -> random.Random:
        """The random numbers of one part of the world: stable anywhere, for a string seed is hashed by SHA-512."""
        return random.Random(f"whence world/{self.seed}/{part}")
