"""An answer and its rivals: of all that may be answered to a question, what was checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from data.records import Prediction


def candidates(prediction: Prediction) -> list[Prediction]:
    """The answer and its rivals, those that were checked."""
    return [p for p in (prediction, *prediction.rivals) if "lp_statement_given_id" in p.signals]


def enumerate_candidates(said: Sequence[Prediction]) -> list[tuple[int, Prediction]]:
    """All candidates, each with the number of its question."""
    return [(number, candidate) for number, p in enumerate(said) for candidate in candidates(p)]


def with_signals(
    said: Sequence[Prediction], held: Sequence[Prediction], others: Sequence[Prediction]
) -> list[Prediction]:
    """The predictions, the answers and rivals `held` exchanged for others, each with the rivals it had."""
    found = {id(candidate): other for candidate, other in zip(held, others, strict=True)}

    def of(p: Prediction) -> Prediction:
        return replace(found.get(id(p), p), rivals=tuple(map(of, p.rivals)))

    return list(map(of, said))
