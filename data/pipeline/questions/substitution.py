"""Substitution: a question whose evidence says something else than it did, so that the answer has to be read.

    <|ask|> question <|answer|> <|doc|> sentence with another value <|answer|> that value <|src|>, or <|end|>

A question that is asked in every epoch is soon answered from memory, and then the sentence before the answer is not
looked at: a model that was taught so reads sentences of its own, or a retriever's, no better than if they were not
there. Where the value is another one at each visit there is nothing to remember (entity substitution: Longpre et al.
2021, arXiv 2109.05052; Neeman et al. 2022, arXiv 2211.05655). Only the answer and the mark behind it are learnt: what
the sentence says is not so, and no document is cited for it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from configs.keys import PART, Section, key
from data.pipeline.answer_format import FORMATS
from data.pipeline.sample import ANSWER, QUESTION, Part, Sample
from data.pipeline.tokenizer import Tokenizer
from data.records import Question
from data.stateless_rng import hash_key, uniform


@dataclass
class SubstitutionConfig(Section):
    """Learning to read the answer out of the evidence."""

    section: ClassVar[str] = "substitution"

    fraction: float = key(
        0.0,
        "share of the visits of tuning questions, of those left, whose evidence says something else; 0 for none",
        PART,
    )


class Substitutions:
    """Tuning questions whose evidence holds the answer, with other values in its place."""

    def __init__(
        self,
        questions: Sequence[Question],
        tokenizer: Tokenizer,
        answer_format: str,
        config: SubstitutionConfig,
        room: int,
    ) -> None:
        self.tokenizer, self.config, self.room = tokenizer, config, room
        self.format = FORMATS[answer_format](tokenizer)
        questions = questions if config.fraction else ()
        held = [(q, e.text, a) for q in questions for e in q.evidence for a in q.answers if standing(a, e.text)]
        self.held = sorted(held, key=lambda item: (item[0].id, item[1], item[2]))
        self.values: dict[str, list[str]] = {}
        for answer in sorted({answer for _, _, answer in self.held}):
            self.values.setdefault(kind(answer), []).append(answer)

    def draw(self, key: int) -> Sample | None:
        """Such a question in place of the visit that `key` draws, or None: a pure function of it."""
        if not self.held or uniform(key, 70) >= self.config.fraction:
            return None
        rng = random.Random(int(hash_key(key, 71)))
        question, sentence, answer = rng.choice(self.held)
        other = rng.choice(self.values[kind(answer)])
        text = rng.choice((question.text, *question.paraphrases))
        said = re.sub(standing_as(answer), lambda _: other, sentence)
        sample = self._sample(text, said, other)
        return sample if len(sample) <= self.room else None

    def _sample(self, text: str, sentence: str, answer: str) -> Sample:
        asked, evidence, words = self.tokenizer.encode([text, sentence, answer])
        given = self.format.led(self.format.prompt(asked), evidence)
        written = [*map(int, words), self.format.stops[0]]
        parts = [Part(given, QUESTION, learn=False, span=0), Part(written, ANSWER, span=0)]
        return Sample(parts, self.format.closing)


def standing_as(answer: str) -> str:
    """The pattern of an answer that stands in a text as words of its own."""
    return rf"(?<!\w){re.escape(answer)}(?!\w)"


def standing(answer: str, sentence: str) -> bool:
    """Whether it does, and is not the whole of the text."""
    return bool(re.search(standing_as(answer), sentence)) and answer != sentence


def kind(answer: str) -> str:
    """What may stand in a value's place: a number for a number, a name for a name, and words for words."""
    if any(character.isdigit() for character in answer):
        return "number"
    return "name" if answer[:1].isupper() else "words"
