"""Which passages support a question that names the document which they were cut from.

Where the question gives evidence, the passage that holds it, or all that do. Else those that hold an accepted answer,
case and white space aside: as whole words or, where no passage does so, within words. Where none holds one, all
passages, and that is said. A claim goes to the passages that hold its value in the same way, and one of an accepted
answer to none but the support.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from data.record_parts import Claim, Evidence
from data.records import PLAIN, Document, Question
from data.storage.evidence import evidence_in, folded
from data.storage.question_checks import SHOWN


@dataclass(frozen=True)
class Found:
    """What takes the place of a document in a question: ids of passages, for the support and for each claim on it."""

    support: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    claims: dict[Claim, tuple[str, ...]]


class PassageSupport:
    """Looks into passages, as documents are cut, for what the questions on these documents ask."""

    def __init__(self, questions: Iterable[Question]) -> None:
        self.found: dict[tuple[str, str], Found] = {}  # by question and document
        self.unanswered: dict[str, Question] = {}
        self.naming: defaultdict[str, list[Question]] = defaultdict(list)  # document: questions
        for question in questions:
            for document in question.documents:
                self.naming[document].append(question)

    def look(self, document: str, passages: Sequence[Document]) -> None:
        """Note what the passages of a document say to the questions that name it."""
        if not (naming := self.naming.get(document)):
            return
        texts = [folded("\n".join(w for wordings in p.sentences for w in wordings)) for p in passages]
        for question in naming:
            supporting, evidence = self._support(question, document, passages, texts)
            claims = {
                claim: _ids(passages, _claimed(claim, question, supporting, texts))
                for claim in question.claims
                if document in claim.documents
            }
            self.found[question.id, document] = Found(_ids(passages, supporting), tuple(evidence), claims)

    def _support(
        self, question: Question, document: str, passages: Sequence[Document], texts: Sequence[str]
    ) -> tuple[list[int], list[Evidence]]:
        """The places of the passages that support the question, none where it only has a claim on the document."""
        if document not in question.support:
            return [], []
        given = next((e.text for e in question.evidence if e.document == document), "")
        if given and (at := [place for place, text in enumerate(texts) if folded(given) in text]):
            return at, [Evidence(passages[place].id, given) for place in at]
        supporting = _holding(question.answers, texts)
        if not supporting:
            supporting = list(range(len(passages)))
            self.unanswered[question.id] = question
        found = ((passages[place].id, evidence_in(passages[place], question)) for place in supporting)
        return supporting, [Evidence(id, text) for id, text in found if text]

    def given(self, question: Question) -> Question:
        """The question with passages in place of the documents that were cut; itself where none was."""
        named = ((name, self.found.get((question.id, name))) for name in question.documents)
        cut = {name: found for name, found in named if found}
        if not cut:
            return question
        support = [id for name in question.support for id in (cut[name].support if name in cut else (name,))]
        evidence = [evidence for evidence in question.evidence if evidence.document not in cut]
        evidence += [evidence for name in question.support if name in cut for evidence in cut[name].evidence]
        claims = []
        for claim in question.claims:
            parts = (cut[name].claims[claim] if name in cut else (name,) for name in claim.documents)
            claims.append(replace(claim, documents=tuple(chain.from_iterable(parts))))
        kind = question.support_class
        if kind in PLAIN:
            kind = "single" if len(support) == 1 else "multi"
        return replace(
            question, support=tuple(support), support_class=kind, evidence=tuple(evidence), claims=tuple(claims)
        )

    @property
    def warning(self) -> str:
        """How many questions have all passages of a document as support, with examples; "" for none."""
        if not self.unanswered:
            return ""
        some = "; ".join(f"{q.id!r}: {q.answers[0]!r:.60}" for q in list(self.unanswered.values())[:SHOWN])
        return (
            f"{len(self.unanswered)} questions have answers that stand in no passage of a document that was cut, so "
            f"all its passages are their support: {some}"
        )


def _claimed(claim: Claim, question: Question, support: Sequence[int], texts: Sequence[str]) -> Sequence[int]:
    """The places of the passages that make a claim: of an accepted answer within the support, which is cited for it."""
    everywhere = range(len(texts))
    if support and folded(claim.value) in map(folded, question.answers):
        return [support[i] for i in _holding((claim.value,), [texts[place] for place in support])] or support
    return _holding((claim.value,), texts) or everywhere


def _holding(values: Iterable[str], texts: Sequence[str]) -> list[int]:
    """The places of the folded texts that hold one of the values."""
    sought = [folded(value) for value in values]
    words = re.compile("|".join(rf"(?<!\w){re.escape(value)}(?!\w)" for value in sought))
    found = [place for place, text in enumerate(texts) if words.search(text)]
    return found or [place for place, text in enumerate(texts) if any(value in text for value in sought)]


def _ids(passages: Sequence[Document], places: Iterable[int]) -> tuple[str, ...]:
    return tuple(passages[place].id for place in places)
