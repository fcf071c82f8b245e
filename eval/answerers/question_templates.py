"""What a question in words asks for: found by the wordings of a run's own questions, with any entity in their place.

A question of the corpus brings the statement that its answer makes; one that is typed does not. But "Where was Ada Moss
born?" teaches that "Where was {entity} born?" is answered by "{entity} was born in {answer}.", so the two-way check can
follow for anyone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from data.records import Question

ENTITY = "\0"  # stands for the entity in a pattern: no text holds it


@dataclass(frozen=True)
class QuestionTemplates:
    """For each wording with `ENTITY` in place of the entity, a question that has it."""

    known: dict[str, Question]

    @classmethod
    def of(cls, questions: Iterable[Question]) -> QuestionTemplates:
        """Those of questions that name their entity once and bring a statement, and presuppose nothing."""
        known: dict[str, Question] = {}
        for question in questions:
            if question.statement and question.entity and not question.premise:
                for text in (question.text, *question.paraphrases):
                    if text.count(question.entity) == 1:
                        known.setdefault(text.replace(question.entity, ENTITY), question)
        return cls(known)

    def understand(self, text: str) -> Question:
        """A question of this text, with statements where its wording is known; graded by nobody.

        Spaces too many and the missing mark at the end of a known wording are mended.
        """
        text = " ".join(text.split())
        plain = Question("asked", text, (), (), "absent_entity", "", "never_tuned")
        for wording, like in self.known.items():
            before, after = wording.split(ENTITY)
            end = after.rstrip("?")
            if found := re.fullmatch(f"{re.escape(before)}([^?]+?){re.escape(end)}[?]*", text):
                statement = tuple(s.replace(like.entity, found[1]) for s in like.statement)
                whole = f"{before}{found[1]}{after}"
                return replace(plain, text=whole, entity=found[1], attribute=like.attribute, statement=statement)
        return plain
