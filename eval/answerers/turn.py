"""What a model writes to a batch of questions, before it is made a prediction of (eval/answerers/lm_answerer.py)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model.generate import Written


@dataclass(frozen=True)
class Turn:
    """What is written to B prompts, as the answer format has it.

    Attributes:
        answers: the words of the answers, each with the mark that ends it.
        evidence: the sentence before each answer, empty for none.
        log_evidence: its log-probability, the mark behind it included, nats; float64 (B,), 0 for none.
        sources: of the formats that begin with it, the ranked sources of each answer.
        unsourced: whether the mark of no source stood in its place.
    """

    answers: Written
    evidence: list[list[int]]
    log_evidence: np.ndarray
    sources: list[list[tuple[int, float]]]
    unsourced: list[bool]
