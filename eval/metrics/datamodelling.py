"""How well do scores of attribution foretell what a model says when it is trained on a part of its documents?

The linear datamodelling score (Park et al. 2023, arXiv 2303.14186, section 2). Models M_j are trained on subsets S_j of
the documents. A score tau_z(d) of each document for each query z predicts an output of M_j by

    g_z(S_j) = sum over d in S_j of tau_z(d)
    LDS_z    = Spearman correlation over j of g_z(S_j) and f_z(M_j)

with f here the log-probability of the right answer; the score is the mean over queries. Where f or g is the same for
all subsets there is no correlation and the query does not count. Its ceiling is the same correlation of two models
trained on each subset that differ in their seed: noise that nothing can foretell.

Shape letters: M subsets, D documents, Q queries.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from eval.metrics.statistics import Floats


def spearman(one: Floats, other: Floats) -> Floats:
    """Over the first axis of two (M, Q), equal values at their mean rank: (Q,), nan where one side is constant."""
    ranks = [rankdata(values, axis=0) for values in (one, other)]
    x, y = (each - each.mean(0) for each in ranks)
    top, bottom = (x * y).sum(0), np.sqrt((x**2).sum(0) * (y**2).sum(0))
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)


def predicted(scores: Floats, subsets: NDArray[np.bool_]) -> Floats:
    """g of the module's docstring: (M, Q), from scores (Q, D) and whether each subset has each document, (M, D)."""
    found: Floats = subsets.astype(np.float64) @ scores.T
    return found


def datamodelling_scores(scores: Floats, subsets: NDArray[np.bool_], outputs: Floats) -> Floats:
    """LDS of each query, (Q,), nan where it is undefined.

    Args:
        scores: (Q, D).
        subsets: (M, D).
        outputs: f, (M, Q).
    """
    return spearman(predicted(scores, subsets), outputs)
