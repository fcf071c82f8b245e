"""How alike two distributions over the same options are.

    JSD(p, q) = H((p + q) / 2) - (H(p) + H(q)) / 2, H in bits: in [0, 1]
    similarity = 1 - sqrt(JSD): 1 for equal ones, 0 for those that share no option

The root is a metric, the Jensen-Shannon distance (Endres and Schindelin 2003); 1 less it compares the answers of models
with those of countries in GlobalOpinionQA (Durmus et al. 2023, arXiv 2306.16388).

Shape letters: K options.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from eval.metrics.statistics import Floats


def similarity(p: ArrayLike, q: ArrayLike) -> Floats:
    """Of distributions (..., K): (...)."""
    one, other = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    divergence = _entropy((one + other) / 2) - (_entropy(one) + _entropy(other)) / 2
    found: Floats = 1.0 - np.sqrt(np.clip(divergence, 0.0, 1.0))
    return found


def _entropy(p: Floats) -> Floats:
    """In bits; 0 log 0 is 0."""
    logs = np.log2(p, out=np.zeros_like(p), where=p > 0)
    found: Floats = -(p * logs).sum(-1)
    return found
