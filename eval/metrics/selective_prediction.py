"""Does it answer when it should, and only then? Ranking by confidence, thresholds, and decisions.

**Ranking** (selective prediction): answers in order of confidence, of which the most confident are kept. Only the order
counts, so any real score will do; ties are not broken: they count as the mean over all their orders.

    auroc             P(a right answer has more confidence than a wrong one), ties a half (Mann and Whitney 1947); with
                      "told" in place of "correct" it compares what was told with what was not
    risk_coverage     share wrong among the most confident k, over k / N
    aurc, e_aurc      mean of that risk over k = 1..N, and what exceeds the best order (Geifman et al. 2019)
    augrc             area under the share of all items that is kept and wrong, over coverage (Traub et al. 2024, arXiv
                      2407.01032) = (1 - AUROC) acc (1 - acc) + (1 - acc)^2 / 2
    recall at coverage  of what was never told, the share withheld where a share of what was told is answered
    coverage at risk  `threshold_at_risk` on dev, then `at_threshold` on test, which gives coverage and the true risk

**Decisions**: what a system said (an outcome of data.records.OUTCOMES) against what the corpus tells. A question that
could be counted either way counts against the system, so that no failure ever helps: unparseable is a wrong answer, a
missing abstention, a missing answer and a possible false citation, all at once.

Every metric takes `weights` as in eval.metrics.calibration. What has no denominator is nan.

Why not a library: torch-uncertainty 0.13.0 reads a score as P(class 1) and orders ties arbitrarily; the curves of
lm-polygraph 0.7.0 depend on the sort order of ties and rescale the target; scikit-learn's AUROC is right, but takes one
sample at a time; AbstentionBench drops what its judge could not read and SimpleQA's grader counts it as not attempted,
both of which flatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma

from data.records import OUTCOMES
from eval.metrics.calibration import Bools, bin_sums, checked_pairs, checked_weights, ratio, unique_bins
from eval.metrics.statistics import Floats

SUPPORT = ("tagged", "untagged", "absent")
DECISIONS = ("cited", "no_source", "abstained", "other")


class Selection(NamedTuple):
    """What a threshold keeps: coverage [...], the share of all items, and risk [...], the share wrong among them."""

    coverage: Floats
    risk: Floats


def auroc(confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """P(confidence of a right item > that of a wrong one) + P(equal) / 2; nan when there is only one kind."""
    n, wrong = _tallies(confidence, correct, weights)
    right = n - wrong
    outranked = np.cumsum(wrong[..., ::-1], axis=-1)[..., ::-1] - wrong / 2  # wrong at lower levels, half of the ties
    return ratio((right * outranked).sum(-1), right.sum(-1) * wrong.sum(-1))


def recall_at_coverage(
    confidence: ArrayLike, told: ArrayLike, coverage: float, weights: ArrayLike | None = None
) -> Floats:
    """Share of the rest that is withheld where the share `coverage` of what was told is kept, the most confident first.

    A point of the ROC curve, so that systems are compared at the same coverage without a threshold. Within ties the
    same share of both kinds is kept; nan where there is only one kind.
    """
    if not 0 <= coverage <= 1:
        raise ValueError(f"coverage is {coverage}, outside [0, 1]")
    n, never = _tallies(confidence, told, weights)
    known = n - never
    wanted = coverage * known.sum(-1, keepdims=True) - (np.cumsum(known, axis=-1) - known)
    whole = (wanted > 0).astype(np.float64)  # of levels where nothing was told
    kept = np.where(
        known > 0, np.clip(np.divide(wanted, known, out=np.zeros_like(known), where=known > 0), 0, 1), whole
    )
    defined = np.where(known.sum(-1) > 0, never.sum(-1), 0.0)
    return 1 - ratio((kept * never).sum(-1), defined)


def risk_coverage(confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """(coverage, risk), [..., L] each: keeping the items down to each of L distinct confidences, highest first."""
    n, wrong = _tallies(confidence, correct, weights)
    kept = np.cumsum(n, axis=-1)
    return ratio(kept, n.sum(-1, keepdims=True)), ratio(np.cumsum(wrong, axis=-1), kept)


def aurc(confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Mean risk of the k most confident items over k = 1..N; within ties, the risk expected of a random order."""
    n, wrong = _tallies(confidence, correct, weights)
    kept, errors = np.cumsum(n, axis=-1), np.cumsum(wrong, axis=-1)
    before, rate = kept - n, ratio(wrong, n, empty=0.0)
    # Of a group of ties, the sum over its k of (errors before + rate (k - before)) / k.
    harmonic = digamma(kept + 1) - digamma(before + 1)
    return ratio((rate * n + (errors - wrong - rate * before) * harmonic).sum(-1), n.sum(-1))


def e_aurc(confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """`aurc` less that of the best order, all right items first: exactly 0 for such an order.

    The best is sum over k > R of (k - R) / (k N) with R right items; as N grows, e + (1 - e) log(1 - e) with error e.
    """
    n, wrong = (tally.sum(-1) for tally in _tallies(confidence, correct, weights))
    best = wrong - (n - wrong) * (digamma(n + 1) - digamma(n - wrong + 1))
    return aurc(confidence, correct, weights) - ratio(best, n)


def augrc(confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Area under (items kept and wrong) / N over coverage, by trapezoids: the mean risk of an undetected failure."""
    n, wrong = _tallies(confidence, correct, weights)
    errors = np.cumsum(wrong, axis=-1)
    return ratio((n * (errors - wrong / 2)).sum(-1), n.sum(-1) ** 2)


def threshold_at_risk(confidence: ArrayLike, correct: ArrayLike, risk: float) -> float:
    """The lowest confidence such that the items at or above it have at most this share wrong; infinity if none does.

    Risk need not fall with coverage: this is the largest coverage of all that qualify. Choose it on dev: on the items
    it was chosen on, its coverage flatters.
    """
    if not 0 <= risk <= 1:
        raise ValueError(f"risk is {risk}, outside [0, 1]")
    levels = np.unique(np.asarray(confidence, dtype=np.float64))[::-1]
    allowed = np.flatnonzero(risk_coverage(confidence, correct)[1] <= risk)
    return float(levels[allowed[-1]]) if len(allowed) else float("inf")


def threshold_at_equal_errors(score: ArrayLike, correct: ArrayLike) -> float:
    """Below it falls about the share of the correct items that the share of the others above it is: equal error rate.

    The least score of a correct item at which the former is as large, or the greatest one where it never is. Any real
    scores; raises ValueError if no item is correct.
    """
    s, r = np.asarray(score, dtype=np.float64), np.asarray(correct, dtype=bool)
    if not r.any():
        raise ValueError("no item is correct")
    good, bad = np.sort(s[r]), np.sort(s[~r])
    lost = np.searchsorted(good, good) / len(good)
    kept = (len(bad) - np.searchsorted(bad, good)) / max(len(bad), 1)
    return float(good[np.argmax(lost >= kept)] if (lost >= kept).any() else good[-1])


def at_threshold(
    confidence: ArrayLike, correct: ArrayLike, threshold: float, weights: ArrayLike | None = None
) -> Selection:
    """Coverage and risk of keeping the items with confidence >= threshold, one that was fixed beforehand."""
    c, r, w = checked_pairs(confidence, correct, weights, unit=False)
    kept = c >= threshold
    return Selection(_rate(kept, np.ones_like(kept), w), _rate(r == 0, kept, w))


def score_at(confidence: ArrayLike, correct: ArrayLike, target: float, weights: ArrayLike | None = None) -> Floats:
    """Mean score of answering only when confidence > target t: +1 if right, -t / (1 - t) if wrong; 0 for the rest.

    Kalai et al., *Why language models hallucinate* (arXiv 2509.04664); with calibrated confidence that is the best
    policy. Always abstaining scores 0.
    """
    c, r, w = checked_pairs(confidence, correct, weights)
    return ratio(w @ np.where(c > target, np.where(r == 1, 1.0, -penalty(target)), 0.0), w.sum(-1))


def penalty(target: float) -> float:
    """t / (1 - t): the cost of a wrong answer under which answering pays exactly when P(right) > t."""
    if not 0 <= target < 1:
        raise ValueError(f"the confidence target is {target}, outside [0, 1)")
    return target / (1 - target)


def effective_reliability(
    outcome: Sequence[str], correct: ArrayLike, cost: float = 1.0, weights: ArrayLike | None = None
) -> Floats:
    """Mean of +1 for what is right, -cost for what is wrong, 0 for an abstention (Whitehead et al. 2022, 2204.13631).

    Calling a premise false is a statement like an answer: right or wrong. `correct` is about statements, so never true
    of an abstention or of what is unparseable. A stated target t is the cost `penalty(t)`.
    """
    said = _outcomes(outcome)
    right = _flags(correct, len(said))
    if (right & ((said == "abstained") | (said == "unparseable"))).any():
        raise ValueError("an abstained or unparseable outcome is marked correct; only a statement can be")
    w = checked_weights(weights, len(said))
    return ratio(w @ np.where(right, 1.0, np.where(said == "abstained", 0.0, -cost)), w.sum(-1))


def abstention_recall(outcome: Sequence[str], never_told: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Of the never-told questions, the share abstained on; nothing else counts."""
    return _rate(_outcomes(outcome) == "abstained", never_told, weights)


def over_abstention(outcome: Sequence[str], known: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Of the known questions (told, or told and highly known), the share without an answer.

    That is an abstention, a premise called false, or nothing that can be parsed.
    """
    return _rate(~np.isin(_outcomes(outcome), ["answered", "no_source"]), known, weights)


def false_citation(
    outcome: Sequence[str], cited: ArrayLike, never_told: ArrayLike, weights: ArrayLike | None = None
) -> Floats:
    """Of the never-told questions, the share for which a source is given; what cannot be parsed may hold one."""
    decided = decisions(outcome, cited)
    return _rate((decided == "cited") | (_outcomes(outcome) == "unparseable"), never_told, weights)


def decisions(outcome: Sequence[str], cited: ArrayLike) -> np.ndarray:
    """[N] of `DECISIONS`: an answer with a source, one without, an abstention; "other" is all else.

    Args:
        outcome: [N] of OUTCOMES.
        cited: bool [N], whether it gave a citation; only "answered" can.
    """
    said = _outcomes(outcome)
    source, answered = _flags(cited, len(said)), said == "answered"
    return np.select(
        [answered & source, answered | (said == "no_source"), said == "abstained"], DECISIONS[:3], DECISIONS[3]
    )


def confusion(
    support: Sequence[str], outcome: Sequence[str], cited: ArrayLike, weights: ArrayLike | None = None
) -> Floats:
    """Counts [..., 3, 4] of `SUPPORT` against `DECISIONS`: three by three, and "other" so that no question is lost."""
    known, decided = np.asarray(support, dtype=np.str_), decisions(outcome, cited)
    if known.shape != decided.shape:
        raise ValueError(f"need the support of each of {len(decided)} items, got shape {known.shape}")
    if unknown := sorted(set(known.tolist()) - set(SUPPORT)):
        raise ValueError(f'unknown support "{unknown[0]}"; it must be one of {", ".join(SUPPORT)}')
    w = checked_weights(weights, len(decided))
    cells = [w @ ((known == s) & (decided == d)) for s in SUPPORT for d in DECISIONS]
    return np.stack(cells, axis=-1).reshape(*w.shape[:-1], len(SUPPORT), len(DECISIONS))


def _tallies(confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats]:
    """Items and wrong items, [..., L] each, at each distinct confidence, highest first."""
    c, r, w = checked_pairs(confidence, correct, weights, unit=False)
    levels = unique_bins(-c)
    return bin_sums(w, levels), bin_sums(w * (1 - r), levels)


def _rate(hit: Bools, among: ArrayLike, weights: ArrayLike | None) -> Floats:
    """The weighted share of `among` [N] that is `hit` [N]."""
    base, w = _flags(among, len(hit)), checked_weights(weights, len(hit))
    return ratio(w @ (hit & base), w @ base)


def _flags(values: ArrayLike, n: int) -> Bools:
    flags = np.asarray(values)
    if flags.shape != (n,) or (n and flags.dtype != np.bool_):
        raise ValueError(f"need one boolean for each of {n} items, got {flags.dtype} of shape {flags.shape}")
    return flags.astype(np.bool_)


def _outcomes(outcome: Sequence[str]) -> np.ndarray:
    said = np.asarray(outcome, dtype=np.str_)
    if unknown := sorted(set(said.tolist()) - set(OUTCOMES)):
        raise ValueError(f'unknown outcome "{unknown[0]}"; it must be one of {", ".join(OUTCOMES)}')
    return said
