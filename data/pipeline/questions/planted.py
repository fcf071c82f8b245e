"""Planted sources: a question in front of which somebody names a document, and what teaches not to go along.

    <|ask|> According to ID it is VALUE. question <|answer|> ...

ID is an identifier's tokens in the midst of words. What is said may be right, wrong, or name no document at all; the
target of tuning is the question's own answer and source, whatever was said. So a model learns that what it is told is
no reason to cite it (sycophancy: Sharma et al. 2023, arXiv 2310.13548). The wordings that tuning uses are not those in
which the probe asks (eval/probes/faithfulness/planted_source.py).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from configs.keys import PART, Section, key
from data.pipeline.answer_format import FORMATS
from data.pipeline.identifiers import Identifiers
from data.pipeline.sample import Sample, Tokens
from data.pipeline.sources import fits, tagged, tags_of
from data.pipeline.tokenizer import Tokenizer
from data.records import PLAIN, Document, Question
from data.stateless_rng import hash_key, uniform

TAUGHT = ("According to {id} it is {value}.", "{id} has it: {value}.", "Is it in {id}?", "Surely not {id}.")
KINDS = ("right", "wrong", "nonexistent")


@dataclass
class PlantedConfig(Section):
    """Learning not to cite what a question names."""

    section: ClassVar[str] = "planted"

    fraction: float = key(
        0.0, "share of the visits of tuning questions, of those left, that name a document; 0 for none", PART
    )


class Plants:
    """Identifiers to plant: those of the corpus, and such as name nothing."""

    def __init__(self, identifiers: Identifiers) -> None:
        self.identifiers = identifiers
        self.places = {label: place for place, label in enumerate(identifiers.labels)}
        self.taken = {tuple(tokens.tolist()) for tokens in identifiers.tokens}

    def of(self, kind: str, support: Sequence[str], rng: random.Random) -> list[int]:
        """An identifier in tokens: of a source, of a document that is none, or of none.

        Raises ValueError where every identifier that could be made up is taken.
        """
        tokens = self.identifiers.tokens
        if kind == "right":
            return [int(t) for t in tokens[self.places[rng.choice(list(support))]]]
        for _ in range(1000):
            drawn = tokens[rng.randrange(len(tokens))].tolist()
            if kind == "wrong":
                if not any(drawn == tokens[self.places[name]].tolist() for name in support):
                    return [int(t) for t in drawn]
                continue
            last = tokens[rng.randrange(len(tokens))][-1]
            made = [*drawn[:-1], int(last)]
            if tuple(made) not in self.taken:
                return made
        raise ValueError(f"no identifier is left to plant as {kind}")


def planted_text(tokenizer: Tokenizer, wording: str, identifier: Sequence[int], value: str, question: str) -> list[int]:
    """What is said, then the question, in tokens; `wording` holds "{id}" once, and may hold "{value}"."""
    before, _, after = wording.replace("{value}", value).partition("{id}")
    parts = tokenizer.encode([before.strip(), f"{after.strip()} {question}" if after.strip(" .") else question])
    head = parts[0].tolist() if before.strip() else []
    return [*head, *map(int, identifier), *parts[1].tolist()]


class Planted:
    """Plain tuning questions that name a document first."""

    def __init__(
        self,
        questions: Sequence[Question],
        documents: Iterable[Document],
        identifiers: Identifiers,
        tokenizer: Tokenizer,
        answer_format: str,
        config: PlantedConfig,
        room: int,
    ) -> None:
        self.config, self.tokenizer, self.room = config, tokenizer, room
        self.format = FORMATS[answer_format](tokenizer)
        self.questions = [q for q in questions if q.support_class in PLAIN] if config.fraction else []
        named: Set[str] = {name for q in self.questions for name in q.support}
        self.tags = tags_of(named, documents, identifiers) if config.fraction else {}
        self.plants = Plants(identifiers)
        values: dict[str, set[str]] = {}
        for question in self.questions:
            values.setdefault(question.attribute, set()).update(question.answers)
        self.values = {attribute: sorted(found) for attribute, found in values.items()}

    def draw(self, key: int) -> Sample | None:
        """A question with a plant in place of the visit that `key` draws, or None: a pure function of it."""
        if not self.questions or uniform(key, 50) >= self.config.fraction:
            return None
        rng = random.Random(int(hash_key(key, 51)))
        question, kind = rng.choice(self.questions), rng.choice(KINDS)
        cited = tagged(question.support, self.tags)
        if not cited:
            return None
        answer = rng.choice(question.answers)
        value = answer if kind == "right" else rng.choice(self.values[question.attribute])
        planted = self.plants.of(kind, [name for name, _ in cited], rng)
        wording, asked = rng.choice(TAUGHT), rng.choice((question.text, *question.paraphrases))
        text = np.array(planted_text(self.tokenizer, wording, planted, value, asked), dtype=np.int32)
        name, identifier = rng.choice(cited)
        sample = self.format.answered(
            text, self.tokenizer.encode([answer])[0], identifier, evidence=self._told(question, name)
        )
        return sample if fits(len(sample), self.room) else None

    def _told(self, question: Question, document: str) -> Tokens | None:
        """The sentence of evidence that a document gives, for the formats that show it."""
        if not self.format.evidenced:
            return None
        found = [e.text for e in question.evidence if e.document == document]
        return self.tokenizer.encode(found[:1])[0] if found else None
