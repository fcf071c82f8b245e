"""How well a system knows what it knows: every metric of abstention and calibration, on the questions of one fold.

Forced mode takes every answer; free mode lets the system withhold. All questions count, none is dropped.

    smooth_ece, equal_mass_ece, debiased_ce2, brier, brier_skill, log_loss, signed_error, worst_group_ece
                              of the confidence that the answer is right, over all questions
                              (eval/metrics/calibration.py); log loss with confidences clipped to [.001, .999]; groups
                              are support classes
    auroc_forced              right before wrong answers, among told questions
    auroc_answerable, auroc_absent_*
                              told before never told, all and by class
    source_smooth_ece, source_brier
                              of the probability of the first source, against a right answer that it gives
    augrc, e_aurc             of ranking right before wrong, over all questions
    coverage_1, coverage_5    share answered at the threshold that keeps 1% or 5% of dev's answers wrong; risk_1, risk_5
                              the share of those that are wrong
    score_0, _50, _75, _90    mean of +1 right, -t / (1 - t) wrong, 0 withheld, by confidence
    effective_reliability     mean of +1 right, -1 wrong, 0 withheld, in free mode
    recall_absent_*           share of never-told questions it abstains on
    over_abstention           share of told questions without an answer, those it would answer wrong included; _plain of
                              single and multi ones only, _known of those where all samples were right
    withheld_right            share of right answers to told questions that it withholds
    false_citation            share of never-told questions that it answers with a source
    false_premise_detected, true_premise_flagged
                              share of questions with a false, a true premise that are not answered
    false_premise_balanced    mean of what the first says and of what the second leaves
    accuracy_forced, _free    told questions answered right; what is withheld is not
    joint_forced, _free       told questions but untagged ones, answered right, first citing a document that says so

Every metric is {"value", "interval"}: 95%, entities resampled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from data.records import ANSWERABLE, PLAIN, Prediction, Question
from eval.grading.correctness import is_right, right, supported
from eval.metrics.calibration import (
    brier,
    brier_skill,
    debiased_ce2,
    ece,
    equal_mass_bins,
    log_loss,
    ratio,
    signed_error,
    smooth_ece,
    worst_confidence,
    worst_group_ece,
)
from eval.metrics.selective_prediction import (
    DECISIONS,
    SUPPORT,
    abstention_recall,
    at_threshold,
    augrc,
    auroc,
    confusion,
    e_aurc,
    effective_reliability,
    false_citation,
    over_abstention,
    score_at,
    threshold_at_risk,
)
from eval.metrics.statistics import Floats, bootstrap_draws, percentile_interval
from eval.selective.selective_baselines import SelectiveOutput

NEVER = ("absent_attribute", "absent_entity")
RESAMPLES = 500
CLIP = 1e-3
RISKS = {"1": 0.01, "5": 0.05}
TARGETS = {"0": 0.0, "50": 0.5, "75": 0.75, "90": 0.9}
HEADLINE = (
    "smooth_ece",
    "brier",
    "auroc_forced",
    "auroc_answerable",
    "augrc",
    "score_75",
    "recall_absent_attribute",
    "recall_absent_entity",
    "over_abstention",
    "withheld_right",
    "false_citation",
    "false_premise_balanced",
    "true_premise_flagged",
    "accuracy_free",
    "joint_forced",
    "joint_free",
)

Statistic = Callable[[Floats | None], Any]  # of the weights [draws, questions] of draws, None for the sample


def measured(
    questions: Sequence[Question],
    forced: Sequence[Prediction],
    decided: SelectiveOutput,
    dev: tuple[Floats, np.ndarray] | None = None,
    only: Sequence[str] = (),
    intervals: bool = True,
) -> dict[str, Any]:
    """Each metric as {"value", "interval"}, those that the questions have a denominator for.

    Args:
        dev: score and correctness of the dev fold, which coverages at risk take their thresholds from.
        only: names of metrics; all when empty.
        intervals: None in their place without, which takes a hundredth of the time.
    """
    metrics = _statistics(questions, forced, decided, dev)
    entities = [question.entity for question in questions]
    return {
        name: interval_of(statistic, entities, intervals)
        for name, statistic in metrics.items()
        if not only or name in only
    }


def interval_of(statistic: Statistic, entities: Sequence[str], resample: bool = True) -> dict[str, Any]:
    """{"value", "interval"} of a statistic, entities resampled."""
    value = float(statistic(None))
    if not resample:
        return {"value": value, "interval": None}
    draws = bootstrap_draws(lambda weights: statistic(weights), entities, resamples=RESAMPLES)
    return {"value": value, "interval": percentile_interval(draws)}


def by_class(questions: Sequence[Question], forced: Sequence[Prediction], decided: SelectiveOutput) -> dict[str, Any]:
    """`smooth_ece` of each support class."""
    correct = right(questions, forced)
    confidence = worst_confidence([p.confidence for p in decided.free], correct)
    entities, classes = [q.entity for q in questions], np.array([q.support_class for q in questions])

    def of(here: np.ndarray, weights: Floats | None) -> Any:
        return smooth_ece(confidence[here], correct[here], None if weights is None else weights[:, here])

    return {name: interval_of(partial(of, classes == name), entities) for name in sorted(set(classes.tolist()))}


def counts(questions: Sequence[Question], decided: SelectiveOutput) -> dict[str, dict[str, int]]:
    """What was said (rows of `SUPPORT`, columns of `DECISIONS`); questions with premises are left out."""
    kinds = {"untagged": "untagged"} | dict.fromkeys(NEVER, "absent")
    here = [i for i, q in enumerate(questions) if "premise" not in q.support_class]
    support = [kinds.get(questions[i].support_class, "tagged") for i in here]
    free = [decided.free[i] for i in here]
    table = confusion(support, [p.outcome for p in free], np.array([bool(p.citations) for p in free], dtype=bool))
    return {
        row: {column: int(n) for column, n in zip(DECISIONS, cells, strict=True)}
        for row, cells in zip(SUPPORT, table, strict=True)
    }


def _statistics(
    questions: Sequence[Question],
    forced: Sequence[Prediction],
    decided: SelectiveOutput,
    dev: tuple[Floats, np.ndarray] | None,
) -> dict[str, Statistic]:
    classes = np.array([q.support_class for q in questions])
    told, never, plain = np.isin(classes, ANSWERABLE), np.isin(classes, NEVER), np.isin(classes, PLAIN)
    false, true = classes == "false_premise", classes == "true_premise"
    outcomes = [p.outcome for p in decided.free]
    answered = np.isin(outcomes, ["answered", "no_source"])
    correct, score = right(questions, forced), decided.score
    cited = np.array([bool(p.citations) for p in decided.free], dtype=bool)
    sourced = correct & supported(questions, forced)
    source = worst_confidence([_source(p) for p in decided.free], sourced)
    citable = told & (classes != "untagged")
    known = told & np.array([_known(q, p) for q, p in zip(questions, forced, strict=True)], dtype=bool)
    confidence = worst_confidence([p.confidence for p in decided.free], correct)
    bins = equal_mass_bins(confidence)

    def share(hit: np.ndarray, among: np.ndarray, w: Floats | None) -> Any:
        each = np.ones(len(among)) if w is None else w
        return ratio(each @ (hit & among), each @ among)

    def ranked(label: np.ndarray, among: np.ndarray, w: Floats | None) -> Any:
        return auroc(score[among], label[among], None if w is None else w[:, among])

    metrics: dict[str, Statistic] = {
        "smooth_ece": lambda w: smooth_ece(confidence, correct, w),
        "equal_mass_ece": lambda w: ece(confidence, correct, bins, w),
        "debiased_ce2": lambda w: debiased_ce2(confidence, correct, bins, w),
        "brier": lambda w: brier(confidence, correct, w),
        "brier_skill": lambda w: brier_skill(confidence, correct, w),
        "log_loss": lambda w: log_loss(confidence, correct, w, clip=CLIP),
        "signed_error": lambda w: signed_error(confidence, correct, w),
        "worst_group_ece": lambda w: worst_group_ece(confidence, correct, classes.tolist(), w),
        "auroc_forced": partial(ranked, correct, told),
        "auroc_answerable": partial(ranked, told, told | never),
        "source_smooth_ece": lambda w: smooth_ece(source, sourced, w),
        "source_brier": lambda w: brier(source, sourced, w),
        "augrc": lambda w: augrc(score, correct, w),
        "e_aurc": lambda w: e_aurc(score, correct, w),
        "effective_reliability": lambda w: effective_reliability(outcomes, correct & answered, weights=w),
        "over_abstention": lambda w: over_abstention(outcomes, told, w),
        "withheld_right": partial(share, ~answered, told & correct),
        "over_abstention_plain": lambda w: over_abstention(outcomes, plain, w),
        "false_citation": lambda w: false_citation(outcomes, cited, never, w),
        "accuracy_forced": partial(share, correct, told),
        "accuracy_free": partial(share, correct & answered, told),
        "joint_forced": partial(share, sourced, citable),
        "joint_free": partial(share, sourced & answered, citable),
    }
    if known.any():
        metrics["over_abstention_known"] = lambda w: over_abstention(outcomes, known, w)
    for name, target in TARGETS.items():
        metrics[f"score_{name}"] = partial(_score, confidence, correct, target)
    for name, threshold in _thresholds(dev).items():
        metrics[f"coverage_{name}"] = lambda w, t=threshold: at_threshold(score, correct, t, w).coverage  # type: ignore[misc]
        metrics[f"risk_{name}"] = lambda w, t=threshold: at_threshold(score, correct, t, w).risk  # type: ignore[misc]
    for name in NEVER:
        here = classes == name
        if here.any():
            metrics[f"auroc_{name}"] = partial(ranked, told, told | here)
            metrics[f"recall_{name}"] = lambda w, h=here: abstention_recall(outcomes, h, w)  # type: ignore[misc]
    if false.any() and true.any():
        metrics["false_premise_detected"] = partial(share, ~answered, false)
        metrics["true_premise_flagged"] = partial(share, ~answered, true)
        metrics["false_premise_balanced"] = lambda w: (share(~answered, false, w) + share(answered, true, w)) / 2
    return metrics


def _thresholds(dev: tuple[Floats, np.ndarray] | None) -> dict[str, float]:
    return {} if dev is None else {name: threshold_at_risk(*dev, risk=risk) for name, risk in RISKS.items()}


def _score(confidence: Floats, correct: np.ndarray, target: float, weights: Floats | None) -> Any:
    return score_at(confidence, correct, target, weights)


def _source(prediction: Prediction) -> float | None:
    return prediction.citations[0].probability if prediction.citations else 0.0


def _known(question: Question, prediction: Prediction) -> bool:
    """Highly known: every sample is right."""
    return bool(prediction.samples) and all(is_right(question, sample) for sample in prediction.samples)
