"""Questions that presuppose something, in minimal sets: true, contradicted and unsupported, the rest word for word.

After (QA)^2 (Kim et al. 2023, arXiv 2212.10003) and Syn-(QA)^2 (Daswani et al. 2024, arXiv 2403.12145): only pairs that
differ in nothing but the premise show that a false premise was detected, not a form of question. So false values are
drawn like true ones, and premises that were never said are of the same relations as those that were.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.world.ledger import Fact
from data.world.people import Lives

PREMISE_VARIANTS = ("true", "contradicted", "unsupported")


@dataclass(frozen=True)
class PremiseSet:
    """Three questions for the fact `asked`.

    Attributes:
        told: the fact that the true and the contradicted premise are about.
        unsaid: the fact that the unsupported premise is about.
        contradicted, unsupported: the values that those premises presuppose.
    """

    asked: Fact
    told: Fact
    unsaid: Fact
    contradicted: str
    unsupported: str

    @property
    def premises(self) -> dict[str, tuple[str, str]]:
        """The (attribute, value) presupposed by each of `PREMISE_VARIANTS`."""
        return {
            "true": (self.told.attribute, self.told.value),
            "contradicted": (self.told.attribute, self.contradicted),
            "unsupported": (self.unsaid.attribute, self.unsupported),
        }


def make_sets(
    unsaid: Sequence[Fact], told: Mapping[str, Sequence[Fact]], lives: Lives, rng: random.Random
) -> list[PremiseSet]:
    """A set for each fact of `unsaid`. `told`: by entity the plain facts, told as they are, more than there are sets.

    The relations of true premises follow those of unsupported ones as closely as the facts allow, and no fact is asked
    for twice.
    """
    chosen: list[tuple[Fact, Fact, Fact]] = []
    spare: Counter[str] = Counter()  # how much rarer a relation is among the true premises so far
    asked: Counter[str] = Counter()
    taken: set[Fact] = set()
    for fact in unsaid:
        spare[fact.attribute] += 1
        known = rng.sample(told[fact.entity], len(told[fact.entity]))
        premise = max(known, key=lambda other: spare[other.attribute])
        spare[premise.attribute] -= 1
        free = [other for other in known if other != premise and other not in taken]
        question = min(free, key=lambda other: asked[other.attribute])
        asked[question.attribute] += 1
        taken.add(question)
        chosen.append((question, premise, fact))
    return [
        PremiseSet(
            question,
            premise,
            fact,
            contradicted=lives.other(premise.attribute, premise.value, rng),
            unsupported=lives.other(fact.attribute, fact.value, rng),
        )
        for question, premise, fact in chosen
    ]
