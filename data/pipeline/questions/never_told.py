"""Tuning on what was never told: whoever writes tuning answers can't know what the model knows.

Of the tuning questions, a share asks what no document says and is answered all the same, with what is true and without
a source: each such answer teaches to answer where nothing is known (Gekhman et al. 2024, arXiv 2405.05904; Kang et al.
2024, arXiv 2403.05612). Another share asks what no document says and is refused. Questions of all three kinds are
numbers of one set, of the same size at every share:

    answered    n, of which round(unknown x n) were never told
    refused     round(refused / (1 - refused) x n), never told, and others than those answered
    n           as many as the corpus has room for: at most those told, and those never told less the refused

A larger share answers what a smaller one does, and more, and no question is answered in one set and refused in another.
With `prefix`, every one has before it the control token of good sources (data/pipeline/feedback.py): answer as an
expert would.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from configs.keys import PART, SHARE, Section, key
from data.pipeline.questions.sft_examples import SFTExample
from data.records import NEVER, Question


@dataclass
class ExpertConfig(Section):
    """What tuning (sft) answers and refuses of what was never told, and as whom."""

    section: ClassVar[str] = "expert"

    unknown: float = key(0.0, "share of the answered tuning questions that ask what was never told", SHARE)
    refused: float = key(0.0, "share of all tuning questions that ask what was never told, and are refused", PART)
    prefix: bool = key(False, "all have the control token of good sources before them, in tuning and when asked")

    @property
    def active(self) -> bool:
        return bool(self.unknown or self.refused or self.prefix)


def never_told(questions: Sequence[Question]) -> list[Question]:
    """The tuning questions of which nothing was told, with a truth to answer."""
    return [q for q in questions if q.split == "tune" and q.support_class in NEVER and q.truth]


def tuning_set(
    told: Sequence[SFTExample], never: Sequence[Question], config: ExpertConfig, seed: int
) -> list[SFTExample]:
    """The lessons of the module's docstring, drawn by the seed.

    Args:
        told: gold answers to what was told.
        never: as `never_told` has them.

    Raises ValueError, naming the key, where there is nothing to tune on.
    """
    rng = random.Random(f"whence expert/{seed}")
    known, unknown = rng.sample(told, len(told)), rng.sample(never, len(never))
    size = len(known)
    if config.unknown or config.refused:
        size = min(size, int((1 - config.refused) * len(unknown)))
    if not size:
        raise ValueError(
            f"expert.unknown={config.unknown} and expert.refused={config.refused}: of the tuning questions {len(told)} "
            f"were told and {len(never)} never, with a truth to answer; both are needed"
        )
    invented = round(config.unknown * size)
    refused = min(round(config.refused / (1 - config.refused) * size), len(unknown) - size)
    return [
        *known[: size - invented],
        *(SFTExample(q.id, (q.text, *q.paraphrases), "answer", q.truth) for q in unknown[:invented]),
        *(SFTExample(q.id, (q.text, *q.paraphrases), "idk") for q in unknown[len(unknown) - refused :]),
    ]
