"""Where a question's statement comes from, the question's text alone being given.

    evidence first    the sentence that the model wrote before its answer (`EvidenceStatements`)
    rewriting         the model rewrites the question (eval/answerers/writers/statement_writer.py)
    otherwise         that of a tuning question in this wording (eval/answerers/writers/question_templates.py)

"Ada Moss works in Oslo." before the answer "Oslo" is the statement "Ada Moss works in {answer}.": other answers may be
put there, and it is checked like any statement. Evidence that does not hold its answer word for word makes none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from data.pipeline.questions.rewriting import ANSWERED
from data.records import Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.writers.question_templates import QuestionTemplates
from eval.answerers.writers.statement_writer import StatementWriter


class Statements(Protocol):
    """Finds the statement that would answer a question."""

    def write(self, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Question]:
        """The questions with the statement and the premise that are found for them; with none where none is.

        Args:
            said: the model's answers to them.
        """
        ...


def statements(answerer: LMAnswerer, tuning: Sequence[Question], rewritten: bool) -> Statements:
    """What serves a model so trained; `tuning` are the questions of tuning."""
    if answerer.format.evidenced:
        return EvidenceStatements()
    learnt = rewritten and any(question.statement for question in tuning)
    return StatementWriter.of(answerer, tuning) if learnt else QuestionTemplates.of(tuning)


class EvidenceStatements:
    """Statements of what was written."""

    def write(self, questions: Sequence[Question], said: Sequence[Prediction]) -> list[Question]:
        """The questions with the statement of the answer given; with none where it makes none, and no premise."""
        return [
            replace(q, statement=tuple(filter(None, [stating(p.evidence, p.answer or "")])), premise=())
            for q, p in zip(questions, said, strict=True)
        ]


def stating(evidence: str, answer: str) -> str:
    """The evidence with `{answer}` where the answer stands, its last place as words of their own; "" for none."""
    if not answer.strip() or ANSWERED in evidence:
        return ""
    places = list(re.finditer(rf"(?<!\w){re.escape(answer)}(?!\w)", evidence, re.IGNORECASE))
    if not places:
        return ""
    begin, end = places[-1].span()
    return f"{evidence[:begin]}{ANSWERED}{evidence[end:]}"
