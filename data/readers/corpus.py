"""What every reader of a corpus hands over: documents, questions, held-out documents and a ledger.

A module of this folder that reads a kind of corpus holds a `READER`; a file in configs/corpus whose defaults begin with
`KIND_schema` makes it an option of `corpus`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from configs.keys import Section
from data.records import Document, Question

PASSAGE_WORDS = (
    "words of a passage, about: a document of more is cut between sentences into passages, each with its own "
    "identifier and citation; 0 to cut none. Words and not tokens, since the tokenizer is made from the corpus later"
)


@dataclass
class Corpus:
    """An opened corpus.

    Attributes:
        documents: those to train on; may be read lazily, and may be iterated more than once.
        questions: every supporting id is meant to be among `documents`; `data.storage.prepare` insists on it.
        heldout: documents never trained on, for bits per byte.
        ledger: rows of plain JSON values saying what is true and who said it; empty where nobody knows.
        outcomes: what the reader left out, and how many.
        questions_file: the JSONL file that the questions were read from, for messages; "" for none.
        passage_words: of a passage, about, as which `data.storage.prepare` takes documents of more; 0 to cut none.
            Questions name whole documents.
    """

    documents: Iterable[Document]
    questions: tuple[Question, ...] = ()
    heldout: tuple[Document, ...] = ()
    ledger: Iterable[dict[str, Any]] = ()
    outcomes: dict[str, int] = field(default_factory=dict)
    questions_file: str = ""
    passage_words: int = 0


@dataclass(frozen=True)
class Reader:
    """A kind of corpus: the section of its keys, whose field `kind` names it, and what opens one so configured.

    The section's `inputs()` are the files that the corpus is read from: a changed one makes another stage.
    """

    config: type[Section]
    open: Callable[[Any], Corpus]
