"""Graded: a right answer is given, hedged by the mark where the samples disagree; a wrong one is `<|idk|>`.

A wrong answer that the samples agree on is among these: agreement can't see this one.
"""

from __future__ import annotations

from data.pipeline.questions.sft_examples import SFTExample
from data.records import Prediction, Question
from eval.grading.correctness import asserting, is_right
from eval.grading.lessons import answered, first_source, judged, refusal, words_of
from eval.grading.methods import AbstentionMethod


def _lessons(question: Question, prediction: Prediction) -> list[SFTExample]:
    if not (answer := words_of(prediction)):
        return [refusal(question)]
    source, says_so = first_source(prediction), asserting(question, answer)
    if not is_right(question, answer):
        return [refusal(question), judged(question, answer, source, 0.0)]
    right = sum(is_right(question, said) for said in prediction.samples) / len(prediction.samples)
    cited = source if not source or source in says_so else says_so[0]
    return [answered(question, answer, cited, right)]


METHOD = AbstentionMethod(
    "second phase, graded",
    lambda attempts: [lesson for q, p in attempts.asked for lesson in _lessons(q, p)],
    systems={"own": "", "stated": ", its confidence"},
)
