"""Label-free: its own answer where the samples agree, else `<|idk|>`; the mark of confidence is their agreement.

Tjandra et al. 2024 (arXiv 2410.17234); EliCal (arXiv 2510.17509).
"""

from __future__ import annotations

from data.pipeline.questions.sft_examples import SFTExample
from data.records import Prediction, Question
from eval.grading.agreement import agreement
from eval.grading.lessons import answered, first_source, judged, unknown, words_of
from eval.grading.methods import AbstentionMethod

CONSISTENT = 0.7  # share of the samples that agree with the answer, or more


def _lessons(question: Question, prediction: Prediction) -> list[SFTExample]:
    if not (answer := words_of(prediction)):
        return [unknown(question)]
    agreed, source = agreement(prediction.samples, answer), first_source(prediction)
    if agreed >= CONSISTENT:
        return [answered(question, answer, source, agreed)]
    return [unknown(question), judged(question, answer, source, agreed)]


METHOD = AbstentionMethod(
    "second phase, label-free",
    lambda attempts: [lesson for q, p in attempts.asked for lesson in _lessons(q, p)],
    systems={"own": "", "stated": ", its confidence"},
)
