"""Metrics of one fold; most are tested by hand through the policies that they judge (test_policy)."""

import numpy as np
import pytest

from data.records import Prediction, Question
from eval.metrics.calibration import group_ece
from eval.metrics.statistics import bootstrap_draws, percentile_interval
from eval.results.selective_metrics import RESAMPLES, by_class
from eval.selective.selective_baselines import SelectiveOutput


def test_the_error_of_each_class_is_that_of_its_questions_alone() -> None:
    """With its interval, entities resampled over all classes."""
    rng = np.random.default_rng(0)
    kinds = ("single", "multi", "absent_attribute")
    questions, forced = [], []
    for i in range(90):
        kind = kinds[i % 3]
        answers, support = ((), ()) if kind == "absent_attribute" else (("yes",), ("d",))
        questions.append(Question(str(i), "?", answers, support, kind, f"e{i // 2}", "never_tuned", fold="test"))
        answer = "yes" if rng.random() < 0.7 else "no"
        forced.append(Prediction(str(i), "answered", answer, confidence=float(rng.random())))
    found = by_class(questions, forced, SelectiveOutput(np.zeros(90), forced, forced))
    confidence = np.array([p.confidence for p in forced])
    correct = np.array([p.answer == "yes" and bool(q.answers) for q, p in zip(questions, forced, strict=True)])
    classes, entities = [q.support_class for q in questions], [q.entity for q in questions]
    values = group_ece(confidence, correct, classes)
    assert {name: measure["value"] for name, measure in found.items()} == pytest.approx(values)
    for name, measure in found.items():
        draws = bootstrap_draws(
            lambda w, n=name: group_ece(confidence, correct, classes, w)[n],  # type: ignore[misc]
            entities,
            resamples=RESAMPLES,
        )
        assert measure["interval"] == pytest.approx(percentile_interval(draws))
