"""From a question to the statement that would answer it: "Where does X work?" becomes "X works for ___."

That needs no memory, so it can be learnt from any names, also from ones that nobody has, and it holds for them. What is
written is completed and checked in the context of a document, where recall is nearly perfect (eval/signals).

    <|ask|> question <|doc|> [premise <|doc|>] what stands before the answer <|answer|> what stands after it <|end|>

A premise is what the question presupposes, as a statement of its own.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

from configs.keys import PART, SHARE, Section, key
from data.pipeline.sample import ANSWER, QUESTION, Part, Sample
from data.pipeline.tokenizer import Tokenizer
from data.records import Question
from data.stateless_rng import hash_key, uniform

ANSWERED = "{answer}"
WORD = re.compile(r"\w+")
ARTICLES = ("A", "An", "The", "It")  # which begin a statement and are no value
ONSETS = (*"bcdfghjklmnprstvwyz", "br", "ch", "dr", "gr", "qu", "sh", "st", "th", "tr")
NUCLEI = (*"aeiou", "ai", "ea", "ee", "oa", "ou")
VALUE = re.compile(r"(?:[A-Z]|\d)\w*(?:,? (?:[A-Z]|\d)\w*)*")  # names and numbers side by side, "May 28, 1968"
CODAS = ("", *"bdglmnprstwx", "ck", "ff", "ll", "nd", "ng", "rd", "st", "th")


@dataclass
class RewritingConfig(Section):
    """Learning to rewrite questions as statements."""

    section: ClassVar[str] = "rewriting"

    fraction: float = key(0.3, "share of the visits of tuning questions that are rewritten; 0 for none", PART)
    swapped: float = key(
        0.7, "share of these with another name in place of the question's entity, and of a premise's value", SHARE
    )


class Statement(NamedTuple):
    """What a question asks for: a statement that holds `{answer}`, and what it presupposes, "" for nothing."""

    text: str
    premise: str = ""


class Rewriting:
    """The prompt, the target and the parser of a rewriting, over the marks of one tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.marks = frozenset({tokenizer.doc, tokenizer.answer, tokenizer.end})  # that may be written

    def prompt(self, text: Sequence[int]) -> list[int]:
        return [self.tokenizer.ask, *map(int, text), self.tokenizer.doc]

    def sample(self, text: str, statement: Statement) -> Sample:
        """A question with its statement, learnt from the statement on."""
        before, _, after = statement.text.partition(ANSWERED)
        asked, premise, before_, after_ = self.tokenizer.encode(
            [text, statement.premise, before.rstrip(), after.lstrip()]
        )
        target = [*before_, self.tokenizer.answer, *(after_ if after.strip() else ()), self.tokenizer.end]
        if statement.premise:
            target = [*premise, self.tokenizer.doc, *target]
        prompt = Part(self.prompt(list(asked)), QUESTION, learn=False, span=0)
        return Sample([prompt, Part([int(token) for token in target], ANSWER, span=0)], self.tokenizer.end_src)

    def parse(self, tokens: Sequence[int]) -> Statement | None:
        """What was written, without the mark that ends it; None where it is no statement with one answer in it."""
        *premises, written = _split(tokens, self.tokenizer.doc)
        halves = _split(written, self.tokenizer.answer)
        if len(premises) > 1 or len(halves) != 2 or not halves[0] or (premises and not premises[0]):
            return None
        if self.tokenizer.reserved.intersection(*[[t for part in (*premises, *halves) for t in part]]):
            return None
        before, after = (self.tokenizer.decode(half).strip() for half in halves)
        gap = " " if after[:1].isalnum() else ""
        return Statement(
            f"{before} {ANSWERED}{gap}{after}", self.tokenizer.decode(premises[0]).strip() if premises else ""
        )


class Rewritings:
    """Rewritings to learn from: of questions that bring a statement with words before the answer."""

    def __init__(
        self, questions: Sequence[Question], tokenizer: Tokenizer, config: RewritingConfig, room: int = sys.maxsize
    ) -> None:
        self.form, self.config, self.room = Rewriting(tokenizer), config, room
        self.asked = [worded for question in questions if (worded := _worded(question))]
        items = [item for worded in self.asked for item in worded]
        self.names = sorted({word for question, _, _ in items for word in question.entity.split()})
        values = (value for question, _, premise in items for value in presumed(premise, question.entity))
        self.values = sorted({word for value in values for word in WORD.findall(value)})

    def draw(self, key: int) -> Sample | None:
        """A rewriting in place of the visit that `key` draws, or None: a pure function of it.

        Each question comes as often, in however many wordings, so that those with a premise do, which have fewer.
        """
        if not self.asked or uniform(key, 5) >= self.config.fraction:
            return None
        worded = self.asked[int(hash_key(key, 6)) % len(self.asked)]
        question, text, premise = worded[int(hash_key(key, 12)) % len(worded)]
        stated = [s for s in question.statement if not s.startswith(ANSWERED)]
        statement = Statement(stated[int(hash_key(key, 7)) % len(stated)], premise)
        for place, value in enumerate(presumed(premise, question.entity)):
            if uniform(key, 10, place) < self.config.swapped:
                other = _invented_value(value, self.values, int(hash_key(key, 11, place)))
                text, said = (_replaced(part, value, other) for part in (text, statement.premise))
                statement = statement._replace(premise=said)
        if question.entity and uniform(key, 8) < self.config.swapped:
            name = invented_name(len(question.entity.split()), self.names, int(hash_key(key, 9)))
            text = text.replace(question.entity, name)
            statement = Statement(*(part.replace(question.entity, name) for part in statement))
        sample = self.form.sample(text, statement)
        return sample if len(sample) <= self.room else None


def invented_name(words: int, known: Sequence[str], seed: int) -> str:
    """A name of so many words, half of them known ones in new company, half made of syllables."""
    rng = random.Random(seed)
    return " ".join(
        rng.choice(known)
        if known and rng.random() < 0.5
        else "".join(
            rng.choice(ONSETS) + rng.choice(NUCLEI) + rng.choice(CODAS) for _ in range(rng.randint(1, 3))
        ).capitalize()
        for _ in range(words)
    )


def _replaced(text: str, value: str, other: str) -> str:
    """Where the value stands as words of its own."""
    return re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", lambda _: other, text)


def presumed(premise: str, entity: str) -> list[str]:
    """The values that a premise names besides its entity: names and numbers."""
    rest = premise.replace(entity, "\n") if entity else premise
    return [value for value in dict.fromkeys(VALUE.findall(rest)) if value not in ARTICLES]


def _invented_value(value: str, known: Sequence[str], seed: int) -> str:
    """Another value of the same form: names for names, digits for digits."""
    rng = random.Random(seed)

    def other(match: re.Match[str]) -> str:
        word = match.group()
        if word.isdigit():
            return "".join(rng.choice("123456789") for _ in word)
        return invented_name(1, known, rng.getrandbits(32))

    return WORD.sub(other, value)


def presupposed(text: str, premises: Sequence[str]) -> str | None:
    """Which wording of a premise a question says, "" where there is none to say; None where it says none of them."""
    if not premises:
        return ""
    return next((premise for premise in premises if premise.rstrip(".") in text), None)


def _worded(question: Question) -> list[tuple[Question, str, str]]:
    """Each wording of a question that names its entity, with the wording of its premise."""
    if not any(not s.startswith(ANSWERED) for s in question.statement):
        return []
    said = [(text, presupposed(text, question.premise)) for text in (question.text, *question.paraphrases)]
    plain = replace(question, paraphrases=())
    return [(plain, text, p) for text, p in said if p is not None and question.entity in text]


def _split(tokens: Sequence[int], mark: int) -> list[list[int]]:
    parts: list[list[int]] = [[]]
    for token in tokens:
        if token == mark:
            parts.append([])
        else:
            parts[-1].append(int(token))
    return parts
