"""What is evaluated: anything that answers questions with ranked sources.

Our model, the floors, BM25, the oracle and any other system are scored through this one protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from data.records import Prediction, Question


class Answerer(Protocol):
    """A named system that answers questions."""

    name: str

    @property
    def nbytes(self) -> int | None:
        """Held at question time: weights, texts, vectors. None for a floor or the oracle, which nobody would run."""
        ...

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        """One prediction per question, in the order of the questions."""
        ...
