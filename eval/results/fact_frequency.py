"""Does it matter how often a fact is told? Right, cited and withheld by the number of documents that say so.

Beside it stands the singleton rate |S| / N, with S the facts that exactly one document tells and N all tellings (a fact
that four documents tell is told four times). It is Good and Turing's estimate of how often the next fact told would be
one never told before, and on arbitrary facts, asked for as often as they are told, it bounds the error of a model that
always answers from below: err >= |S| / N - 2 / (least number of wrong answers) - (35 + 6 ln N) / sqrt(N) - a term of
miscalibration (Kalai et al. 2025, arXiv 2509.04664, definition 2 and theorem 2; Kalai and Vempala 2024, arXiv
2311.14648). N is too small here for these terms, and a fold asks for each told fact once, however often it was told:
so the rate and the error that was seen stand side by side, not as a test of the bound. The share of the facts that are
told once (|S| over the number of facts) is larger, and is no such estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from data.records import NEVER, PLAIN, Prediction, Question
from eval.grading.correctness import right, supported
from eval.metrics.statistics import bootstrap_ratio


def exposure_curve(
    questions: Sequence[Question], forced: Sequence[Prediction], free: Sequence[Prediction]
) -> dict[str, Any]:
    """Of the questions of one fold; {} without a plain told one (class single or multi). Plain JSON values.

    Args:
        forced, free: the predictions of the mode that takes every answer and of the one that may withhold it, in the
            order of the questions.

    Returns:
        by_documents     ascending, for each number of supporting documents, rounded down to a power of two:
            documents, n, entities  that number, how many plain told questions have it, on how many entities
            right, right_cited      forced mode: answered right; that, and the first citation is a supporting document
            withheld                free mode: abstained
        singletons       |S| / N, see above
        singleton_facts  share of the plain told facts that exactly one document tells
        error            share of the plain told and the never-told questions that forced mode does not get right
        never_told       share of those that were never told

        Every share is {"value", "interval"}, the last four with "n", of how many. The interval (95%, entities
        resampled) is None for fewer than two entities.
    """
    answered, silent = right(questions, forced), np.array([p.outcome == "abstained" for p in free], dtype=bool)
    cited = supported(questions, forced) & np.array([p.outcome == "answered" for p in forced], dtype=bool)
    classes = np.array([q.support_class for q in questions])
    told, never = np.isin(classes, PLAIN), np.isin(classes, NEVER)
    if not told.any():
        return {}
    support = np.array([len(q.support) for q in questions])
    entities = np.array([q.entity or f"question {q.id}" for q in questions])
    level = np.array([1 << len(q.support).bit_length() - 1 if q.support else 0 for q in questions])

    def share(here: np.ndarray, top: ArrayLike, bottom: ArrayLike = 1) -> dict[str, Any]:
        """sum(top) / sum(bottom) over the questions `here`; arrays are over all questions."""
        above, below = (np.broadcast_to(values, here.shape)[here].astype(np.float64) for values in (top, bottom))
        interval = bootstrap_ratio(above, below, entities[here].tolist())
        return {"value": float(above.sum() / below.sum()), "interval": None if interval is None else list(interval)}

    rows = []
    for documents in np.unique(level[told]).tolist():
        here = told & (level == documents)
        rows.append(
            {
                "documents": documents,
                "n": int(here.sum()),
                "entities": len(set(entities[here].tolist())),
                "right": share(here, answered),
                "right_cited": share(here, answered & cited),
                "withheld": share(here, silent),
            }
        )
    asked = told | never
    return {
        "by_documents": rows,
        "singletons": share(told, support == 1, support) | {"n": int(support[told].sum())},
        "singleton_facts": share(told, support == 1) | {"n": int(told.sum())},
        "error": share(asked, ~answered) | {"n": int(asked.sum())},
        "never_told": share(asked, never) | {"n": int(asked.sum())},
    }
