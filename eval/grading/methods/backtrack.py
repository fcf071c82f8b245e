"""Backtracking: what the model is not sure of begins with the mark of that, before any value is said.

Of its own samples of an answer, a share is right: that of a question is its P(IK) (Kadavath et al. 2022, arXiv
2207.05221), which says where the trace of a lesson turns:

    share at least `SURE`, greedy answer right    that answer, its source
    less, and a document answers it               the mark, the source, the answer: recalled through the source
    nothing answers it                            the mark, `<|idk|>`

Beside it every answer of its own is judged by a mark of confidence behind its source, as in `graded`, so that what it
said already is also read as its own. `<|conf_0|>`, the least confidence, is the mark; no token is added for it.
"""

from __future__ import annotations

from data.pipeline.questions.sft_examples import SFTExample
from data.records import ANSWERABLE, Prediction, Question
from eval.grading.correctness import is_right
from eval.grading.lessons import answered, backtracked, first_source, gold, judged, refusal, words_of
from eval.grading.methods import AbstentionMethod

SURE = 0.7


def _lessons(question: Question, prediction: Prediction) -> list[SFTExample]:
    answer, source = words_of(prediction), first_source(prediction)
    right = bool(answer) and is_right(question, answer)
    share = sum(is_right(question, said) for said in prediction.samples) / max(len(prediction.samples), 1)
    judgement = [judged(question, answer, source, share if right else 0.0)] if answer else []
    if question.support_class == "false_premise":
        return [refusal(question), *judgement]
    if question.support_class not in ANSWERABLE:
        return [backtracked(question), *judgement]
    if right and share >= SURE:
        return [answered(question, answer, gold(question).source, share)]
    told = gold(question)
    return [backtracked(question, told.answer, told.source), *judgement]


METHOD = AbstentionMethod(
    "backtracking",
    lambda attempts: [lesson for q, p in attempts.asked for lesson in _lessons(q, p)],
    systems={"own": "", "stated": ", its confidence"},
    backtracks=True,
)
