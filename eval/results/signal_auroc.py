"""Which signal tells best what was told, and what is right? AUROCs side by side, differences paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from data.records import ANSWERABLE, Question
from eval.metrics.selective_prediction import auroc
from eval.metrics.statistics import Floats, bootstrap_draws, holm, p_value, percentile_interval
from eval.results.cases import NEVER
from eval.results.selective_metrics import interval_of

PAIRS = ("answerable", *NEVER, "right")  # told against never told, all and by class; right against wrong among told

OF_QUESTION_SETS = ("withheld", "unanswerable")  # classes that no generated world has


class Signal(NamedTuple):
    """Of N questions a score, more is more certain, float64 (N,); whether the answer it is of is right, bool (N,)."""

    score: Floats
    correct: np.ndarray


def by_signal(questions: Sequence[Question], signals: Mapping[str, Signal], main: str) -> dict[str, Any]:
    """For each signal {pair: {"value", "interval"}} for `PAIRS`, those of question sets where there are any.

    All but `main` also have "difference", theirs less that of `main` in telling told from never told: {"value",
    "interval", "p"}, entities resampled, p after Holm.
    """
    entities, classes = [q.entity for q in questions], np.array([q.support_class for q in questions])
    told = np.isin(classes, ANSWERABLE)
    either = told | np.isin(classes, NEVER)
    among = {"answerable": either, "right": told} | {name: told | (classes == name) for name in NEVER}

    def ranked(signal: Signal, pair: str, weights: Floats | None) -> Any:
        here, label = among[pair], signal.correct if pair == "right" else told
        return auroc(signal.score[here], label[here], None if weights is None else weights[:, here])

    def behind(signal: Signal, weights: Floats | None) -> Any:
        return ranked(signal, "answerable", weights) - ranked(signals[main], "answerable", weights)

    pairs = [pair for pair in PAIRS if pair not in OF_QUESTION_SETS or (classes == pair).any()]
    found: dict[str, Any] = {
        name: {pair: interval_of(partial(ranked, signal, pair), entities) for pair in pairs}
        for name, signal in signals.items()
    }
    p_values = {}
    for name, signal in signals.items():
        if name != main:
            draws = bootstrap_draws(partial(behind, signal), entities)
            found[name]["difference"] = {"value": float(behind(signal, None)), "interval": percentile_interval(draws)}
            if (p := p_value(draws)) is not None:
                p_values[name] = p
    for name, p in holm(p_values).items():
        found[name]["difference"]["p"] = p
    return found
