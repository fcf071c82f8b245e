"""Whether the answer is right, 1 or 0, however sure it says it is: the RLVR that RLCR is put beside."""

from __future__ import annotations

from data.records import Prediction, Question
from eval.grading.correctness import answer_given, is_right


def correct(question: Question, said: Prediction, target: float) -> float:
    return float(is_right(question, answer_given(said)))


REWARD = correct
