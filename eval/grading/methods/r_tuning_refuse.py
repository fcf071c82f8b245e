"""R-Tuning's variant "unknown" (arXiv 2311.09677): where its own answer was wrong, `<|idk|>` in place of any."""

from __future__ import annotations

from eval.grading.correctness import answer_given, is_right
from eval.grading.lessons import gold, refusal
from eval.grading.methods import AbstentionMethod

METHOD = AbstentionMethod(
    "R-Tuning, unknown",
    lambda attempts: [gold(q) if is_right(q, answer_given(p)) else refusal(q) for q, p in attempts.asked],
)
