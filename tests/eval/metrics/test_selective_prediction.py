import json
import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.metrics.selective_prediction import (
    abstention_recall,
    at_threshold,
    augrc,
    aurc,
    auroc,
    confusion,
    decisions,
    e_aurc,
    effective_reliability,
    false_citation,
    over_abstention,
    penalty,
    recall_at_coverage,
    risk_coverage,
    score_at,
    threshold_at_equal_errors,
    threshold_at_risk,
)

RANKING = {"auroc": auroc, "aurc": aurc, "e_aurc": e_aurc, "augrc": augrc}
pairs = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]), st.booleans()), min_size=1, max_size=25)


def _split(items):
    confidence, correct = zip(*items, strict=True)
    return np.array(confidence), np.array(correct)


def test_golden_ranking():
    c, r = [0.9, 0.8, 0.7, 0.6], [True, False, True, False]
    assert auroc(c, r) == pytest.approx(3 / 4)  # of the four pairs, only (.7 right, .8 wrong) is out of order
    assert [x.tolist() for x in risk_coverage(c, r)] == [[0.25, 0.5, 0.75, 1.0], [0, 0.5, pytest.approx(1 / 3), 0.5]]
    assert aurc(c, r) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert e_aurc(c, r) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4 - (0 + 0 + 1 / 3 + 2 / 4) / 4)
    # Trapezoids of (kept and wrong) / 4 over coverage: 0, 0, 1/4, 1/4, 2/4 at steps of 1/4.
    assert augrc(c, r) == pytest.approx((0 + 0.5 + 1 + 1.5) / 16)


def test_golden_recall_at_coverage():
    """Told at .9, .8, .3, .2, never told at .85, .3, .25, .1."""
    c, told = [0.9, 0.8, 0.3, 0.2, 0.85, 0.3, 0.25, 0.1], [True] * 4 + [False] * 4
    assert recall_at_coverage(c, told, 0.5) == pytest.approx(3 / 4)  # .9 and .8 are kept, and so is .85
    assert recall_at_coverage(c, told, 0.75) == pytest.approx(2 / 4)  # all that is at .3
    assert recall_at_coverage(c, told, 0.625) == pytest.approx(2.5 / 4)  # a half of what is at .3
    assert recall_at_coverage(c, told, 1.0) == pytest.approx(1 / 4)
    assert recall_at_coverage(c, told, 0.0) == 1
    assert math.isnan(recall_at_coverage([0.3, 0.4], [True, True], 0.5))
    assert math.isnan(recall_at_coverage([0.3, 0.4], [False, False], 0.5))
    weights = [[1, 1, 1, 1, 1, 1, 1, 1], [2, 0, 1, 1, 0, 2, 1, 1]]
    assert recall_at_coverage(c, told, 0.75, weights).tolist() == pytest.approx([2 / 4, 2 / 4])
    with pytest.raises(ValueError, match=r"coverage is 1\.5, outside"):
        recall_at_coverage(c, told, 1.5)


@given(pairs, st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0]))
def test_recall_at_coverage_counts_down_from_the_surest(items, coverage):
    c, told = _split(items)
    room, kept = coverage * told.sum(), 0.0
    for level in sorted(set(c), reverse=True):
        known, never = (told & (c == level)).sum(), (~told & (c == level)).sum()
        share = float(room > 0) if not known else max(0.0, min(1.0, room / known))
        room, kept = room - known, kept + share * never
    found = recall_at_coverage(c, told, coverage)
    wanted = 1 - kept / (~told).sum() if 0 < told.sum() < len(told) else math.nan
    assert found == pytest.approx(wanted, nan_ok=True, abs=1e-9)


def test_ties_count_half_at_certainty_too():
    assert auroc([1.0, 1.0], [True, False]) == 0.5
    assert auroc([0.0, 0.0, 1.0], [True, False, True]) == 0.75
    assert auroc([-3.0, -700.0], [True, False]) == 1.0  # any score, such as a log-probability
    assert math.isnan(auroc([0.3, 0.4], [True, True]))


@given(pairs)
def test_auroc_is_the_share_of_ordered_pairs(items):
    c, r = _split(items)
    wins = [float(a > b) + 0.5 * (a == b) for a in c[r] for b in c[~r]]
    assert auroc(c, r) == pytest.approx(np.mean(wins) if wins else math.nan, nan_ok=True)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.9]), st.booleans()), min_size=1, max_size=5))
def test_ties_are_the_mean_over_all_their_orders(items):
    c, r = _split(items)
    # Each order of the items, then a stable sort by confidence: every order within ties, equally often.
    orders = [sorted(order, key=lambda item: -item[0]) for order in permutations(zip(c, r, strict=True))]
    risks = [np.cumsum([not right for _, right in order]) / np.arange(1, len(c) + 1) for order in orders]
    assert aurc(c, r) == pytest.approx(np.mean(risks))


@given(pairs)
def test_augrc_is_a_function_of_auroc_and_accuracy(items):
    c, r = _split(items)
    accuracy, area = r.mean(), auroc(c, r)
    between = 0.0 if math.isnan(area) else (1 - area) * accuracy * (1 - accuracy)
    assert augrc(c, r) == pytest.approx(between + 0.5 * (1 - accuracy) ** 2, abs=1e-12)


def test_perfect_order_has_no_excess_and_the_known_limit():
    r = np.arange(20_000) < 15_000
    c = np.linspace(1, 0, 20_000)
    assert e_aurc(c, r) == pytest.approx(0, abs=1e-12)
    assert aurc(c, r) == pytest.approx(0.25 + 0.75 * math.log(0.75), abs=1e-4)
    assert e_aurc(c[::-1], r) > 0.3


@pytest.mark.parametrize("name", RANKING)
@given(items=pairs)
def test_monotone_transform_changes_no_ranking_metric(name, items):
    c, r = _split(items)
    assert RANKING[name](np.expm1(3 * c), r) == pytest.approx(RANKING[name](c, r), nan_ok=True, abs=1e-12)


@pytest.mark.parametrize("name", RANKING)
@settings(max_examples=25)
@given(items=pairs, data=st.data())
def test_weights_are_repetitions(name, items, data):
    metric, (c, r) = RANKING[name], _split(items)
    counts = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(c), max_size=len(c)).filter(any)))
    draws = metric(c, r, np.stack([counts, np.ones(len(c))]))
    expected = [float(metric(np.repeat(c, counts), np.repeat(r, counts))), float(metric(c, r))]
    assert [float(d) for d in draws] == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert math.isnan(metric([], [])) and np.isnan(metric(c, r, np.zeros((1, len(c))))).all()


def test_threshold_is_the_largest_coverage_within_risk():
    c, r = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [False, True, True, True, True, False]
    # Risks: 1, 1/2, 1/3, 1/4, 1/5, 1/3. It is not monotone, and the largest coverage counts.
    assert threshold_at_risk(c, r, 0.2) == 0.5
    assert threshold_at_risk(c, r, 0.25) == 0.5
    assert threshold_at_risk(c, r, 0.1) == math.inf
    assert threshold_at_risk(c, r, 1.0) == 0.4
    assert threshold_at_risk([0.9, 0.9], [True, False], 0.4) == math.inf  # ties are kept or left together
    assert threshold_at_risk([], [], 0.1) == math.inf


@pytest.mark.parametrize(
    ("right", "wrong", "threshold"),
    [
        ([0.9, 0.8, 0.7, 0.6], [0.75, 0.5, 0.4, 0.3], 0.7),  # below .7 a quarter of the right, above a quarter of these
        ([0.9, 0.8, 0.7, 0.6], [0.65, 0.5, 0.4, 0.3], 0.7),  # below .7 a quarter, above none; at .6 none, but a quarter
        ([0.9, 0.8, 0.7, 0.6], [0.5], 0.6),
        ([0.9, 0.8, 0.7, 0.6], [], 0.6),
        ([0.9, 0.8], [0.95], 0.9),  # none will do: the strictest
        ([0.5, 0.5], [0.5], 0.5),
        ([-1e6, -3.0, -2.0], [-1e6, -1e6], -3.0),  # any scores
    ],
)
def test_threshold_of_equal_errors_by_hand(right, wrong, threshold):
    correct = [True] * len(right) + [False] * len(wrong)
    assert threshold_at_equal_errors([*right, *wrong], correct) == threshold


@given(pairs.filter(lambda items: any(correct for _, correct in items)))
def test_threshold_of_equal_errors_as_a_plain_search_has_it(items):
    c, r = _split(items)
    good, bad = [s for s, ok in zip(c, r, strict=True) if ok], [s for s, ok in zip(c, r, strict=True) if not ok]
    for at in sorted(good):
        lost = sum(s < at for s in good) / len(good)
        if lost >= sum(s >= at for s in bad) / max(len(bad), 1):
            break
    assert threshold_at_equal_errors(c, r) == at


def test_frozen_threshold_reports_the_risk_it_really_takes():
    threshold = threshold_at_risk([0.9, 0.8, 0.2], [True, True, False], 0.05)
    assert threshold == 0.8
    selection = at_threshold([0.95, 0.8, 0.7, 0.1], [True, False, True, False], threshold)
    assert selection == (0.5, 0.5)
    coverage, risk = at_threshold([0.5], [True], math.inf)
    assert coverage == 0 and math.isnan(risk)


def test_score_at_target():
    c, r = [1.0, 0.8, 0.75, 0.0], [False, True, True, True]
    assert score_at(c, r, 0.0) == pytest.approx((0 + 1 + 1 + 0) / 4)  # a confidence of 0 does not exceed 0
    assert score_at(c, r, 0.5) == pytest.approx((-1 + 1 + 1) / 4)
    assert score_at(c, r, 0.75) == pytest.approx((-3 + 1) / 4)
    assert score_at(c, r, 0.9) == pytest.approx(-9 / 4)
    assert [penalty(t) for t in (0, 0.5, 0.75, 0.9)] == pytest.approx([0, 1, 3, 9])
    with pytest.raises(ValueError, match="target"):
        score_at(c, r, 1.0)


def test_calibrated_confidence_beats_any_other_at_its_target():
    rng = np.random.default_rng(2)
    p = rng.random(20_000)
    r = rng.random(20_000) < p
    for target in (0.5, 0.75, 0.9):
        honest = score_at(p, r, target)
        assert honest > max(score_at(p**2, r, target), score_at(np.sqrt(p), r, target), 0)


def test_effective_reliability():
    outcome = ["answered", "answered", "abstained", "unparseable", "no_source", "false_premise", "false_premise"]
    correct = [True, False, False, False, True, True, False]
    assert effective_reliability(outcome, correct) == pytest.approx((1 - 1 + 0 - 1 + 1 + 1 - 1) / 7)
    assert effective_reliability(outcome, correct, 3.0) == pytest.approx((3 - 3 * 3) / 7)
    draws = effective_reliability(outcome, correct, 1.0, [[1, 0, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0, 0]])
    assert draws.tolist() == [1.0, -0.5]
    with pytest.raises(ValueError, match="only a statement"):
        effective_reliability(["abstained"], [True])


def test_rates_of_abstention_and_citation():
    outcome = [
        "abstained",
        "answered",
        "answered",
        "no_source",
        "abstained",
        "unparseable",
        "answered",
        "false_premise",
    ]
    cited = np.array([False, True, False, False, False, False, True, False])
    never = np.array([True, True, True, True, False, True, False, False])
    assert abstention_recall(outcome, never) == pytest.approx(1 / 5)
    assert false_citation(outcome, cited, never) == pytest.approx(2 / 5)  # one cited, one that nobody can read
    assert over_abstention(outcome, ~never) == pytest.approx(2 / 3)
    highly_known = np.array([False] * 6 + [True, False])
    assert over_abstention(outcome, highly_known) == 0.0
    assert math.isnan(abstention_recall(outcome, np.zeros(8, bool)))
    assert abstention_recall(outcome, never, np.eye(8)[:2]).tolist() == [1.0, 0.0]


def test_confusion_loses_no_question():
    support = ["tagged"] * 4 + ["untagged"] * 2 + ["absent"] * 4
    outcome = ["answered", "answered", "abstained", "unparseable", "no_source", "answered"]
    outcome += ["abstained", "abstained", "false_premise", "answered"]
    cited = np.array([True, False, False, False, False, True, False, False, False, True])
    assert confusion(support, outcome, cited).tolist() == [[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 2, 1]]
    assert confusion(support, outcome, cited, np.full((3, 10), 2.0)).sum(axis=(1, 2)).tolist() == [20, 20, 20]
    assert decisions(["no_source"], np.array([True])).tolist() == ["no_source"]  # a source to no source is none


RATES = {  # each as a loss: lower is better
    "reliability": lambda o, cited, never, right: -effective_reliability(o, right),
    "recall": lambda o, cited, never, right: -abstention_recall(o, never),
    "over_abstention": lambda o, cited, never, right: over_abstention(o, ~never),
    "false_citation": lambda o, cited, never, right: false_citation(o, cited, never),
}


@pytest.mark.parametrize("name", RATES)
@given(
    items=st.lists(
        st.tuples(
            st.sampled_from(["answered", "abstained", "no_source", "false_premise", "unparseable"]),
            st.booleans(),
            st.booleans(),
            st.booleans(),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_a_parse_failure_never_improves_a_metric(name, items):
    outcome, cited, never, right = zip(*items, strict=True)
    cited, never = np.array(cited), np.array(never)
    right = np.array(right) & np.isin(outcome, ["answered", "no_source", "false_premise"])
    before = RATES[name](outcome, cited, never, right)
    after = RATES[name](("unparseable", *outcome[1:]), np.r_[False, cited[1:]], never, np.r_[False, right[1:]])
    assert math.isnan(before) == math.isnan(after)
    assert not after < before


def test_values_are_plain_json():
    c, r = [0.2, 0.7], [False, True]
    for value in (
        auroc(c, r),
        aurc(c, r),
        augrc(c, r),
        *at_threshold(c, r, 0.5),
    ):
        json.dumps(value)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match='unknown outcome "max_abstained_correct"'):
        abstention_recall(["max_abstained_correct"], [True])
    with pytest.raises(ValueError, match="one boolean for each of 2"):
        over_abstention(["answered", "answered"], [True])
    with pytest.raises(ValueError, match="one boolean for each of 1"):
        over_abstention(["answered"], ["False"])
    with pytest.raises(ValueError, match='unknown support "told"'):
        confusion(["told"], ["answered"], [True])
    with pytest.raises(ValueError, match="finite"):
        auroc([math.nan, 0.5], [True, False])
    with pytest.raises(ValueError, match="no item is correct"):
        threshold_at_equal_errors([0.5], [False])
    with pytest.raises(ValueError, match="risk is 5"):
        threshold_at_risk([0.5], [True], 5)
