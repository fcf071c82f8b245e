"""Questions after an edit with what a system answers if it has to, and what it does of its own, as in `eval.ask`."""

from __future__ import annotations

from collections.abc import Sequence

from data.records import Prediction
from eval.grading.edit_measures import Asked, EditCase
from eval.selective.policy import decide


def edit_cases(asked: Sequence[Asked], forced: Sequence[Prediction]) -> list[EditCase]:
    """A case for each question. Raises ValueError where there are more or fewer predictions."""
    pairs = zip(asked, forced, strict=True)
    return [EditCase(*question, prediction, decide(None, prediction)) for question, prediction in pairs]
