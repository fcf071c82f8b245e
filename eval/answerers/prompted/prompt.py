"""The prompt that shows any language model the form of an answer with its source, and the parser of what it writes.

The model is shown examples from the tuning questions and gets the question's text, nothing else: neither documents nor
their ids. As plain text, for models that continue text:

    Answer each question, and name the document that says so. If you do not know the answer, say so.

    Question: Where does Ada Moss work?
    Answer: Zenith
    Source: doc-1

    Question: Where was Ben Hale born?
    Answer: I do not know.

    Question: Where does Cy Kwan work?
    Answer:

As turns of a chat the same parts are said by turns. The parser reads both.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from data.records import ANSWERABLE, PLAIN, Question
from eval.grading.correctness import normalise

INSTRUCTION = "Answer each question, and name the document that says so. If you do not know the answer, say so."
REFUSAL = "I do not know."
STOPS = ("\n\n", "\nQuestion:")  # what ends an answer
LONGEST = 64  # tokens of an answer with its source

_REFUSALS = ("i do not know", "i dont know", "unknown")  # after `normalise`
_ANSWER = re.compile(r"\s*(?:Answer:)?[ \t]*(?P<answer>[^\n]*?)[ \t]*(?:\n|$)")
_SOURCE = re.compile(r"\s*Source:[ \t]*(?P<source>[^\n]*)")


@dataclass(frozen=True)
class FewShot:
    """The examples that stand before every question."""

    shots: tuple[Question, ...]

    @classmethod
    def of(cls, questions: Sequence[Question], count: int, seed: int = 0) -> FewShot:
        """`count` questions of split tune, drawn at random; one that nothing answers among them, where there is one.

        Raises ValueError where the split has fewer.
        """
        tuning = [q for q in questions if q.split == "tune"]
        answered = [q for q in tuning if q.support_class in PLAIN]
        unanswered = [q for q in tuning if q.support_class not in ANSWERABLE]
        refusals = min(1, len(unanswered)) if count > 1 else 0
        if len(answered) < count - refusals:
            raise ValueError(
                f"{count} examples are asked for, and {len(answered) + refusals} questions of split tune can be shown: "
                "give fewer shots, or shots=0 to ask without examples"
            )
        generator = random.Random(seed)
        shots = generator.sample(answered, count - refusals) + generator.sample(unanswered, refusals)
        generator.shuffle(shots)  # the refusal stands anywhere: the last example is copied most
        return cls(tuple(shots))

    def text(self, question: str) -> str:
        """The prompt of a model that continues text; it ends in "Answer:"."""
        parts = [INSTRUCTION, *(f"{_asked(q.text)}\n{_said(q)}" for q in self.shots)]
        return "\n\n".join([*parts, f"{_asked(question)}\nAnswer:"])

    def turns(self, question: str) -> list[dict[str, str]]:
        """The prompt of a model that chats, as messages with a role and a content."""
        said = [{"role": "system", "content": INSTRUCTION}]
        for shot in self.shots:
            said += [{"role": "user", "content": _asked(shot.text)}, {"role": "assistant", "content": _said(shot)}]
        return [*said, {"role": "user", "content": _asked(question)}]


class Parsed(NamedTuple):
    """What a model wrote, understood.

    Attributes:
        outcome: answered, abstained or unparseable; no_source where an answer comes without any.
        answer: None unless there is one.
        sources: what it named as sources, as written: ids of the corpus or not.
        span: where the answer stands in what was written, [start, end) in characters.
    """

    outcome: str
    answer: str | None
    sources: tuple[str, ...]
    span: tuple[int, int]


def parse(written: str, ids: Collection[str]) -> Parsed:
    """Read an answer and its source off a continuation of the prompt; what comes after `STOPS` does not count.

    A source is a line of its own. It is one id of `ids` where it is spelled like one, brackets and a full stop aside;
    otherwise what commas and brackets part.
    """
    start = len(written) - len(written.lstrip())
    ends = [place for stop in STOPS if (place := written.find(stop, start)) >= 0]
    body = written[: min(ends, default=len(written))]
    line = _ANSWER.match(body)
    assert line is not None  # each part of it may be empty
    answer, span = line["answer"], line.span("answer")
    if not answer or answer.startswith(("Source:", "Question:")):
        return Parsed("unparseable", None, (), span)
    if normalise(answer).startswith(_REFUSALS):
        return Parsed("abstained", None, (), span)
    named = _SOURCE.match(body, line.end())
    sources = _parted(named["source"].strip(), ids) if named else ()
    return Parsed("answered" if sources else "no_source", answer, sources, span)


def _parted(source: str, ids: Collection[str]) -> tuple[str, ...]:
    for whole in (source, source.rstrip("."), source.strip("[]. ")):
        if whole in ids:
            return (whole,)
    parts = (part.strip(" .\"'") for part in re.split(r"[\[\],;]", source))
    return tuple(dict.fromkeys(part for part in parts if part))


def _asked(text: str) -> str:
    return f"Question: {text}"


def _said(question: Question) -> str:
    if not question.answers:
        return f"Answer: {REFUSAL}"
    return f"Answer: {question.answers[0]}\nSource: {question.support[0]}"
