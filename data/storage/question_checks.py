"""What a set of questions must be to its documents: errors and warnings that say which question it is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from data.records import Document, Question, read_numbered

SHOWN = 3  # examples of a warning


class QuestionError(ValueError):
    """Something is wrong with the questions of these ids."""

    def __init__(self, message: str, *questions: str) -> None:
        super().__init__(message)
        self.questions = questions

    def at(self, path: str) -> ValueError:
        """The same, with the lines of the JSONL file that the questions come from; itself where there is none."""
        if not path:
            return self
        lines = [str(number) for number, found in read_numbered(path, Question) if found.id in self.questions]
        return ValueError(f"{path}, line{'s' * (len(lines) > 1)} {' and '.join(lines)}: {self}")


class AnswersSought:
    """Looks in documents, as they come, for the answers that questions say they hold."""

    def __init__(self, questions: Iterable[Question]) -> None:
        self.unseen = {question.id: question for question in questions if question.answers}
        self.supported: defaultdict[str, list[str]] = defaultdict(list)  # document: questions
        for question in self.unseen.values():
            for document in question.support:
                self.supported[document].append(question.id)

    def look(self, document: Document) -> None:
        """Strike off the questions of which an answer stands in some wording of the document."""
        sought = [id for id in self.supported.get(document.id, ()) if id in self.unseen]
        if sought:
            text = _folded("\n".join(wording for wordings in document.sentences for wording in wordings))
            for id in sought:
                if any(_folded(answer) in text for answer in self.unseen[id].answers):
                    del self.unseen[id]

    @property
    def warning(self) -> str:
        """How many answers were found nowhere, with examples; "" for none. Case and white space don't count."""
        if not self.unseen:
            return ""
        some = list(self.unseen.values())[:SHOWN]
        shown = "; ".join(f"{q.id!r}: {q.answers[0]!r:.60} in {', '.join(map(repr, q.support[:SHOWN]))}" for q in some)
        return f"{len(self.unseen)} questions have answers that stand in none of their supporting documents: {shown}"


def unscored(questions: Sequence[Question]) -> str:
    """A warning where there are questions and none of them will be scored, "" otherwise."""
    splits = sorted({question.split for question in questions})
    if not questions or {"never_tuned", "in_domain"}.intersection(splits):
        return ""
    return (
        f"all {len(questions)} questions are of split {' or '.join(splits)}, so none will be scored: give those to be "
        "scored split never_tuned, or in_domain where others on their documents are tuned on"
    )


def _folded(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().casefold()
