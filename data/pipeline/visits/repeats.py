"""Repeated data: a share of the visits goes to a few documents that come again and again, the rest come once.

In every pass over the corpus each document has one visit. Here a few documents take the visits of others, which are
never read, so that a pass is as long as ever: with `repeats.fraction` f and `repeats.times` R of N documents, f N / R
are shown R times a pass, f N (1 - 1 / R) are not shown, and (1 - f) N are shown once. What is measured on these last is
then what repeating others costs them, at equal tokens and equal visits. What a further visit looks like:

    exact        the same words in the same order, and the same identifier
    shuffled     the sentences in another order
    reworded     in another order and other wordings, as visits of all documents are
    new_id       exact, under an identifier of its own: that of the document whose place it takes
    several_ids  exact, under one of four identifiers

Repeated and left out documents are drawn from those that no question to tune on is about. The design is that of
Hernandez et al. 2022 (arXiv 2205.10487), where a fraction of the training tokens is a small subset repeated many times;
the last two kinds are repeats as several sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from configs.keys import PART, SEED, Section, at_least, key, one_of
from data.pipeline.placement import TagsConfig
from data.records import Document, Question
from data.stateless_rng import uniform

DRAWN = 80  # number of a draw
KINDS = ("exact", "shuffled", "reworded", "new_id", "several_ids")
IDS = 4  # identifiers of a document that has several


@dataclass
class RepeatsConfig(Section):
    """A few documents that are read again and again in place of others."""

    section: ClassVar[str] = "repeats"

    fraction: float = key(0.0, "share of the visits that go to repeated documents; 0 for none", PART)
    times: int = key(16, "how often each of them is read where others are read once", at_least(2))
    kind: str = key("exact", "what a further visit looks like (data/pipeline/visits/repeats.py)", one_of(*KINDS))
    seed: int = key(0, "draws these documents", SEED)

    def contradictions(self, path: str) -> Iterator[str]:
        if not self.fraction and self.kind != "exact":
            yield f"{path}.kind={self.kind} of no repeats: raise {path}.fraction, or set {path}.kind=exact"


@dataclass(frozen=True)
class Visit:
    """Whose text a visit shows, and under whose identifier: places in the corpus."""

    text: int
    named: int


@dataclass(frozen=True)
class Repeats:
    """Which documents are repeated, by their places in the corpus.

    Attributes:
        visits: of each repeated document, and of each that it takes the place of, what is shown there.
        names: the ids of all of these.
    """

    kind: str = "exact"
    visits: Mapping[int, Visit] = field(default_factory=dict)
    names: frozenset[str] = frozenset()

    @classmethod
    def draw(cls, config: RepeatsConfig, documents: Sequence[Document], questions: Iterable[Question]) -> Repeats:
        """Raises ValueError, naming the keys, where too few documents are free of questions to tune on."""
        if not config.fraction:
            return cls()
        taken = {name for q in questions if q.split in ("tune", "relabel") for name in q.documents}
        free = [i for i, d in enumerate(documents) if d.id not in taken and not d.metadata.get("untagged")]
        repeated = max(1, round(config.fraction * len(documents) / config.times))
        if repeated * config.times > len(free):
            raise ValueError(
                f"repeats.fraction={config.fraction} and repeats.times={config.times} take the visits of "
                f"{repeated * config.times} documents, and {len(free)} of {len(documents)} are tagged and free of "
                "questions to tune on: lower them, or give the corpus more such documents"
            )
        order = np.argsort(uniform(config.seed, DRAWN, np.array(free)), kind="stable")
        drawn = [free[i] for i in order.tolist()]
        visits: dict[int, Visit] = {}
        for number in range(repeated):
            own, others = drawn[number], drawn[repeated + number :: repeated][: config.times - 1]
            places = [own, *others]
            names = {"new_id": places, "several_ids": places[:IDS]}.get(config.kind, [own])
            visits |= {place: Visit(own, names[copy % len(names)]) for copy, place in enumerate(places)}
        return cls(config.kind, visits, frozenset(documents[i].id for i in visits))

    def tags(self, tags: TagsConfig) -> TagsConfig:
        """The tag policy of visits to repeated documents."""
        if self.kind == "reworded":
            return tags
        return replace(tags, reword=False, permute=tags.permute and self.kind == "shuffled")

    def asked(self, questions: Iterable[Question]) -> list[Question]:
        """Those on documents that are read once a pass: of others, either all or nothing was told."""
        return [question for question in questions if self.names.isdisjoint(question.documents)]
