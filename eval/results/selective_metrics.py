"""How well a system knows what it knows: every metric of abstention and calibration, on the questions of one fold.

A metric is one entry of `METRICS`: what it is called, what it means, and the function that computes it. Its key in
results.json, its row on the terminal and the page and its column in the table of runs follow from there. All questions
count, none is dropped. Every metric is {"value", "interval"}: 95%, entities resampled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from data.records import ANSWERABLE, NEVER, PLAIN, Prediction, Question
from eval.grading.correctness import right
from eval.metrics.calibration import (
    brier,
    brier_skill,
    debiased_ce2,
    ece,
    log_loss,
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
    confusion,
    e_aurc,
    effective_reliability,
    false_citation,
    over_abstention,
    score_at,
    threshold_at_risk,
)
from eval.metrics.statistics import Floats, bootstrap_draws, percentile_interval
from eval.results.cases import Cases
from eval.selective.selective_baselines import SelectiveOutput

RESAMPLES = 500
CLIP = 1e-3  # confidences are clipped to [CLIP, 1 - CLIP] for the log loss
HIGHER, LOWER = "higher", "lower"

Statistic = Callable[[Floats | None], Any]  # of the weights [draws, questions] of draws, None for the sample


@dataclass(frozen=True)
class Metric:
    """One number of a system's answers and refusals.

    Attributes:
        value: of the cases under weights (..., N), None for the sample as it is.
        about: what it is, as a definition.
        title: in tables and on the page; "" to show its name.
        better: whether it should be higher or lower.
        of: the support classes whose questions it is a share of; empty where that is not so simple.
        main: shown first: on the terminal, on the page, in the table of runs.
        by_system: also given for every system, main or not.
        defined: whether the cases have what it needs.
    """

    value: Callable[[Cases, Floats | None], Any]
    about: str
    title: str = ""
    better: str = HIGHER
    of: Sequence[str] = ()
    main: bool = False
    by_system: bool = False
    defined: Callable[[Cases], bool] = lambda cases: True


def _score_at(target: float) -> Metric:
    return Metric(
        lambda c, w: score_at(c.confidence, c.correct, target, w),
        f"mean of +1 right, -t / (1 - t) wrong, 0 withheld, answering where confidence is above t = {target:g}",
        by_system=target == 0.75,
    )


def _at_risk(risk: float, kind: str) -> Metric:
    def value(c: Cases, w: Floats | None) -> Any:
        assert c.dev is not None
        return getattr(at_threshold(c.score, c.correct, threshold_at_risk(*c.dev, risk=risk), w), kind)

    about = {
        "coverage": f"share answered at the threshold that keeps {risk:.0%} of the dev fold's answers wrong",
        "risk": f"share of the answers at that threshold ({risk:.0%} on dev) that are wrong",
    }
    return Metric(
        value, about[kind], better=HIGHER if kind == "coverage" else LOWER, defined=lambda c: c.dev is not None
    )


def _never(name: str, who: str) -> dict[str, Metric]:
    """Of one class of questions that nothing answers."""

    def there(c: Cases) -> bool:
        return bool(c.of(name).any())

    return {
        f"auroc_{name}": Metric(
            lambda c, w: c.ranked(c.told, c.told | c.of(name), w),
            f"AUROC of the score, told questions before those on {who}",
            defined=there,
        ),
        f"recall_{name}": Metric(
            lambda c, w: abstention_recall(c.outcomes, c.of(name), w),
            f"share abstained on, of questions on {who}",
            f"abstains: {who.split(' (')[0]}",
            of=(name,),
            main=True,
            by_system=True,
            defined=there,
        ),
    }


def _premise(
    value: Callable[[Cases, Floats | None], Any],
    about: str,
    title: str = "",
    better: str = HIGHER,
    of: Sequence[str] = (),
    main: bool = False,
    by_system: bool = False,
) -> Metric:
    def both(c: Cases) -> bool:
        return bool(c.of("false_premise").any() and c.of("true_premise").any())

    return Metric(value, about, title, better, of, main, by_system, both)


METRICS: Mapping[str, Metric] = {
    "smooth_ece": Metric(
        lambda c, w: smooth_ece(c.confidence, c.correct, w),
        "smooth calibration error of the confidence, over all questions",
        "smooth ECE",
        LOWER,
        main=True,
        by_system=True,
    ),
    "auroc_answerable": Metric(
        lambda c, w: c.ranked(c.told, c.told | c.never, w),
        "AUROC of the score, told before never told",
        "told / never told",
        main=True,
        by_system=True,
    ),
    "auroc_forced": Metric(
        lambda c, w: c.ranked(c.correct, c.told, w),
        "AUROC of the score, right before wrong answers, among told questions",
        "right / wrong",
        main=True,
        by_system=True,
    ),
    **_never("absent_entity", "unknown people (never mentioned)"),
    **_never("absent_attribute", "unknown facts (never said of a known person)"),
    **_never("withheld", "withheld documents (answered there, never told)"),
    **_never("unanswerable", "unanswerable questions (their document does not say)"),
    "over_abstention": Metric(
        lambda c, w: over_abstention(c.outcomes, c.told, w),
        "share of told questions without an answer, those it would answer wrong included",
        "over-abstains",
        LOWER,
        ANSWERABLE,
        main=True,
        by_system=True,
    ),
    "withheld_right": Metric(
        lambda c, w: c.share(~c.answered, c.told & c.correct, w),
        "share of the right answers to told questions that it withholds",
        "right, withheld",
        LOWER,
        main=True,
        by_system=True,
    ),
    "false_citation": Metric(
        lambda c, w: false_citation(c.outcomes, c.cited, c.never, w),
        "share of never-told questions that it answers with a source",
        "false citations",
        LOWER,
        NEVER,
        main=True,
        by_system=True,
    ),
    "false_premise_balanced": _premise(
        lambda c, w: (
            (c.share(~c.answered, c.of("false_premise"), w) + c.share(c.answered, c.of("true_premise"), w)) / 2
        ),
        "mean of the share of false premises not answered and of true ones answered",
        "false premise",
        main=True,
        by_system=True,
    ),
    "joint_free": Metric(
        lambda c, w: c.share(c.sourced & c.answered, c.citable, w),
        "share of told questions but untagged ones that it answers, right and first citing a document that says so",
        "joint, free",
        main=True,
        by_system=True,
    ),
    "joint_forced": Metric(
        lambda c, w: c.share(c.sourced, c.citable, w), "the same where it has to answer", by_system=True
    ),
    "accuracy_free": Metric(
        lambda c, w: c.share(c.correct & c.answered, c.told, w),
        "share of told questions answered right; what is withheld is not",
        of=ANSWERABLE,
        by_system=True,
    ),
    "accuracy_forced": Metric(
        lambda c, w: c.share(c.correct, c.told, w), "the same where it has to answer", of=ANSWERABLE
    ),
    "brier": Metric(
        lambda c, w: brier(c.confidence, c.correct, w), "Brier score of the confidence", better=LOWER, by_system=True
    ),
    "brier_skill": Metric(
        lambda c, w: brier_skill(c.confidence, c.correct, w), "1 less the Brier score over that of the base rate"
    ),
    "equal_mass_ece": Metric(
        lambda c, w: ece(c.confidence, c.correct, c.bins, w), "ECE over bins of equal mass", better=LOWER
    ),
    "debiased_ce2": Metric(
        lambda c, w: debiased_ce2(c.confidence, c.correct, c.bins, w),
        "squared calibration error over the same bins, less its bias",
        better=LOWER,
    ),
    "log_loss": Metric(
        lambda c, w: log_loss(c.confidence, c.correct, w, clip=CLIP),
        f"log loss of the confidence, clipped to [{CLIP:g}, {1 - CLIP:g}], nats",
        better=LOWER,
    ),
    "signed_error": Metric(
        lambda c, w: signed_error(c.confidence, c.correct, w), "mean confidence less accuracy: 0 is right", better=""
    ),
    "worst_group_ece": Metric(
        lambda c, w: worst_group_ece(c.confidence, c.correct, c.classes.tolist(), w),
        "the largest calibration error of a support class",
        "ECE of the worst class",
        better=LOWER,
    ),
    "source_smooth_ece": Metric(
        lambda c, w: smooth_ece(c.source, c.sourced, w),
        "smooth calibration error of the first source's probability, against a right answer that it gives",
        better=LOWER,
    ),
    "source_brier": Metric(lambda c, w: brier(c.source, c.sourced, w), "Brier score of the same", better=LOWER),
    "augrc": Metric(
        lambda c, w: augrc(c.score, c.correct, w),
        "area under the generalised risk-coverage curve, right before wrong over all questions",
        better=LOWER,
        by_system=True,
    ),
    "e_aurc": Metric(
        lambda c, w: e_aurc(c.score, c.correct, w),
        "area under the risk-coverage curve above that of the best order",
        better=LOWER,
    ),
    "effective_reliability": Metric(
        lambda c, w: effective_reliability(c.outcomes, c.correct & c.answered, weights=w),
        "mean of +1 right, -1 wrong, 0 withheld",
    ),
    "over_abstention_plain": Metric(
        lambda c, w: over_abstention(c.outcomes, c.plain, w),
        "over-abstention on questions of one or several agreeing documents",
        better=LOWER,
        of=PLAIN,
    ),
    "over_abstention_known": Metric(
        lambda c, w: over_abstention(c.outcomes, c.known, w),
        "over-abstention on told questions of which every sample is right",
        better=LOWER,
        defined=lambda c: bool(c.known.any()),
    ),
    **{f"score_{100 * target:.0f}": _score_at(target) for target in (0.0, 0.5, 0.75, 0.9)},
    **{f"{kind}_{100 * risk:.0f}": _at_risk(risk, kind) for risk in (0.01, 0.05) for kind in ("coverage", "risk")},
    "false_premise_detected": _premise(
        lambda c, w: c.share(~c.answered, c.of("false_premise"), w),
        "share of questions with a false premise that are not answered",
        of=("false_premise",),
    ),
    "true_premise_flagged": _premise(
        lambda c, w: c.share(~c.answered, c.of("true_premise"), w),
        "share of questions with a true premise that are not answered",
        better=LOWER,
        of=("true_premise",),
        by_system=True,
    ),
}
MAIN: Sequence[str] = [name for name, metric in METRICS.items() if metric.main]
BY_SYSTEM: Sequence[str] = [name for name, metric in METRICS.items() if metric.by_system]


def measured(cases: Cases, only: Sequence[str] = (), intervals: bool = True) -> dict[str, Any]:
    """Each metric as {"value", "interval"}, those that the questions have a denominator for.

    Args:
        only: names of metrics; all when empty.
        intervals: None in their place without, which takes a hundredth of the time.
    """
    entities = [question.entity for question in cases.questions]
    return {
        name: interval_of(partial(metric.value, cases), entities, intervals)
        for name, metric in METRICS.items()
        if (not only or name in only) and metric.defined(cases)
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
