"""RLCR: r - (c - r)^2, whether the answer is right less the Brier score of the confidence that it states.

Damani et al. 2025 (arXiv 2507.16806), equation 1. Their format reward is a worst confidence here: 1 - r where none is
stated, so that leaving it out never pays. The best expected reward of an answer that is right with probability p is had
by stating c = p, since the Brier score is proper, and it is p - p (1 - p) = p^2, which still grows with p.
"""

from __future__ import annotations

from data.records import Prediction, Question
from eval.grading.correctness import answer_given, is_right


def rlcr(question: Question, said: Prediction, target: float) -> float:
    right = float(is_right(question, answer_given(said)))
    stated = 1 - right if said.confidence is None else said.confidence
    return right - (stated - right) ** 2


REWARD = rlcr
