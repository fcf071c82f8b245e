"""Confidence in words, aggregated: a question is asked several times, and what is stated becomes one confidence.

The aggregations of Xiong et al. 2024 (arXiv 2306.13063). Each of M queries gives a list of guesses y, the best first,
each with a stated confidence c:

    consistency   share of the queries whose first guess is the answer (`agreement` of eval/grading/agreement.py)
    Avg-Conf      sum of c over the guesses that are the answer / sum of c over all of them
    Pair-Rank     P(answer) of the categorical distribution over all guesses that makes their order likeliest, the sum
                  over lists and pairs of 1[u before v] log P(u) / (P(u) + P(v)). A list is as if drawn without
                  replacement: what it lacks comes behind all that it has

Where one guess leads every list, Pair-Rank's likelihood has no maximum inside and P(answer) would be 1 whatever the
number of lists (the authors' own descent stops after 1,000 steps). Here each of two guesses has come before the other
`PRIOR` times more, which leaves one maximum. Answers are equal by SQuAD's rule.

Shape letters: A distinct guesses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from eval.grading.correctness import normalise
from eval.metrics.statistics import Floats

PRIOR = 0.5
STEPS, CLOSE = 10_000, 1e-12


class Guess(NamedTuple):
    """An answer and the confidence that is stated behind it, in [0, 1]."""

    answer: str
    confidence: float


def avg_conf(answer: str, guesses: Iterable[Guess]) -> float:
    """The share of all stated confidence that the answer has, in [0, 1]; 0 where none is stated."""
    own = total = 0.0
    for guess in guesses:
        total += guess.confidence
        own += guess.confidence if normalise(guess.answer) == normalise(answer) else 0.0
    return own / total if total else 0.0


def pair_rank(answer: str, lists: Sequence[Sequence[str]]) -> float:
    """P(answer) by the order of guesses in lists, the best first; 1 where nothing else was guessed."""
    ranked = [list(dict.fromkeys(map(normalise, guesses))) for guesses in lists]
    names = list(dict.fromkeys([normalise(answer), *(name for names in ranked for name in names)]))
    place = {name: at for at, name in enumerate(names)}
    wins = np.zeros((len(names), len(names)))
    for guesses in ranked:
        behind = np.ones(len(names))
        for name in guesses:
            behind[place[name]] = 0.0
            wins[place[name]] += behind
    return float(bradley_terry(wins + PRIOR)[0])


def bradley_terry(wins: Floats) -> Floats:
    """Strengths (A,), of sum 1, that make pairwise wins (A, A) likeliest: P(u before v) = p_u / (p_u + p_v).

    By minorisation and maximisation (Hunter 2004, *MM algorithms for generalized Bradley-Terry models*), which climbs
    with every step; all wins off the diagonal must be above 0 for there to be one maximum. The diagonal is not read.
    """
    off = 1 - np.eye(len(wins))
    met, won = (wins + wins.T) * off, (wins * off).sum(1)
    p = np.full(len(wins), 1 / len(wins))
    if len(wins) == 1:
        return p
    for _ in range(STEPS):
        following = won / (met / (p[:, None] + p)).sum(1)
        following /= following.sum()
        if np.abs(following - p).max() < CLOSE:
            return following
        p = following
    return p
