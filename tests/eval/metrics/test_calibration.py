import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from eval.metrics.calibration import (
    BINS,
    brier,
    brier_skill,
    debiased_ce2,
    ece,
    equal_mass_bins,
    group_ece,
    log_loss,
    reliability_curve,
    signed_error,
    smooth_ece,
    unique_bins,
    worst_confidence,
    worst_group_ece,
)
from eval.metrics.statistics import bootstrap_draws

# Four answers at .5 of which three are right, one at 1 and wrong, one at 0 and wrong.
CONFIDENCE = [0.5, 0.5, 0.5, 0.5, 1.0, 0.0]
CORRECT = [True, True, True, False, False, False]
WEIGHTED = {
    "signed_error": signed_error,
    "brier": brier,
    "brier_skill": brier_skill,
    "log_loss": log_loss,
    "ece": lambda c, r, w=None: ece(c, r, _thirds(c), w),
    "debiased_ce2": lambda c, r, w=None: debiased_ce2(c, r, _thirds(c), w),
    "smooth_ece": smooth_ece,
    "worst_group": lambda c, r, w=None: worst_group_ece(c, r, [f"g{b}" for b in _thirds(c)], w),
}
pairs = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.booleans()), min_size=2, max_size=30)


def _thirds(confidence):
    return np.floor(np.asarray(confidence) * 2.99).astype(np.int64)


def _split(items):
    confidence, correct = zip(*items, strict=True)
    return np.array(confidence), np.array(correct)


def test_golden_values():
    # c - r: -.5 three times, .5, 1, 0.
    assert signed_error(CONFIDENCE, CORRECT) == pytest.approx(0.0)
    assert brier(CONFIDENCE, CORRECT) == pytest.approx((4 * 0.25 + 1 + 0) / 6)
    assert brier_skill(CONFIDENCE, CORRECT) == pytest.approx(1 - (2 / 6) / 0.25)
    assert ece(CONFIDENCE, CORRECT, unique_bins(CONFIDENCE)) == pytest.approx((4 * 0.25 + 1 + 0) / 6)
    # Bins of one item add nothing; the bin at .5: .25^2 - .75 * .25 / 3 = 0.
    assert debiased_ce2(CONFIDENCE, CORRECT, unique_bins(CONFIDENCE)) == pytest.approx(0.0)
    # One bin of all: gap 0, accuracy .5, noise .25 / 5.
    assert debiased_ce2(CONFIDENCE, CORRECT, np.zeros(6, np.int64)) == pytest.approx(-0.05)
    assert signed_error([0.9], [False]) == pytest.approx(0.9)  # positive is overconfident


def test_log_loss_at_certainty():
    assert log_loss([1.0, 0.0], [True, False]) == 0.0
    assert log_loss([1.0, 0.5], [False, True]) == math.inf
    assert log_loss([0.0, 0.5], [True, True]) == math.inf
    assert log_loss([1.0, 0.5], [False, True], clip=0.01) == pytest.approx(-(math.log(0.01) + math.log(0.5)) / 2)
    assert log_loss([0.8, 0.4], [True, False]) == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2)
    # A draw without the certain mistake is finite.
    draws = log_loss([1.0, 0.5], [False, True], [[1.0, 1.0], [0.0, 2.0]])
    assert draws.tolist() == [math.inf, pytest.approx(math.log(2))]


def _direct_smooth_ece(confidence, correct, points=1000):
    """smECE as the paper defines it: the reflected Gaussian summed over mirror images, one bandwidth at a time."""
    t = (np.arange(points)[:, None] + 0.5) / points

    def error(bandwidth):
        mirrors = range(-math.ceil(4 * bandwidth), math.ceil(4 * bandwidth) + 1)
        images = (norm.pdf(t - (2 * i + sign * confidence), scale=bandwidth) for i in mirrors for sign in (1, -1))
        return np.abs(sum(images) @ (correct - confidence) / len(confidence)).mean()

    low, high = 1e-3, 1.0
    for _ in range(15):
        middle = (low + high) / 2
        low, high = (middle, high) if error(middle) >= middle else (low, middle)
    return error((low + high) / 2)


@pytest.mark.parametrize("kind", ["calibrated", "overconfident", "verbal", "sure"])
def test_smooth_ece_equals_its_definition(kind):
    rng = np.random.default_rng(3)
    confidence, probability = {
        "calibrated": lambda c: (c, c),
        "overconfident": lambda c: (c, c**2),
        "verbal": lambda c: (np.round(c * 4) / 4, np.sqrt(c)),
        "sure": lambda c: (1 - 0.2 * c**4, np.full_like(c, 0.97)),
    }[kind](rng.random(60))
    correct = rng.random(60) < probability
    assert smooth_ece(confidence, correct) == pytest.approx(_direct_smooth_ece(confidence, correct), abs=3e-5)


def test_smooth_ece_golden():
    assert smooth_ece([0.0, 1.0, 1.0], [False, True, True]) == 0.0
    assert smooth_ece([1.0, 1.0], [False, False]) == pytest.approx(
        1.0
    )  # all residuals -1: their integral at any bandwidth
    # One confidence: every residual mass has one place, so smoothing loses nothing.
    assert smooth_ece([0.9] * 10, [True] * 5 + [False] * 5) == pytest.approx(0.4)
    # Errors of opposite sign .02 apart cancel under a bandwidth that is wider than that.
    assert smooth_ece([0.49, 0.51], [True, False]) < 0.1 < ece([0.49, 0.51], [True, False], np.arange(2))


@given(pairs)
def test_smooth_ece_lies_between_mean_and_plug_in(items):
    c, r = _split(items)
    assert abs(signed_error(c, r)) - 1e-9 <= smooth_ece(c, r) <= ece(c, r, unique_bins(c)) + 1e-9


def test_null_bias_of_plug_in_errors():
    # Perfectly calibrated answers: the plug-in reads sqrt(2B / (pi N)) E sqrt(c (1 - c)) > 0, the debiased one about 0.
    rng, n, plug_in, squares, debiased = np.random.default_rng(11), 1000, [], [], []
    for _ in range(200):
        c = rng.random(n)
        r = rng.random(n) < c
        bins = equal_mass_bins(c)
        plug_in.append(ece(c, r, bins))
        debiased.append(debiased_ce2(c, r, bins))
        squares.append(ece(c, r, bins) ** 2)
    assert np.mean(plug_in) == pytest.approx(math.sqrt(2 * BINS / (math.pi * n)) * math.pi / 8, rel=0.05)
    standard_error = np.std(debiased) / math.sqrt(200)
    assert abs(np.mean(debiased)) < 3 * standard_error < np.mean(squares) / 5
    assert 0.3 < np.mean(np.array(debiased) < 0) < 0.8  # never clipped


def test_debiased_error_finds_a_real_one():
    rng = np.random.default_rng(12)
    estimates = []
    for _ in range(100):
        c = rng.choice([0.3, 0.6, 0.9], 500)
        estimates.append(debiased_ce2(c, rng.random(500) < c - 0.1, unique_bins(c)))
    assert np.mean(estimates) == pytest.approx(0.01, abs=3 * np.std(estimates) / 10)


def test_equal_mass_bins_keep_ties_together():
    assert equal_mass_bins([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 3).tolist() == [0, 0, 1, 1, 2, 2]
    assert equal_mass_bins([0.6, 0.5, 0.4, 0.3, 0.2, 0.1], 3).tolist() == [2, 2, 1, 1, 0, 0]
    assert equal_mass_bins([0.9] * 5 + [0.2], 3).tolist() == [1] * 5 + [0]
    assert equal_mass_bins([], 3).tolist() == []
    counts = np.bincount(equal_mass_bins(np.random.default_rng(0).random(1000), 15))
    assert len(counts) == 15 and counts.min() >= 66 and counts.max() <= 67


def test_reliability_curve_of_two_confidences():
    curve = reliability_curve([0.2] * 4 + [0.8] * 4, [True] + [False] * 3 + [True] * 4, bandwidth=0.01)
    at = {c: int(c * 1024) for c in (0.2, 0.5, 0.8)}
    assert curve.accuracy[at[0.2]] == pytest.approx(0.25) and curve.accuracy[at[0.8]] == pytest.approx(1.0)
    assert math.isnan(curve.accuracy[at[0.5]])  # nobody near
    assert curve.density.mean() == pytest.approx(1.0)
    assert curve.density[at[0.2]] == pytest.approx(0.5 / (0.01 * math.sqrt(2 * math.pi)), rel=0.01)


def test_reliability_curve_encodes_smooth_ece():
    # The area between curve and diagonal under the density is the smooth ECE, but for what smoothing moves c itself.
    rng = np.random.default_rng(5)
    c = rng.random(4000)
    r = rng.random(4000) < c**2
    curve = reliability_curve(c, r)
    assert curve.bandwidth == pytest.approx(smooth_ece(c, r), abs=1e-5)
    area = np.mean(curve.density * np.abs(curve.accuracy - curve.confidence))
    assert area == pytest.approx(smooth_ece(c, r), abs=0.02)
    draws = reliability_curve(c, r, np.ones((2, 4000)), bandwidth=curve.bandwidth)
    assert np.allclose(draws.accuracy, curve.accuracy)


def test_worst_group_is_not_averaged_away():
    c, groups = [0.75] * 8 + [0.75] * 4, ["b"] * 8 + ["a"] * 4
    r = [True] * 6 + [False] * 2 + [True] + [False] * 3
    assert {g: pytest.approx(float(e), abs=1e-6) for g, e in group_ece(c, r, groups).items()} == {"a": 0.5, "b": 0.0}
    assert worst_group_ece(c, r, groups) == pytest.approx(0.5)
    missing = np.r_[np.ones(8), np.zeros(4)]  # a draw without group a is judged by b
    assert worst_group_ece(c, r, groups, missing) == pytest.approx(0.0, abs=1e-6)


def test_a_missing_confidence_is_the_worst_one():
    assert worst_confidence([None, None, 0.3], [True, False, True]).tolist() == [0.0, 1.0, 0.3]
    stated = brier(worst_confidence([0.9, 0.4], [True, False]), [True, False])
    failed = brier(worst_confidence([0.9, None], [True, False]), [True, False])
    assert failed > stated


@pytest.mark.parametrize("name", WEIGHTED)
@settings(max_examples=25)
@given(items=pairs, data=st.data())
def test_weights_are_repetitions(name, items, data):
    metric, (c, r) = WEIGHTED[name], _split(items)
    counts = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(c), max_size=len(c)).filter(any)))
    repeated = float(metric(np.repeat(c, counts), np.repeat(r, counts)))
    draws = metric(c, r, np.stack([counts, np.ones(len(c))]))
    assert [float(d) for d in draws] == pytest.approx([repeated, float(metric(c, r))], abs=1e-5, nan_ok=True)


@pytest.mark.parametrize("name", WEIGHTED)
def test_order_of_items_is_irrelevant_and_no_item_is_undefined(name):
    metric = WEIGHTED[name]
    rng = np.random.default_rng(8)
    c = rng.choice([0.05, 0.3, 0.6, 0.95], 200)
    r, shuffle = rng.random(200) < c, rng.permutation(200)
    assert metric(c[shuffle], r[shuffle]) == pytest.approx(metric(c, r), abs=1e-9)
    assert json.loads(json.dumps(metric(c, r))) == float(metric(c, r))
    assert math.isnan(metric([], []))
    assert np.isnan(metric(c, r, np.zeros((2, 200)))).all()


def test_bootstrap_of_a_metric():
    rng = np.random.default_rng(9)
    c = rng.random(300)
    r = rng.random(300) < c
    draws = bootstrap_draws(lambda w: smooth_ece(c, r, w), np.repeat(np.arange(100), 3).tolist(), resamples=40)
    assert draws.shape == (40,) and len(set(draws.tolist())) == 40


@pytest.mark.parametrize(
    ("confidence", "correct", "weights", "message"),
    [
        ([0.5, 1.1], [True, False], None, r"in \[0, 1\]"),
        ([0.5, math.nan], [True, False], None, r"in \[0, 1\]"),
        ([0.5], [True, False], None, "one confidence for each"),
        ([0.5, 0.5], [1.0, 0.0], None, "boolean"),
        ([0.5, 0.5], [True, False], [1.0], "weights"),
        ([0.5, 0.5], [True, False], [1.0, -1.0], "weights"),
    ],
)
def test_bad_pairs_are_refused(confidence, correct, weights, message):
    with pytest.raises(ValueError, match=message):
        brier(confidence, correct, weights)


def test_other_bad_input_is_refused():
    with pytest.raises(ValueError, match="one bin for each of 2"):
        ece([0.5, 0.5], [True, False], np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="clip"):
        log_loss([0.5], [True], clip=0.5)
    with pytest.raises(ValueError, match="one group for each"):
        group_ece([0.5, 0.5], [True, False], ["a"])
    with pytest.raises(ValueError, match="at least one item"):
        reliability_curve([], [])
