"""Scores of multiple choice from the log-probabilities of the choices: smooth ones beside the accuracy.

With l the log-probabilities of the K choices, each a sum over its tokens, and G the right ones (mostly one):

    correct    whether the likeliest choice is in G; the first of equals counts as it
    loss       -log sum over G of softmax(l), nats: log K where all are alike
    log_prob   log sum over G of exp(l), nats: whether the model would say it at all
    coverage   log sum of exp(l), nats: where it is far below 0 the model says something else, and loss and correct
               tell of what it hardly considers

The first three move smoothly where accuracies stand still, and can fall while accuracies rise. Loss and coverage are
those of the Inverse Scaling Prize (McKenzie et al. 2023, arXiv 2306.09479); `correct` is BIG-bench's multiple choice
grade (Srivastava et al. 2022, arXiv 2206.04615) where its scores are 0 and 1.

Shape letters: N examples, K choices of one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.metrics.statistics import Floats


@dataclass(frozen=True)
class ChoiceScores:
    """float64 (N,) each; see the module docstring."""

    correct: Floats
    loss: Floats
    log_prob: Floats
    coverage: Floats


def choice_scores(log_probs: Sequence[Floats], right: Sequence[Sequence[bool]]) -> ChoiceScores:
    """Of each example the scores.

    Args:
        log_probs: (K,) each, nats.
        right: of each choice whether it is a right one. Raises ValueError where none is.
    """
    rows = []
    for number, (each, gold) in enumerate(zip(log_probs, right, strict=True)):
        scores, mask = np.asarray(each, dtype=np.float64), np.asarray(gold, dtype=bool)
        if not mask.any() or len(mask) != len(scores):
            raise ValueError(f"example {number} has no right choice among {len(scores)}")
        said, all_said = np.logaddexp.reduce(scores[mask]), np.logaddexp.reduce(scores)
        rows.append((float(mask[int(scores.argmax())]), all_said - said, said, all_said))
    return ChoiceScores(*np.array(rows, dtype=np.float64).reshape(len(rows), 4).T)
