"""Several agents deliberate: models of other seeds are asked the same, and an answer is worth what they think of it.

The small analogue of collaborative calibration (Yang et al. 2024, arXiv 2404.09127), whose agents argue in words. Here
each of A agents gives an answer y_a with its own confidence p_a, and an answer y has

    votes(y)       share of agents with y_a = y
    confidence(y)  sum over agents with y_a = y of p_a / A

so that whoever says something else takes its whole weight away. Answers are equal by SQuAD's rule.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.grading.correctness import exact_match
from eval.metrics.statistics import Floats


def deliberate(
    answers: Sequence[Sequence[str]], confidences: Sequence[Sequence[float]], agent: int
) -> tuple[Floats, Floats]:
    """Votes and confidence, [N] each, of what one agent answered.

    Args:
        answers, confidences: [A][N], of each agent to each question; "" for no answer, which agrees with none.
    """
    own = answers[agent]
    same = np.array(
        [[bool(a) and bool(b) and exact_match(a, (b,)) for a, b in zip(theirs, own, strict=True)] for theirs in answers]
    )
    return same.mean(0), (same * np.asarray(confidences, dtype=np.float64)).sum(0) / len(answers)
