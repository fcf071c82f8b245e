"""Do several answers to a question agree? That needs no label, and no model once they are drawn.

agreement   share of the samples that say what the answer says (self-consistency, Wang et al. 2022, arXiv 2203.11171)
entropy     discrete semantic entropy, -sum over meanings of p log p (Farquhar et al. 2024, Nature 630); the answers
            are values of a closed vocabulary, so a meaning is a normalised text and no entailment model is needed
"""

from __future__ import annotations

import math
from collections import Counter

from eval.grading.correctness import normalise

Samples = tuple[str, ...]  # of one question; "" for one without a well-formed answer


def agreement(samples: Samples, answer: str) -> float:
    """Share of the samples that mean `answer`."""
    return meanings(samples)[normalise(answer)] / len(samples)


def entropy(samples: Samples) -> float:
    """Discrete semantic entropy in nats; samples that are not well formed are meanings of their own."""
    counts = [n for meaning, n in meanings(samples).items() if meaning] + [1] * meanings(samples)[""]
    return -sum(n / len(samples) * math.log(n / len(samples)) for n in counts)


def meanings(samples: Samples) -> Counter[str]:
    """How often each normalised answer was said, "" for those that are not well formed."""
    return Counter(map(normalise, samples))
