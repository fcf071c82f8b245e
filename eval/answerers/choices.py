"""How likely each choice is to follow a text: what tasks of multiple choice need of any model.

A text of ours is read in the two forms that whence was trained on. Running text is read as a document. Text that begins
with "Question:" is read as questions one behind the other, in the lines that eval/answerers/prompted/prompt.py shows to
other models, the last of them open where a choice follows:

    Question: Where was Ada Moss born?           Question: Where was Ada Moss born?
    Answer: Oslo                                 Answer:
    Source:

Choices of a source are labels of documents, which are scored by their identifiers with the mark that closes them; other
choices are scored by their words alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from eval.answerers.likelihoods import token_log_probs
from eval.answerers.lm_answerer import LMAnswerer
from eval.metrics.statistics import Floats

_BLOCK = re.compile(r"Question: (?P<asked>[^\n]+)\nAnswer:(?: (?P<answer>[^\n]+)\nSource:(?: (?P<source>[^\n]+))?)?")


class Chooser(Protocol):
    """A model that can be asked how likely continuations are."""

    def fits(self, text: str, choices: Sequence[str]) -> bool:
        """Whether it reads the text with each of its choices at once."""
        ...

    def log_probs(self, texts: Sequence[str], choices: Sequence[Sequence[str]]) -> list[Floats]:
        """Of each text the log-probability of each of its choices as they follow it, float64 (K,), nats."""
        ...


class LMChooser:
    """One of our models. It reads questions only where it answers before it cites (`answer_format=direct`)."""

    def __init__(self, answerer: LMAnswerer) -> None:
        self.answerer = answerer
        identifiers = answerer.identifiers
        self.tags = dict(zip(identifiers.labels, identifiers.tokens, strict=True))

    def fits(self, text: str, choices: Sequence[str]) -> bool:
        return all(len(before) + len(said) <= self.answerer.longest for before, said in self._rows(text, choices))

    def log_probs(self, texts: Sequence[str], choices: Sequence[Sequence[str]]) -> list[Floats]:
        """See `Chooser`. Raises ValueError for a text longer than the model reads, or a source that is no document."""
        if any(not self.fits(text, each) for text, each in zip(texts, choices, strict=True)):
            raise ValueError(
                f"a text with its choice is more than the {self.answerer.longest} tokens that the model reads"
            )
        rows = [row for text, each in zip(texts, choices, strict=True) for row in self._rows(text, each)]
        found = iter(token_log_probs(self.answerer.model, rows, self.answerer.batch))
        return [np.array([float(next(found).sum()) for _ in each]) for each in choices]

    def _rows(self, text: str, choices: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        return [self._row(text, choice) for choice in choices]

    def _row(self, text: str, choice: str) -> tuple[list[int], list[int]]:
        tokenizer, form = self.answerer.tokenizer, self.answerer.format
        if not text.startswith("Question: "):
            read, whole = (tokens.tolist() for tokens in tokenizer.encode([text, text + choice]))
            return split([tokenizer.doc, *read], [tokenizer.doc, *whole])
        *shots, last = text.split("\n\n")
        prefix = [token for block in shots for token in self._shot(block)]
        found = _block(last)
        asked, answer = tokenizer.encode([found["asked"], found["answer"] or ""])
        if found["source"]:
            raise ValueError(f"{last!r} leaves nothing open")
        if found["answer"]:
            return [*prefix, *form.prompt(asked), *answer.tolist(), form.opening], [*self._tag(choice), form.closing]
        return [*prefix, *form.prompt(asked)], tokenizer.encode([choice.strip()])[0].tolist()

    def _shot(self, block: str) -> list[int]:
        """A question with its answer and source, and the mark that ends it."""
        tokenizer, form, found = self.answerer.tokenizer, self.answerer.format, _block(block)
        if not found["source"]:
            raise ValueError(f"{block!r} has no source")
        asked, answer = tokenizer.encode([found["asked"], found["answer"]])
        return [*form.prompt(asked), *answer.tolist(), *form.citation(self._tag(found["source"])), tokenizer.end]

    def _tag(self, label: str) -> list[int]:
        label = label.strip()
        if label not in self.tags:
            raise ValueError(f"{label!r} is no document of this run")
        return [int(token) for token in self.tags[label]]


def _block(text: str) -> re.Match[str]:
    if (found := _BLOCK.fullmatch(text)) is None:
        raise ValueError(f"{text!r} is no question with its answer and source")
    return found


def split(read: Sequence[int], whole: Sequence[int]) -> tuple[list[int], list[int]]:
    """The tokens of a text with its choice, cut where they first differ from those of the text alone.

    So a tokenizer that joins the end of the text with the choice is scored on the joined token. Where that is all of
    the text, its last token is scored with the choice. Raises ValueError for a choice without a token.
    """
    same = next((i for i, (a, b) in enumerate(zip(read, whole, strict=False)) if a != b), min(len(read), len(whole)))
    cut = min(same, len(whole) - 1)
    if len(whole) <= same or cut < 1:
        raise ValueError("a choice adds no token to its text, or there is no text before it")
    return list(whole[:cut]), list(whole[cut:])
