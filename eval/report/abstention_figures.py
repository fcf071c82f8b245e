"""Figures of what a run knows of its ignorance."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from data.records import SUPPORT_CLASSES
from eval.grading.correctness import right
from eval.metrics.calibration import reliability_curve, worst_confidence
from eval.metrics.selective_prediction import risk_coverage
from eval.metrics.statistics import Floats, bootstrap_draws
from eval.report.plots import confidence_figure, exposure_figure, reliability_figure, risk_coverage_figure
from eval.results.abstention_report import AbstentionReport

DRAWN = 200  # resamples of the band of a figure


def abstention_figures(report: AbstentionReport) -> dict[str, Figure]:
    """Of the test fold: reliability with its band, risk over coverage, confidence by class, exposures."""
    questions, forced, decided = report.fold("test", report.main)
    correct, entities = right(questions, forced), [q.entity for q in questions]
    confidence = worst_confidence([p.confidence for p in decided.free], correct)
    curve = reliability_curve(confidence, correct)

    def redrawn(weights: Floats) -> np.ndarray:
        return reliability_curve(confidence, correct, weights, bandwidth=curve.bandwidth).accuracy

    draws = bootstrap_draws(redrawn, entities, resamples=DRAWN)
    band = (_percentile(draws, 2.5), _percentile(draws, 97.5)) if len(draws) else None
    classes = np.array([q.support_class for q in questions])
    groups = {name: confidence[classes == name] for name in SUPPORT_CLASSES if (classes == name).any()}
    _, answers, plain = report.fold("test", "log_probability")
    risks = {
        report.main.replace("_", "-"): risk_coverage(decided.score, correct),
        "log-probability alone": risk_coverage(plain.score, right(questions, answers)),
        "best order": risk_coverage(correct, correct),
    }
    exposure = report.exposure()
    found = {
        "reliability": reliability_figure(curve, band, "Is it right as often as it says?"),
        "risk": risk_coverage_figure(risks, "Errors, the most confident answers first"),
        "confidence": confidence_figure(groups, "Confidence, by what the corpus says"),
    }
    if exposure:
        found["exposure"] = exposure_figure(exposure, "What is told more often is known better")
    return found


def _percentile(draws: Floats, q: float) -> Floats:
    """Of each column of draws [draws, cells]; nan where no draw has anything."""
    seen = ~np.isnan(draws).all(0)
    return np.where(seen, np.nanpercentile(np.where(seen, draws, 0.0), q, axis=0), np.nan)
