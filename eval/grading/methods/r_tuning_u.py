"""R-Tuning-U, its label-free variant (arXiv 2311.09677): sure and unsure by the entropy of the samples, half each."""

from __future__ import annotations

from data.pipeline.questions.sft_examples import SFTExample
from eval.grading.agreement import entropy
from eval.grading.lessons import sure_or_unsure
from eval.grading.methods import AbstentionMethod, Attempts


def lessons(attempts: Attempts) -> list[SFTExample]:
    asked = attempts.asked
    certain = sorted(range(len(asked)), key=lambda i: entropy(asked[i][1].samples))
    sure = set(certain[: len(certain) // 2])
    return [sure_or_unsure(q, p, i in sure) for i, (q, p) in enumerate(asked)]


METHOD = AbstentionMethod("R-Tuning-U", lessons, systems={"stated": ""})
