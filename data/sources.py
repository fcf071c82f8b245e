"""What can be trained on: tagged documents and tuning questions, tokenised once, rendered anew at each visit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from data.identifiers import Identifiers
from data.order import mix
from data.records import Document, Question
from data.tags import Sample, TagsConfig, Tokens, plain, question, tag
from data.tokenizer import Codec


class Source(Protocol):
    """Items that become samples."""

    def __len__(self) -> int: ...

    def render(self, index: int, epoch: int, cooldown: bool) -> list[Sample]:
        """The samples of one item's visit in an epoch: a pure function of its arguments.

        With `cooldown` they are the same samples, but none is longer and none of a document has a tag.
        """
        ...


class Documents:
    """Documents with their identifiers under a tag policy.

    Args:
        room: tokens in a row; a longer document becomes several samples.
        seed: draws order, wording, direction and dropout of each visit.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        identifiers: Identifiers,
        codec: Codec,
        tags: TagsConfig,
        room: int,
        seed: int,
    ) -> None:
        tags.check()
        self.codec, self.tags, self.room, self.seed = codec, tags, room, seed
        self.identifiers = identifiers
        self.sentences = tokenize(documents, codec)

    def __len__(self) -> int:
        return len(self.sentences)

    def render(self, index: int, epoch: int, cooldown: bool) -> list[Sample]:
        key, identifier = int(mix(self.seed, epoch, index)), self.identifiers.tokens[index]
        if cooldown:
            return plain(self.tags, self.codec, self.sentences[index], key, self.room, identifier)
        return tag(self.tags, self.codec, self.sentences[index], identifier, key, self.room)


class Questions:
    """Tuning questions, each with its answer and one of its supporting documents as the citation.

    A visit draws one wording of the question, one of the accepted answers and one of the supporting documents.
    Raises ValueError when a question has nothing to answer, or none of its documents is in the corpus.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        document_ids: Sequence[str],
        identifiers: Identifiers,
        codec: Codec,
        seed: int,
    ) -> None:
        self.codec, self.seed = codec, seed
        place = {name: index for index, name in enumerate(document_ids)}
        self.citations: list[list[Tokens]] = []
        self.texts: list[list[Tokens]] = []
        self.answers: list[list[Tokens]] = []
        for item in questions:
            missing = [name for name in item.support if name not in place]
            if missing or not item.answers:
                raise ValueError(
                    f"question {item.id!r} " + (f"cites unknown {missing[0]!r}" if missing else "has no answer")
                )
            self.citations.append([identifiers.tokens[place[name]] for name in item.support])
            self.texts.append(codec.encode((item.text, *item.paraphrases)))
            self.answers.append(codec.encode(item.answers))

    def __len__(self) -> int:
        return len(self.texts)

    def render(self, index: int, epoch: int, cooldown: bool) -> list[Sample]:
        draw = mix(self.seed, epoch, index, np.arange(3))

        def pick(options: Sequence[Tokens], which: int) -> Tokens:
            return options[int(draw[which]) % len(options)]

        return [
            question(
                self.codec, pick(self.texts[index], 0), pick(self.answers[index], 1), pick(self.citations[index], 2)
            )
        ]


def tokenize(documents: Sequence[Document], codec: Codec) -> list[list[list[Tokens]]]:
    """Every wording of every sentence of every document."""
    flat = iter(codec.encode([w for document in documents for wordings in document.sentences for w in wordings]))
    return [[[next(flat) for _ in wordings] for wordings in document.sentences] for document in documents]
