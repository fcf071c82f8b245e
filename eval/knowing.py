"""The "abstention" part of results.json: does it know what it does not know? On the test fold, by exact grading.

Forced mode takes every answer; free mode lets the policy (eval/policy.py) withhold those below its threshold. Every
metric has a value and a 95% interval that resamples entities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from data.records import FOLDS, SUPPORT_CLASSES, TOLD, Prediction, Question
from eval.abstention import abstention_recall, auroc, false_citation, false_premise, over_abstention, risk_coverage
from eval.calibration import brier, ratio, reliability_curve, signed_error, smooth_ece, worst_confidence
from eval.plots import confidence_figure, reliability_figure, risk_coverage_figure
from eval.policy import LEAST, Policy, right, scores
from eval.statistics import Floats, bootstrap_draws, percentile_interval

NEVER = ("absent_attribute", "absent_entity")
PREMISE = ("true_premise", "false_premise")
RESAMPLES = 500

Statistic = Callable[[Floats | None], Any]


def in_fold(
    questions: Sequence[Question], predictions: Sequence[Prediction], fold: str
) -> tuple[list[Question], list[Prediction]]:
    """The questions of one fold with their predictions."""
    here = [(q, p) for q, p in zip(questions, predictions, strict=True) if q.fold == fold]
    return [q for q, _ in here], [p for _, p in here]


def fit_policy(questions: Sequence[Question], predictions: Sequence[Prediction], refused: float) -> Policy | None:
    """A policy from the calibration and dev folds; None where a corpus has none, or nothing is right or wrong there."""
    calibration, dev = (in_fold(questions, predictions, fold) for fold in FOLDS[:2])
    graded = right(*calibration)
    if (scores(calibration[1])[graded] == LEAST).any():  # no statements to check, in this corpus
        return None
    if not graded.any() or graded.all() or not right(*dev).any():
        return None
    return Policy.fit(calibration, dev, refused)


def abstention_results(
    questions: Sequence[Question], predictions: Sequence[Prediction], policy: Policy
) -> dict[str, dict[str, Any]]:
    """By fold, each metric as {"value", "interval"}, and "n", of a model's forced predictions under a policy.

    smooth_ece, brier, signed_error   of the confidence that the answer is right, over all questions
    auroc_forced                      right before wrong answers, among told questions
    auroc_told, auroc_absent_*        told before never told, all and by class
    recall_absent_*                   share of never-told questions it abstains on
    over_abstention                   share of told questions it abstains on
    false_citation                    share of never-told questions that it answers with a source
    false_premise_balanced            mean of false premises not answered and true twins answered
    accuracy_forced, accuracy_free    told questions answered right, of all told ones
    """
    return {
        fold: _fold(*in_fold(questions, predictions, fold), policy)
        for fold in FOLDS
        if any(q.fold == fold for q in questions)
    }


def figures(questions: Sequence[Question], forced: Sequence[Prediction], policy: Policy) -> dict[str, Figure]:
    """Of one fold: reliability with its band, risk over coverage, and confidence by support class."""
    correct, entities = right(questions, forced), [q.entity for q in questions]
    confidence = worst_confidence([p.confidence for p in policy.apply(forced)], correct)
    curve = reliability_curve(confidence, correct)

    def redrawn(weights: Floats) -> np.ndarray:
        return reliability_curve(confidence, correct, weights, bandwidth=curve.bandwidth).accuracy

    draws = bootstrap_draws(redrawn, entities, resamples=200)
    band = (_percentile(draws, 2.5), _percentile(draws, 97.5)) if len(draws) else None
    classes = np.array([q.support_class for q in questions])
    groups = {name: confidence[classes == name] for name in SUPPORT_CLASSES if (classes == name).any()}
    risks = {"by confidence": risk_coverage(scores(forced), correct), "best order": risk_coverage(correct, correct)}
    return {
        "reliability": reliability_figure(curve, band, "Is it right as often as it says?"),
        "risk": risk_coverage_figure(risks, "Errors, the most confident answers first"),
        "confidence": confidence_figure(groups, "Confidence, by what the corpus says"),
    }


def _fold(questions: list[Question], forced: list[Prediction], policy: Policy) -> dict[str, Any]:
    free = policy.apply(forced)
    outcomes = [p.outcome for p in free]
    classes = np.array([q.support_class for q in questions])
    score, correct = scores(forced), right(questions, forced)
    confidence = worst_confidence([p.confidence for p in free], correct)
    told, never = np.isin(classes, TOLD), np.isin(classes, NEVER)
    cited = np.array([bool(p.citations) for p in free])
    answered = np.array([outcome == "answered" for outcome in outcomes])
    entities = [q.entity for q in questions]

    def among(mask: np.ndarray, statistic: Callable[[np.ndarray, Floats | None], Any]) -> Statistic:
        places = np.flatnonzero(mask)
        return lambda w: statistic(places, None if w is None else w[:, places])

    metrics: dict[str, Statistic] = {
        "smooth_ece": lambda w: smooth_ece(confidence, correct, w),
        "brier": lambda w: brier(confidence, correct, w),
        "signed_error": lambda w: signed_error(confidence, correct, w),
        "auroc_forced": among(told, lambda i, w: auroc(score[i], correct[i], w)),
        "auroc_told": among(told | never, lambda i, w: auroc(score[i], told[i], w)),
        "over_abstention": lambda w: over_abstention(outcomes, told, w),
        "false_citation": lambda w: false_citation(outcomes, cited, never, w),
        "accuracy_forced": among(told, lambda i, w: _mean(correct[i], w)),
        "accuracy_free": among(told, lambda i, w: _mean(correct[i] & answered[i], w)),
    }
    for name in NEVER:
        here = classes == name
        metrics[f"auroc_{name}"] = among(told | here, lambda i, w: auroc(score[i], told[i], w))
        metrics[f"recall_{name}"] = lambda w, here=here: abstention_recall(outcomes, here, w)  # type: ignore[misc]
    premise = np.isin(classes, PREMISE)
    if premise.any():
        # Until a model says <|false|>, withholding the answer is how it shows that the premise does not hold.
        said = ["false_premise" if outcome == "abstained" else outcome for outcome in outcomes]
        metrics["false_premise_balanced"] = among(
            premise, lambda i, w: false_premise([said[k] for k in i], classes[i] == "false_premise", w).balanced
        )
    counts = {str(name): int((classes == name).sum()) for name in np.unique(classes)}
    found: dict[str, Any] = {"n": len(questions), "n_by_class": counts}
    for name, statistic in metrics.items():
        draws = bootstrap_draws(lambda w, s=statistic: s(w), entities, resamples=RESAMPLES)  # type: ignore[misc]
        found[name] = {"value": float(statistic(None)), "interval": percentile_interval(draws)}
    return found


def _percentile(draws: Floats, q: float) -> Floats:
    """Of each column of draws [draws, cells]; nan where no draw has anything."""
    seen = ~np.isnan(draws).all(0)
    return np.where(seen, np.nanpercentile(np.where(seen, draws, 0.0), q, axis=0), np.nan)


def _mean(flags: np.ndarray, weights: Floats | None) -> Any:
    if weights is None:
        return flags.mean()
    return ratio((weights * flags).sum(1), weights.sum(1))
