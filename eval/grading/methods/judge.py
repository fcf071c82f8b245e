"""P(True) (Kadavath et al. 2022, arXiv 2207.05221): own answers, sampled ones too, each marked right or wrong.

The mark is the only thing learnt.
"""

from __future__ import annotations

from data.pipeline.questions.sft_examples import SFTExample
from data.records import Prediction, Question
from eval.grading.agreement import meanings
from eval.grading.correctness import is_right, normalise
from eval.grading.lessons import first_source, judged, words_of
from eval.grading.methods import AbstentionMethod

PROPOSALS = 3  # answers judged to a question


def _lessons(question: Question, prediction: Prediction) -> list[SFTExample]:
    own = [answer] if (answer := words_of(prediction)) else []
    said = {normalise(answer): answer for answer in (*prediction.samples, *own) if answer}
    likeliest = [said[meaning] for meaning, _ in meanings(prediction.samples).most_common() if meaning in said]
    return [
        judged(question, answer, first_source(prediction), float(is_right(question, answer)))
        for answer in list(dict.fromkeys([*own, *likeliest]))[:PROPOSALS]
    ]


METHOD = AbstentionMethod(
    "P(True), tuned judge",
    lambda attempts: [lesson for q, p in attempts.asked for lesson in _lessons(q, p)],
    systems={"stated": ""},
)
