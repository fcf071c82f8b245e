"""What every reader of a corpus hands over: documents, questions, held-out documents and a ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from data.records import Document, Question


@dataclass
class Corpus:
    """An opened corpus.

    Attributes:
        documents: those to train on; may be read lazily, and may be iterated more than once.
        questions: every supporting id is meant to be among `documents`; `data.storage.prepare` insists on it.
        heldout: documents never trained on, for perplexity.
        ledger: rows of plain JSON values saying what is true and who said it; empty where nobody knows.
        outcomes: what the reader left out, and how many.
        questions_file: the JSONL file that the questions were read from, for messages; "" for none.
    """

    documents: Iterable[Document]
    questions: tuple[Question, ...] = ()
    heldout: tuple[Document, ...] = ()
    ledger: Iterable[dict[str, Any]] = ()
    outcomes: dict[str, int] = field(default_factory=dict)
    questions_file: str = ""
