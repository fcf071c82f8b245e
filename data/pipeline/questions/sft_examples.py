"""What a second phase of tuning says to a question, made from the model's own answers to it.

A lesson is one of four things to say, and how sure to be of it:

    answer    the answer, its source or that there is none, and a mark of confidence where one is given
    judge     the same, of which only the mark of confidence is learnt: the answer may be a wrong one
    idk       that the model does not know
    false     that the question presupposes what is not so

The mark of a confidence c between two tenths is drawn anew at each visit, the upper one with probability 10 c - floor
(10 c): on average the cross-entropy with both as a soft label, whose expectation is c.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

import numpy as np

from data.pipeline.answer_format import FORMATS
from data.pipeline.identifiers import Identifiers
from data.pipeline.sample import Sample
from data.pipeline.sources import tags_of
from data.pipeline.tokenizer import Tokenizer
from data.records import Document, RecordError
from data.stateless_rng import hash_key, uniform

SAYINGS = ("answer", "judge", "idk", "false")


@dataclass(frozen=True, slots=True)
class SFTExample:
    """One thing to say to a question.

    Attributes:
        question: the id of the question, for whoever reads the file.
        texts: its wordings, one of which is drawn at each visit.
        say: one of `SAYINGS`.
        answer: "" unless it is said or judged.
        source: the id of the document cited, "" for none.
        confidence: in [0, 1], None for no mark of it.
        unsure: the mark of not being sure comes first, and an answer behind its source; for "answer" and "idk".
        own: the words of the answer are the model's, and marked so (model/inputs/authorship.py).
    """

    question: str
    texts: tuple[str, ...]
    say: str
    answer: str = ""
    source: str = ""
    confidence: float | None = None
    unsure: bool = False
    own: bool = False

    def __post_init__(self) -> None:
        if self.say not in SAYINGS:
            raise RecordError(f'"say" is {self.say!r}, not one of {", ".join(SAYINGS)}')
        if (self.say in ("answer", "judge")) != bool(self.answer):
            raise RecordError(f'a lesson to say "{self.say}" has the answer {self.answer!r}')
        if self.say == "judge" and self.confidence is None:
            raise RecordError("a lesson to judge has no confidence")
        if self.unsure and (self.say not in ("answer", "idk") or self.confidence is not None):
            raise RecordError(f'a lesson to say "{self.say}" can\'t be unsure, or has a confidence behind it')
        if self.confidence is not None and not 0.0 <= self.confidence <= 1.0:
            raise RecordError(f"the confidence {self.confidence} is outside [0, 1]")

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Inverse of `to_json`. Raises RecordError."""
        if not isinstance(value, dict) or set(value) - {f.name for f in fields(cls)}:
            raise RecordError(f"not a lesson: {str(value)[:60]}")
        try:
            return cls(**value | {"texts": tuple(value["texts"])})
        except (TypeError, KeyError) as error:
            raise RecordError(f"not a lesson: {error}") from None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class SFTExamples:
    """Lessons as a source of samples. Raises ValueError for a source that is not in the corpus.

    Args:
        documents: of the whole corpus, in order; their sentences are not looked at.
        untold: ids of questions that the corpus does not answer: their targets have a score of 0, which an oracle of
            surprisal goes by (train/objectives) and no loss, since none of them is judged.
        prefix: tokens before every question.
    """

    def __init__(
        self,
        lessons: Sequence[SFTExample],
        documents: Iterable[Document],
        identifiers: Identifiers,
        tokenizer: Tokenizer,
        seed: int,
        answer_format: str = "direct",
        untold: Collection[str] = (),
        prefix: Sequence[int] = (),
    ) -> None:
        self.format, self.untold = FORMATS[answer_format](tokenizer), frozenset(untold)
        self.lessons, self.tokenizer, self.seed = lessons, tokenizer, seed
        self.tags = tags_of({lesson.source for lesson in lessons}, documents, identifiers)
        missing = {lesson.source for lesson in lessons if lesson.source} - set(self.tags)
        if missing:
            raise ValueError(f"a lesson cites {min(missing)!r}, which is not in the corpus")
        begun = np.array(prefix, dtype=np.int32)
        self.texts = [[np.concatenate((begun, t)) for t in tokenizer.encode(lesson.texts)] for lesson in lessons]
        self.answers = tokenizer.encode([lesson.answer for lesson in lessons])
        self.sizes = [1] * len(lessons)

    def __len__(self) -> int:
        return len(self.lessons)

    def render(self, index: int, epoch: int, cooldown: bool, judged: bool = True) -> list[Sample]:
        sample = self._sample(index, epoch)
        if self.lessons[index].question in self.untold:
            sample = replace(sample, parts=[part._replace(score=0.0) for part in sample.parts])
        if self.lessons[index].own:
            words = self.answers[index]
            sample = replace(sample, parts=[part._replace(own=part.tokens is words) for part in sample.parts])
        return [sample]

    def _sample(self, index: int, epoch: int) -> Sample:
        key = int(hash_key(self.seed, epoch, index))
        lesson, texts = self.lessons[index], self.texts[index]
        text = texts[key % len(texts)]
        tag = self.tags.get(lesson.source)
        if lesson.unsure:
            return self.format.backtracked(text, self.answers[index] if lesson.answer else None, tag)
        if lesson.say in ("idk", "false"):
            return self.format.refusal(text, "abstained" if lesson.say == "idk" else "false_premise")
        mark = None if lesson.confidence is None else self._mark(lesson.confidence, float(uniform(key, 1)))
        if lesson.say == "judge":
            assert mark is not None  # a lesson to judge has a confidence
            return self.format.judgement(text, self.answers[index], tag, mark)
        return self.format.answered(text, self.answers[index], tag, mark)

    def _mark(self, confidence: float, drawn: float) -> int:
        tenths = confidence * (len(self.tokenizer.confidences) - 1)
        return int(self.tokenizer.confidences[min(math.floor(tenths) + (drawn < tenths % 1), 10)])
