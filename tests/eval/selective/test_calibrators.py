import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from eval.metrics.calibration import log_loss, signed_error, smooth_ece
from eval.metrics.selective_prediction import augrc, auroc
from eval.selective.calibrators import TEMPERATURES, GroupLogistic, Isotonic, Temperature, calibrator_from_json

pairs = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]), st.booleans()), min_size=1, max_size=7)


def _split(items):
    confidence, correct = zip(*items, strict=True)
    return np.array(confidence), np.array(correct)


def _overconfident(n, seed, temperature=2.5):
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    return expit(temperature * logit(p)), rng.random(n) < p


def test_temperature_golden():
    # At c = .9 (odds 9) with 3 of 4 right (odds 3) the best odds are 9^(1/T) = 3, so T = 2.
    fitted = Temperature.fit([0.9] * 4, [True] * 3 + [False])
    assert fitted.temperature == pytest.approx(2.0, rel=1e-5)
    assert fitted.apply([0.9, 0.5]) == pytest.approx([0.75, 0.5], rel=1e-5)


def test_temperature_of_one_split_calibrates_another():
    fitted = Temperature.fit(*_overconfident(4000, 0))
    assert fitted.temperature == pytest.approx(2.5, rel=0.05)
    c, r = _overconfident(4000, 1)
    assert smooth_ece(fitted.apply(c), r) < 0.03 < 0.1 < smooth_ece(c, r)
    assert log_loss(fitted.apply(c), r) < log_loss(c, r)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=20), st.floats(0.2, 5))
def test_temperature_leaves_the_ranking(items, temperature):
    c, r = _split(items)
    c = np.round(c, 6)  # apart by more than rounding after the transform
    calibrated = Temperature(temperature).apply(c)
    assert auroc(calibrated, r) == pytest.approx(auroc(c, r), nan_ok=True)
    assert augrc(calibrated, r) == pytest.approx(augrc(c, r))


def test_temperature_survives_certainty_and_separable_data():
    assert Temperature.fit([1.0, 1.0, 0.0], [True, False, False]).temperature > 1
    assert Temperature.fit([0.9, 0.1], [True, False]).temperature == pytest.approx(TEMPERATURES[0], rel=1e-3)
    assert Temperature.fit([0.1, 0.9], [True, False]).temperature == pytest.approx(TEMPERATURES[1], rel=1e-3)
    assert np.isfinite(Temperature(2.0).apply([0.0, 1.0])).all()


def test_isotonic_golden():
    # Levels .2 (0/1), .4 (1/1), .6 (1/2), .8 (3/3): .4 and .6 violate and pool to 2/3.
    c = [0.2, 0.4, 0.6, 0.6, 0.8, 0.8, 0.8]
    r = [False, True, True, False, True, True, True]
    fitted = Isotonic.fit(c, r)
    assert fitted.score == (0.2, 0.4, 0.6, 0.8)
    assert fitted.accuracy == pytest.approx((0, 2 / 3, 2 / 3, 1))
    assert fitted.apply([0.0, 0.3, 0.5, 0.7, 1.0]) == pytest.approx([0, 1 / 3, 2 / 3, 5 / 6, 1])


@settings(max_examples=60)
@given(pairs)
def test_isotonic_has_the_least_squares_of_all_monotone_maps(items):
    c, r = _split(items)
    fitted = Isotonic.fit(c, r).apply(c)
    levels, member = np.unique(c, return_inverse=True)
    # The optimum is made of averages of runs of levels: try every way to cut the levels into runs.
    best = math.inf
    for cuts in range(2 ** (len(levels) - 1)):
        run = np.cumsum([0] + [cuts >> i & 1 for i in range(len(levels) - 1)])[member]
        values = np.array([r[run == block].mean() for block in range(run.max() + 1)])
        if np.all(np.diff(values) >= 0):
            best = min(best, float(np.sum((values[run] - r) ** 2)))
    assert np.sum((fitted - r) ** 2) == pytest.approx(best, abs=1e-12)


@given(pairs, st.lists(st.floats(-2, 2), min_size=2, max_size=20))
def test_isotonic_is_monotone_and_a_probability(items, scores):
    applied = Isotonic.fit(*_split(items)).apply(np.sort(scores))
    assert (np.diff(applied) >= -1e-12).all() and (applied >= 0).all() and (applied <= 1).all()


def test_isotonic_of_log_probabilities_calibrates_another_split():
    (c, r), (other, right) = _overconfident(4000, 2), _overconfident(4000, 3)
    fitted = Isotonic.fit(np.log(c), r)
    assert smooth_ece(fitted.apply(np.log(other)), right) < 0.03
    assert len(fitted.score) < 200  # flat pieces keep their ends only


def test_group_logistic_has_no_mean_error_in_any_group():
    rng = np.random.default_rng(4)
    groups = rng.choice(["book", "film", "place"], 900)
    shift = np.select([groups == "book", groups == "film"], [1.5, -1.0], 0.0)
    c = rng.random(900)
    r = rng.random(900) < expit(0.5 * logit(c) + shift)
    fitted = GroupLogistic.fit(c, r, groups)
    calibrated = fitted.apply(c, groups)
    for group in np.unique(groups):
        inside = groups == group
        assert abs(signed_error(calibrated[inside], r[inside])) < 1e-4 < abs(signed_error(c[inside], r[inside]))
    assert fitted.slope == pytest.approx(0.5, abs=0.15)
    assert [fitted.intercepts[g] for g in ("book", "film", "place")] == pytest.approx([1.5, -1.0, 0.0], abs=0.4)


def test_group_logistic_stays_finite_when_a_group_is_all_right():
    fitted = GroupLogistic.fit([0.6, 0.7, 0.6, 0.8, 1.0], [True, True, True, False, True], list("aabba"))
    low, high = fitted.apply([0.7, 0.7], ["b", "a"])
    assert 0 < low < high < 1 and all(map(math.isfinite, fitted.intercepts.values()))


@pytest.mark.parametrize(
    "calibrator",
    [Temperature(1.7), Isotonic((-3.0, 0.5), (0.1, 1.0)), GroupLogistic(0.9, {"a": -0.25, "b": 2.0})],
    ids=lambda c: type(c).__name__,
)
def test_json_round_trip(calibrator):
    assert calibrator_from_json(json.loads(json.dumps(calibrator.to_json()))) == calibrator


@pytest.mark.parametrize("name", ["temperature", "isotonic", "group_logistic"])
def test_a_fit_is_plain_data(name):
    c, r = _overconfident(50, 5)
    groups = ["a", "b"] * 25
    fitted = {"temperature": Temperature, "isotonic": Isotonic}.get(name)
    calibrator = fitted.fit(c, r) if fitted else GroupLogistic.fit(c, r, groups)
    read = calibrator_from_json(json.loads(json.dumps(calibrator.to_json())))
    extra = () if fitted else (groups,)
    assert read.apply(c, *extra).tolist() == calibrator.apply(c, *extra).tolist()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "not a calibrator"),
        ({"kind": "spline"}, "not a calibrator"),
        ({"kind": "temperature", "temperature": 1.0, "more": 1}, "not a calibrator"),
        ({"kind": "temperature", "temperature": "1"}, "finite number"),
        ({"kind": "temperature", "temperature": True}, "finite number"),
        ({"kind": "temperature", "temperature": math.nan}, "finite number"),
        ({"kind": "temperature", "temperature": 0.0}, "positive"),
        ({"kind": "isotonic", "score": [0.0, 1.0], "accuracy": [1.0, 0.0]}, "non-decreasing"),
        ({"kind": "isotonic", "score": [], "accuracy": []}, "equally many"),
        ({"kind": "isotonic", "score": [0.0], "accuracy": [2.0]}, r"in \[0, 1\]"),
        ({"kind": "group_logistic", "slope": 1.0, "intercepts": {}}, "one finite intercept"),
    ],
)
def test_bad_state_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        calibrator_from_json(value)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="without an item"):
        Temperature.fit([], [])
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        Temperature.fit([1.5], [True])
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        Temperature(1.0).apply([math.nan])
    with pytest.raises(ValueError, match="finite"):
        Isotonic((0.0,), (1.0,)).apply([math.nan])
    with pytest.raises(ValueError, match='group "c" was not fitted'):
        GroupLogistic(1.0, {"a": 0.0}).apply([0.5], ["c"])
    with pytest.raises(ValueError, match="one group for each of 2"):
        GroupLogistic.fit([0.5, 0.5], [True, False], ["a"])
    with pytest.raises(ValueError, match="one group for each of 1"):
        GroupLogistic(1.0, {"a": 0.0}).apply([0.5], ["a", "a"])
