"""An answer with its source, by the ledger: 1 with a source that supports it, 1/2 right without, 0 withheld.

What is known without a source is worth 1 where none is cited. A wrong answer, and what is not well formed, cost
t / (1 - t): as much as makes an answer worth giving from a confidence of t on (Kalai et al. 2025, arXiv 2509.04664).
"""

from __future__ import annotations

from data.records import Prediction, Question
from eval.grading.correctness import answer_given, is_right, supports
from eval.grading.outcomes import WITHHELD
from eval.metrics.selective_prediction import penalty


def cited(question: Question, said: Prediction, target: float) -> float:
    if said.outcome in WITHHELD:
        return 0.0
    answer = answer_given(said)
    if not is_right(question, answer):
        return -penalty(target)
    if question.support_class == "untagged":
        return 1.0 if said.outcome == "no_source" else 0.5
    return 1.0 if said.citations and supports(question, answer, said.citations[0].id) else 0.5


REWARD = cited
