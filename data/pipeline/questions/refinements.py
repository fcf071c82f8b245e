"""An attempt, what is said of it, and the attempt that is written behind both: the form of a revision after a critique.

    <|ask|> question <|answer|> first <|end|> <|ask|> critique <|answer|> second <|end|>

It is the form of two attempts (attempts.py) with words where that has none: to be asked again with a critique is to be
told what to mend (Chen et al. 2023, arXiv 2303.16749; Scheurer et al. 2023, arXiv 2303.16755). Who writes the critique
is not said here (eval/feedback): a critique is tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from data import fields
from data.pipeline.questions.attempts import Attempt, AttemptForm
from data.pipeline.sample import ANSWER, QUESTION, Part, Sample, Tokens
from data.records import Question, RecordError


@dataclass(frozen=True, slots=True)
class Refinement:
    """What was written to one question, said of it, and written then; all in tokens."""

    question: str
    first: Attempt
    critique: tuple[int, ...]
    second: Attempt

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Inverse of `to_json`. Raises RecordError."""
        fields.known(value, set(cls.__slots__))
        tokens = {name: fields.items(value, name) for name in ("first", "critique", "second")}
        for name, found in tokens.items():
            if not all(type(token) is int for token in found):
                raise RecordError(f'"{name}" must be a list of tokens, not {fields.shown(found)}')
        return cls(fields.name(value, "question"), *map(tuple, tokens.values()))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class RefinementForm:
    """The prompts and the sample, over the marks of one form of attempts."""

    def __init__(self, form: AttemptForm) -> None:
        self.form = form
        *self.closed, self.between = form.again  # between the attempts: <|end|> <|ask|>, the critique, <|answer|>

    def told(self, text: Sequence[int] | Tokens, first: Attempt) -> list[int]:
        """What is read before a critique; an attempt that was cut is ended."""
        ended = first[-1:] == (self.form.end,)
        return [*self.form.prompt(text), *first, *self.closed[ended:]]

    def prompt(self, text: Sequence[int] | Tokens, first: Attempt, critique: Sequence[int]) -> list[int]:
        """What is read before the second attempt."""
        return [*self.told(text, first), *critique, self.between]

    def sample(self, text: Sequence[int] | Tokens, one: Refinement, critique: bool) -> Sample:
        """The second attempt is learnt and, where `critique` says so, what is said of the first."""
        said = (*one.critique, self.between)
        parts = [
            Part(self.told(text, one.first), QUESTION, learn=False, span=0),
            Part(said, ANSWER if critique else QUESTION, learn=critique, span=0),
            Part(one.second, ANSWER, span=0),
        ]
        return Sample(parts, self.form.format.closing)


class RefinementLessons:
    """Refinements as a source of samples.

    Raises ValueError for a question that is not in `questions`, and for what does not fit a row of `room` tokens.

    Args:
        critiques: whether critiques are learnt, too, so that the model can write its own.
    """

    def __init__(
        self,
        lessons: Sequence[Refinement],
        questions: Sequence[Question],
        form: AttemptForm,
        critiques: bool,
        room: int,
    ) -> None:
        texts: Mapping[str, str] = {question.id: question.text for question in questions}
        if missing := [one.question for one in lessons if one.question not in texts]:
            raise ValueError(f"a refinement is of question {missing[0]!r}, which is not in the corpus")
        self.lessons, self.form, self.critiques = lessons, RefinementForm(form), critiques
        self.texts = form.tokenizer.encode([texts[one.question] for one in lessons])
        self.sizes = [1] * len(lessons)
        for one, text in zip(lessons, self.texts, strict=True):
            taken = len(self.form.prompt(text, one.first, one.critique)) + len(one.second)
            if taken > room:
                raise ValueError(
                    f"question {one.question!r} takes {taken} tokens with an answer, a critique and another answer, "
                    f"and batch.seq_len={room}: raise batch.seq_len"
                )

    def __len__(self) -> int:
        return len(self.lessons)

    def render(self, index: int, epoch: int, cooldown: bool, judged: bool = True) -> list[Sample]:
        return [self.form.sample(self.texts[index], self.lessons[index], self.critiques)]
