"""Which sentence of a document gives the answer to a question: found where a question names none.

Of a document's sentences that hold an accepted answer as words of their own, or where none does, at all (case and white
space don't count), the one that shares most with the question: the number of the question's different words that stand
in it, cut to `STEM` letters, the answer's own left aside; the first of equals. What a statement of the question makes
word for word comes before all others.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from data.record_parts import Evidence
from data.records import Document, Question

STEM = 5  # letters that tell words apart: "work" and "works", "founded" and "founding"
WORD = re.compile(r"\w+")


class EvidenceSought:
    """Looks in documents, as they come, for the sentences that give the answers of questions."""

    def __init__(self, questions: Iterable[Question]) -> None:
        self.found: dict[str, list[Evidence]] = defaultdict(list)
        self.supported: dict[str, list[Question]] = defaultdict(list)
        for question in questions:
            for document in question.support:
                if document not in {evidence.document for evidence in question.evidence}:
                    self.supported[document].append(question)

    def look(self, document: Document) -> None:
        """Note what the document says to the questions that it supports."""
        for question in self.supported.get(document.id, ()):
            if text := evidence_in(document, question):
                self.found[question.id].append(Evidence(document.id, text))

    def given(self, question: Question) -> Question:
        """The question with what was found beside what it names, of documents that are still its support."""
        known = (*question.evidence, *self.found.get(question.id, ()))
        return replace(question, evidence=tuple(item for item in known if item.document in question.support))


def evidence_in(document: Document, question: Question) -> str:
    """The sentence of the document that gives an answer to the question; "" where none does."""
    wordings = [wording.strip() for wordings in document.sentences for wording in wordings]
    stated = {s.replace("{answer}", answer) for s in question.statement for answer in question.answers}
    if said := next((wording for wording in wordings if wording in stated), ""):
        return said
    own = _stems(" ".join(question.answers))
    asked = _stems(question.text) - own
    holding = [w for w in wordings if any(holds(w, answer) for answer in question.answers)]
    holding = holding or [w for w in wordings if any(folded(answer) in folded(w) for answer in question.answers)]
    return max(holding, key=lambda w: len(asked & _stems(w)), default="")


def holds(sentence: str, answer: str) -> bool:
    """Whether the answer stands in the sentence as words of its own; case and white space don't count."""
    return bool(re.search(rf"(?<!\w){re.escape(folded(answer))}(?!\w)", folded(sentence)))


def _stems(text: str) -> set[str]:
    return {word[:STEM] for word in WORD.findall(text.casefold())}


def folded(text: str) -> str:
    """The text where case and white space don't count."""
    return " ".join(text.casefold().split())
