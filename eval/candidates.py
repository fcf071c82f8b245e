"""An answer and its rivals: of all that may be answered to a question, what was checked, and what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from data.records import Prediction


def candidates(prediction: Prediction) -> list[Prediction]:
    """The answer and its rivals, those that were checked."""
    return [p for p in (prediction, *prediction.rivals) if "told" in p.signals]


def numbered(said: Sequence[Prediction]) -> list[tuple[int, Prediction]]:
    """All candidates, each with the number of its question."""
    return [(number, candidate) for number, p in enumerate(said) for candidate in candidates(p)]


def with_signals(
    said: Sequence[Prediction], held: Sequence[tuple[int, Prediction]], signals: Sequence[Mapping[str, float]]
) -> list[Prediction]:
    """The predictions, some of their answers and rivals, `held`, with further signals."""
    gained = {id(candidate): more for (_, candidate), more in zip(held, signals, strict=True)}

    def grown(p: Prediction) -> Prediction:
        return replace(p, signals={**p.signals, **gained.get(id(p), {})}, rivals=tuple(map(grown, p.rivals)))

    return list(map(grown, said))
