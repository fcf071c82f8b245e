"""What a question in words asks for: found by the wordings of the tuning questions, with any entity in their place.

A question of the corpus brings the statement that its answer makes; one that is typed does not. But "Where was Ada Moss
born?" teaches that "Where was {entity} born?" is answered by "{entity} was born in {answer}.", so the two-way check can
follow for anyone. Likewise "Since Ada Moss sings, where was she born?" teaches where a question says what it
presupposes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from data.records import Prediction, Question

ENTITY, PREMISE = "\0", "\1"  # stand for an entity and for a premise in a wording: no text holds them
FREE = {ENTITY: "(?P<entity>[^?]+?)", PREMISE: "(?P<premise>.+?)"}


@dataclass(frozen=True)
class QuestionTemplates:
    """For each wording with `ENTITY` and `PREMISE` in place of what they stand for, a question that has it."""

    known: dict[str, Question]

    @classmethod
    def of(cls, questions: Iterable[Question]) -> QuestionTemplates:
        """Those of questions that bring a statement and name their entity once, what they presuppose aside."""
        known: dict[str, Question] = {}
        for question in questions:
            if question.statement and question.entity:
                for text in (question.text, *question.paraphrases):
                    wording = _presuming(text, question.premise)
                    if wording and wording.count(question.entity) == 1:
                        known.setdefault(wording.replace(question.entity, ENTITY), question)
        return cls(known)

    def write(self, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Question]:
        """The questions with the statement and the premise that their text brings; with none where it brings none."""
        found = [self.understand(question.text) for question in questions]
        return [replace(q, statement=f.statement, premise=f.premise) for q, f in zip(questions, found, strict=True)]

    def understand(self, text: str) -> Question:
        """A question of this text, with statement and premise where its wording is known; graded by nobody.

        Spaces too many and the missing mark at the end of a known wording are mended.
        """
        text = " ".join(text.split())
        plain = Question("asked", text, (), (), "absent_entity", "", "never_tuned")
        if not (found := self._match(text)):
            return plain
        wording, like, entity, premise = found
        return replace(
            plain,
            text=_worded(wording, entity, premise),
            entity=entity,
            attribute=like.attribute,
            statement=tuple(s.replace(like.entity, entity) for s in like.statement),
            premise=(f"{premise}.",) if premise else (),
        )

    def reworded(self, text: str) -> list[str]:
        """The question in all wordings that a tuning question has with its own, which comes first; or its own alone."""
        if not (found := self._match(" ".join(text.split()))):
            return [text]
        own, like, entity, premise = found
        others = [wording for wording, question in self.known.items() if question is like and wording != own]
        return [text, *(_worded(wording, entity, premise) for wording in others)]

    def _match(self, text: str) -> tuple[str, Question, str, str] | None:
        """The wording that a text has, a question known to have it, and the text's entity and premise, "" for none."""
        for wording, like in self.known.items():
            if found := re.fullmatch(f"{_pattern(wording.rstrip('?'))}[?]*", text):
                return wording, like, found["entity"], found.groupdict().get("premise") or ""
        return None


def _worded(wording: str, entity: str, premise: str) -> str:
    return wording.replace(ENTITY, entity).replace(PREMISE, premise)


def _presuming(text: str, premises: Iterable[str]) -> str:
    """The text with `PREMISE` where it says what it presupposes; "" where it says none of its premises."""
    clauses = [premise.rstrip(".") for premise in premises]
    if not clauses:
        return text
    said = next((clause for clause in clauses if text.count(clause) == 1), "")
    return text.replace(said, PREMISE) if said else ""


def _pattern(wording: str) -> str:
    parts = re.split(f"([{ENTITY}{PREMISE}])", wording)
    return "".join(FREE.get(part) or re.escape(part) for part in parts)
