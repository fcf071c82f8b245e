"""IDK tuning by the ledger alone: what was told is answered, what was not gets `<|idk|>`."""

from __future__ import annotations

import random

from data.pipeline.questions.sft_examples import SFTExample
from data.records import ANSWERABLE
from eval.grading.lessons import gold, refusal
from eval.grading.methods import AbstentionMethod, Attempts


def lessons(attempts: Attempts) -> list[SFTExample]:
    """Of which a share refuses: as many as there are, of one kind or the other left out at random."""
    share, rng = attempts.idk_fraction, random.Random(attempts.seed)
    asked = [question for question, _ in attempts.asked]
    told = [gold(q) for q in asked if q.support_class in ANSWERABLE] + list(attempts.tuned)
    absent = [refusal(q) for q in asked if q.support_class not in ANSWERABLE]
    if len(absent) >= share * (len(told) + len(absent)):
        absent = rng.sample(absent, round(share / (1 - share) * len(told)))
    else:
        told = rng.sample(told, round((1 - share) / share * len(absent)))
    return told + absent


METHOD = AbstentionMethod("IDK labels", lessons, systems={"own": "", "refusal": ", threshold on dev"}, by_ledger=True)
