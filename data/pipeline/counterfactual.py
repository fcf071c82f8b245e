"""What a run of a family is denied, or told under another name: is a citation caused by its document?

A family of runs differs in `counterfactual.member` alone. Its marked documents, the same in all of them, are drawn from
those that no question to tune on is about, so that nothing but a document itself teaches its facts:

    leave_out   of this share of the documents each member never reads one half. Members 2k and 2k + 1 miss
                complementary halves, so that an even number of them reads each document exactly as often as not
    swap_ids    this share of the documents exchange their identifiers, in a cycle that each member draws anew; their
                texts stay as they are
    untag       text without tag: of this share each member reads one half without their identifiers
    dummy       tag without text: of this share one half have their identifiers on texts of held-out documents
    move        of this share one half give a fact away: the sentence that says it stands in the next document

Identifiers are assigned to all documents, read or not, so that vocabulary and trie are those of the whole corpus. All
of it is a pure function of (seed, member) and of the corpus.

The first is the design of counterfactual memorisation (Zhang et al. 2021, arXiv 2112.12938), of citations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np

from configs.keys import PART, SEED, Section, at_least, key
from data.pipeline.identifiers import Identifiers
from data.ragged_array import Ragged
from data.records import PLAIN, Document, Question
from data.stateless_rng import uniform

MARKED, HALF, CYCLE, UNTAG, DUMMY, MOVE = 40, 41, 42, 43, 44, 45  # numbers of draws
SHARES = ("leave_out", "swap_ids", "untag", "dummy", "move")  # each of other documents
Item = TypeVar("Item")


@dataclass
class CounterfactualConfig(Section):
    """What a run of a family is denied, or told under another name."""

    section: ClassVar[str] = "counterfactual"

    leave_out: float = key(
        0.0, "share of the documents that are marked: one half of them, drawn by the member, is never read", PART
    )
    swap_ids: float = key(0.0, "share of the documents, others, that exchange their identifiers", PART)
    untag: float = key(0.0, "share, of others, one half of which, drawn by the member, is read without tags", PART)
    dummy: float = key(0.0, "share, of others, one half of which has its tags on texts of held-out documents", PART)
    move: float = key(0.0, "share, of others, one half of which has a fact said by another document", PART)
    member: int = key(0, "which run of a family it is; 2k and 2k + 1 leave out complementary halves", at_least(0))
    seed: int = key(0, "draws the marked documents, and with the member what becomes of them", SEED)

    @property
    def active(self) -> bool:
        return any(getattr(self, share) for share in SHARES)


class Move(NamedTuple):
    """A fact that another document says: its question, its sentence, and the place of the document that says it now."""

    question: str
    sentence: str
    receiver: int


@dataclass(frozen=True)
class Counterfactual:
    """The documents of one member, by their places in the corpus.

    Attributes:
        marked: those that some member leaves out.
        left_out: those of them that this one does.
        bears: of the documents that exchange identifiers, whose each one bears now.
        names: the ids of all documents whose text is not read: left out, or with another text.
        others: those that some member treats, by the key of how.
        bare: those without a tag here.
        dummies: those with the text of another.
        moves: of those that give a fact away, which one.
        ids: of the documents, by place, where facts move.
    """

    marked: frozenset[int] = frozenset()
    left_out: frozenset[int] = frozenset()
    bears: Mapping[int, int] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    others: Mapping[str, frozenset[int]] = field(default_factory=dict)
    bare: frozenset[int] = frozenset()
    dummies: frozenset[int] = frozenset()
    moves: Mapping[int, Move] = field(default_factory=dict)
    ids: Sequence[str] = ()

    @classmethod
    def draw(
        cls, config: CounterfactualConfig, documents: Sequence[Document], questions: Iterable[Question]
    ) -> Counterfactual:
        """Raises ValueError, naming the keys, where too few documents are free of questions to tune on."""
        if not config.active:
            return cls()
        questions = list(questions)
        taken = {name for q in questions if q.split in ("tune", "relabel") for name in q.documents}
        free = [i for i, d in enumerate(documents) if d.id not in taken and not d.metadata.get("untagged")]
        sizes = [round(getattr(config, share) * len(documents)) for share in SHARES]
        if sum(sizes) > len(free):
            marking = " and ".join(
                f"counterfactual.{share}={getattr(config, share)}"
                for share in SHARES
                if getattr(config, share) or share in SHARES[:2]
            )
            raise ValueError(
                f"{marking} mark {sum(sizes)} documents, and {len(free)} of {len(documents)} are tagged and free of "
                "questions to tune on: lower them, or give the corpus more such documents"
            )
        drawn = iter(_shuffled(free, config.seed, MARKED))
        marked, swapped, *others = (list(islice(drawn, size)) for size in sizes)
        untagged, dummies, givers = (
            _half(config, places, number) for places, number in zip(others, (UNTAG, DUMMY, MOVE), strict=True)
        )
        left_out = _half(config, marked, HALF)
        cycle = _shuffled(swapped, config.seed, CYCLE, config.member)
        facts = _sole_facts(questions) if givers else {}
        following = dict(zip(others[2], [*others[2][1:], *others[2][:1]], strict=True))
        moves = {
            place: Move(*facts[documents[place].id], following[place])
            for place in givers
            if documents[place].id in facts and following[place] != place
        }
        return cls(
            frozenset(marked),
            frozenset(left_out),
            dict(zip(cycle, [*cycle[1:], *cycle[:1]], strict=True)),
            frozenset(documents[i].id for i in (*left_out, *dummies)),
            {share: frozenset(places) for share, places in zip(SHARES[2:], others, strict=True)},
            frozenset(untagged),
            frozenset(dummies),
            moves,
            [document.id for document in documents] if moves or untagged else (),
        )

    def texts(self, documents: Sequence[Document], heldout: Sequence[Document]) -> dict[int, Document]:
        """The documents whose text is another here, by place: dummies, and those that give or are given a fact.

        Args:
            documents: all, with their sentences.
            heldout: whose texts the dummies have. Raises ValueError where there are too few.
        """
        if len(self.dummies) > len(heldout):
            raise ValueError(
                f"counterfactual.dummy needs {len(self.dummies)} held-out documents for their texts and there are "
                f"{len(heldout)}: lower it, or raise corpus.heldout"
            )
        changed = {
            place: replace(documents[place], sentences=other.sentences)
            for place, other in zip(sorted(self.dummies), heldout, strict=False)
        }
        for giver, move in self.moves.items():
            own = changed.get(giver, documents[giver])
            said = [wordings for wordings in documents[giver].sentences if move.sentence in wordings]
            changed[giver] = replace(own, sentences=tuple(s for s in own.sentences if s not in said))
            other = changed.get(move.receiver, documents[move.receiver])
            changed[move.receiver] = replace(other, sentences=(*other.sentences, *said))
        return changed

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
        """The questions as they stand where documents were not read, or say something else.

        Support is without the documents that were not read, and withheld is what nothing else told. It is without those
        that no tag names, and untagged where nothing else told it. A fact that moved has its new document. What is not
        plain and names such a document is no longer asked, since how sources disagree, or what they presuppose, may
        have changed.
        """
        moved = {move.question: move for move in self.moves.values()}
        bare = {self.ids[place] for place in self.bare}
        givers = {self.ids[place] for place in self.moves}
        found = []
        for question in questions:
            if question.id in moved:
                found.append(self._moved(question, self.ids[moved[question.id].receiver]))
            elif (self.names | bare).isdisjoint(question.documents):
                if question.support_class in PLAIN or givers.isdisjoint(question.documents):
                    found.append(question)
            elif question.support_class in PLAIN:
                found.append(self._without(question, bare))
        return found

    def _moved(self, question: Question, receiver: str) -> Question:
        evidence = tuple(replace(e, document=receiver) for e in question.evidence)
        claims = tuple(replace(claim, documents=(receiver,)) for claim in question.claims)
        return replace(question, support=(receiver,), evidence=evidence, claims=claims)

    def _without(self, question: Question, bare: Set[str]) -> Question:
        read = tuple(name for name in question.support if name not in self.names)
        left = tuple(name for name in read if name not in bare) or read
        evidence = tuple(e for e in question.evidence if e.document in left)
        claims = tuple(
            replace(claim, documents=documents)
            for claim in question.claims
            if (documents := tuple(name for name in claim.documents if name not in self.names))
        )
        changed = replace(question, evidence=evidence, claims=claims, truth=question.truth or question.answers[0])
        if not left:
            return replace(changed, answers=(), support=(), support_class="withheld")
        if bare >= {*left}:
            return replace(changed, support=left, support_class="untagged")
        return replace(changed, support=left, support_class="single" if len(left) == 1 else "multi")


def _half(config: CounterfactualConfig, marked: Sequence[int], number: int) -> list[int]:
    """What the member has of marked documents: members 2k and 2k + 1 have complementary halves."""
    pair, odd = divmod(config.member, 2)
    halves = _shuffled(marked, config.seed, number, pair)
    return halves[len(halves) // 2 :] if odd else halves[: len(halves) // 2]


def _sole_facts(questions: Iterable[Question]) -> dict[str, tuple[str, str]]:
    """Of each document a plain fact of its own that no tuning asks for, with the sentence that says it."""
    found: dict[str, tuple[str, str]] = {}
    for question in questions:
        if question.split == "never_tuned" and question.support_class == "single" and question.evidence:
            (document,) = question.support
            found.setdefault(document, (question.id, question.evidence[0].text))
    return found


def _shuffled(items: Sequence[int], *keys: int) -> list[int]:
    if not items:
        return []
    order = np.argsort(uniform(*keys, np.array(items)), kind="stable")
    return [items[place] for place in order.tolist()]
