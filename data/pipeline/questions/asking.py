"""The way back: from a sentence to what may be asked of it, learnt from the tuning questions with evidence.

    <|doc|> sentence <|answer|> answer <|ask|> question <|end|>

The question alone is learnt: nobody has the model write an answer here. So it can write questions of its own, to words
of documents that nobody asked about (steps/self_questions.py), and it can say how well a question fits a sentence:
log P(question | sentence, answer).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from configs.keys import PART, Section, key
from data.pipeline.answer_format import Ids
from data.pipeline.sample import ANSWER, QUESTION, TEXT, Part, Sample, Tokens
from data.pipeline.tokenizer import Tokenizer
from data.records import Question
from data.stateless_rng import hash_key, uniform


@dataclass
class AskingConfig(Section):
    """Learning to write the question to an answer."""

    section: ClassVar[str] = "asking"

    fraction: float = key(
        0.0, "share of the visits of tuning questions in which the question is written, of those left; 0 for none", PART
    )


class Asking:
    """The prompt, the target and the parser of a question that is written, over the marks of one tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.end = tokenizer.end

    def prompt(self, sentence: Ids, answer: Ids) -> list[int]:
        """What a model reads before it writes a question."""
        return [self.tokenizer.doc, *map(int, sentence), self.tokenizer.answer, *map(int, answer), self.tokenizer.ask]

    def sample(self, sentence: Tokens, answer: Tokens, question: Tokens) -> Sample:
        """A question behind its sentence and answer, learnt."""
        return self._written(sentence, answer, question, ANSWER)

    def scored(self, sentence: Tokens, answer: Tokens, question: Tokens) -> Sample:
        """The same, scored as text (eval/answerers/likelihoods.py)."""
        return self._written(sentence, answer, question, TEXT)

    def parse(self, tokens: Sequence[int]) -> str:
        """The question that was written, without the mark that ends it; "" where it is none."""
        return "" if self.tokenizer.reserved.intersection(tokens) else self.tokenizer.decode(tokens)

    def _written(self, sentence: Tokens, answer: Tokens, question: Tokens, kind: int) -> Sample:
        given = Part(self.prompt(sentence, answer), QUESTION, learn=False, span=0)
        return Sample([given, Part([*map(int, question), self.tokenizer.end], kind, span=0)], self.tokenizer.end_src)


class Askings:
    """Questions to be written: those that bring evidence for an answer."""

    def __init__(self, questions: Sequence[Question], tokenizer: Tokenizer, config: AskingConfig, room: int) -> None:
        self.form, self.config = Asking(tokenizer), config
        questions = questions if config.fraction else ()
        held = [(q.text, e.text, a) for q in questions for e in q.evidence for a in q.answers if a in e.text]
        texts, sentences, answers = (tokenizer.encode([item[place] for item in held]) for place in range(3))
        parts = zip(sentences, answers, texts, strict=True)
        samples = (self.form.sample(sentence, answer, text) for sentence, answer, text in parts)
        self.samples = [sample for sample in samples if len(sample) <= room]

    def draw(self, key: int) -> Sample | None:
        """A question to write in place of the visit that `key` draws, or None: a pure function of it."""
        if not self.samples or not self.config.fraction or uniform(key, 30) >= self.config.fraction:
            return None
        return self.samples[int(hash_key(key, 31)) % len(self.samples)]
