"""What probes by scoring alone share: which questions they report on, log-probabilities, and intervals.

Shape letters: N items, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from data.records import Question
from eval.metrics.statistics import Floats, bootstrap_draws, percentile_interval
from model.generate import Context, pad_left, read
from model.transformer import Transformer

RESAMPLES = 500

Tokens = Sequence[int] | np.ndarray


def held_out(questions: Sequence[Question]) -> list[Question]:
    """Those to report on: of split never_tuned, and of its test fold where there are folds."""
    folds = any(question.fold for question in questions)
    return [q for q in questions if q.split == "never_tuned" and (q.fold == "test" or not folds)]


def token_log_probs(model: Transformer, rows: Sequence[tuple[Tokens, Tokens]], batch: int = 256) -> list[Floats]:
    """Log-probabilities of each text's tokens after its prefix, neither of them empty: float64 (T,) each, nats.

    Args:
        rows: (prefix, text) token lists; similar lengths are read side by side.
    """
    device = model.embed_tokens.weight.device
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]) + len(rows[i][1]))
    found: list[Floats] = [np.empty(0)] * len(rows)
    for start in range(0, len(order), batch):
        chunk = order[start : start + batch]
        tokens, present = pad_left([[*rows[i][0], *rows[i][1]] for i in chunk], device)
        log_probs = read(model, Context.empty(model, len(chunk)), tokens, present).log_softmax(-1)
        scores = log_probs[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0].double().cpu().numpy()
        for i, score in zip(chunk, scores, strict=True):
            found[i] = score[len(score) - len(rows[i][1]) :]  # all end together
    return found


def measured(statistic: Callable[[Floats], Any], clusters: Sequence[Hashable]) -> dict[str, Any]:
    """{"value", "interval"} of a statistic of weights [..., N]; None for what is undefined."""
    value = float(statistic(np.ones(len(clusters))))
    draws = bootstrap_draws(statistic, clusters, resamples=RESAMPLES)
    return {"value": None if np.isnan(value) else value, "interval": percentile_interval(draws)}
