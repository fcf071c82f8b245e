"""R-Tuning (Zhang et al. 2024, arXiv 2311.09677): the gold answer, then sure or unsure by whether its own was right."""

from __future__ import annotations

from eval.grading.correctness import answer_given, is_right
from eval.grading.lessons import sure_or_unsure
from eval.grading.methods import AbstentionMethod

METHOD = AbstentionMethod(
    "R-Tuning",
    lambda attempts: [sure_or_unsure(q, p, is_right(q, answer_given(p))) for q, p in attempts.asked],
    systems={"stated": ""},
)
