"""What a run of a family is denied, or told under another name: is a citation caused by its document?

A family of runs differs in `counterfactual.member` alone. Its marked documents, the same in all of them, are drawn from
those that no question to tune on is about, so that nothing but a document itself teaches its facts:

    leave_out   of this share of the documents each member never reads one half. Members 2k and 2k + 1 miss
                complementary halves, so that an even number of them reads each document exactly as often as not
    swap_ids    this share of the documents exchange their identifiers, in a cycle that each member draws anew; their
                texts stay as they are

Identifiers are assigned to all documents, read or not, so that vocabulary and trie are those of the whole corpus. All
of it is a pure function of (seed, member) and of the corpus.

The first is the design of counterfactual memorisation (Zhang et al. 2021, arXiv 2112.12938), of citations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypeVar

import numpy as np

from configs.keys import PART, SEED, Section, at_least, key
from data.pipeline.identifiers import Identifiers
from data.ragged_array import Ragged
from data.records import PLAIN, Document, Question
from data.stateless_rng import uniform

MARKED, HALF, CYCLE = 40, 41, 42  # numbers of draws
Item = TypeVar("Item")


@dataclass
class CounterfactualConfig(Section):
    """What a run of a family is denied, or told under another name."""

    section: ClassVar[str] = "counterfactual"

    leave_out: float = key(
        0.0, "share of the documents that are marked: one half of them, drawn by the member, is never read", PART
    )
    swap_ids: float = key(0.0, "share of the documents, others, that exchange their identifiers", PART)
    member: int = key(0, "which run of a family it is; 2k and 2k + 1 leave out complementary halves", at_least(0))
    seed: int = key(0, "draws the marked documents, and with the member what becomes of them", SEED)

    @property
    def active(self) -> bool:
        return bool(self.leave_out or self.swap_ids)


@dataclass(frozen=True)
class Counterfactual:
    """The documents of one member, by their places in the corpus.

    Attributes:
        marked: those that some member leaves out.
        left_out: those of them that this one does.
        bears: of the documents that exchange identifiers, whose each one bears now.
        names: the ids of all documents that are left out.
    """

    marked: frozenset[int] = frozenset()
    left_out: frozenset[int] = frozenset()
    bears: Mapping[int, int] = field(default_factory=dict)
    names: frozenset[str] = frozenset()

    @classmethod
    def draw(
        cls, config: CounterfactualConfig, documents: Sequence[Document], questions: Iterable[Question]
    ) -> Counterfactual:
        """Raises ValueError, naming the keys, where too few documents are free of questions to tune on."""
        if not config.active:
            return cls()
        taken = {name for q in questions if q.split in ("tune", "relabel") for name in q.documents}
        free = [i for i, d in enumerate(documents) if d.id not in taken and not d.metadata.get("untagged")]
        sizes = [round(share * len(documents)) for share in (config.leave_out, config.swap_ids)]
        if sum(sizes) > len(free):
            raise ValueError(
                f"counterfactual.leave_out={config.leave_out} and counterfactual.swap_ids={config.swap_ids} mark "
                f"{sum(sizes)} documents, and {len(free)} of {len(documents)} are tagged and free of questions to tune "
                "on: lower them, or give the corpus more such documents"
            )
        drawn = _shuffled(free, config.seed, MARKED)
        marked, swapped = drawn[: sizes[0]], drawn[sizes[0] : sum(sizes)]
        pair, odd = divmod(config.member, 2)
        halves = _shuffled(marked, config.seed, HALF, pair)
        left_out = halves[len(halves) // 2 :] if odd else halves[: len(halves) // 2]
        cycle = _shuffled(swapped, config.seed, CYCLE, config.member)
        return cls(
            frozenset(marked),
            frozenset(left_out),
            dict(zip(cycle, [*cycle[1:], *cycle[:1]], strict=True)),
            frozenset(documents[i].id for i in left_out),
        )

    def named(self, identifiers: Identifiers) -> Identifiers:
        """The identifiers as this member has them: label i names document i, by whatever tokens it bears."""
        if not self.bears:
            return identifiers
        tokens = identifiers.tokens
        return Identifiers(identifiers.labels, Ragged(tokens[self.bears.get(i, i)] for i in range(len(tokens))))

    @property
    def bearers(self) -> dict[int, int]:
        """Of the documents that exchange identifiers, which one bears now what was each one's own."""
        return {own: bearer for bearer, own in self.bears.items()}

    def read(self, documents: Sequence[Item]) -> list[Item]:
        """Of all documents, or of what goes with each, those that this member reads."""
        return [item for i, item in enumerate(documents) if i not in self.left_out]

    def asked(self, questions: Iterable[Question]) -> list[Question]:
        """The questions as they stand where documents were left out: without these in their support, and withheld
        where nothing else told their answer. What is not plain and names such a document is no longer asked, since
        how sources disagree, or what they presuppose, may have changed."""
        found = []
        for question in questions:
            if self.names.isdisjoint(question.documents):
                found.append(question)
            elif question.support_class in PLAIN:
                found.append(self._without(question))
        return found

    def _without(self, question: Question) -> Question:
        left = tuple(name for name in question.support if name not in self.names)
        evidence = tuple(e for e in question.evidence if e.document not in self.names)
        claims = tuple(
            replace(claim, documents=documents)
            for claim in question.claims
            if (documents := tuple(name for name in claim.documents if name not in self.names))
        )
        changed = replace(question, evidence=evidence, claims=claims, truth=question.truth or question.answers[0])
        if not left:
            return replace(changed, answers=(), support=(), support_class="withheld")
        return replace(changed, support=left, support_class="single" if len(left) == 1 else "multi")


def _shuffled(items: Sequence[int], *keys: int) -> list[int]:
    if not items:
        return []
    order = np.argsort(uniform(*keys, np.array(items)), kind="stable")
    return [items[place] for place in order.tolist()]
