import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from eval.metrics import statistics
from eval.metrics.statistics import (
    bootstrap_difference,
    bootstrap_draws,
    bootstrap_ratio,
    bootstrap_ratios,
    holm,
    p_value,
    percentile_interval,
)


def test_equals_scipy_when_every_cluster_is_one_item():
    values = np.random.default_rng(1).normal(size=60)
    ours = bootstrap_ratio(values, np.ones(60), range(60), resamples=500, seed=7)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=500, method="percentile", vectorized=True, rng=np.random.default_rng(7)
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), rel=1e-12)


def test_interval_of_a_ratio_resamples_the_denominator_along():
    # Two clusters: (top, bottom) = (1, 1) and (0, 3). A draw holds AA, AB, BA or BB: ratios 1, 1/4, 1/4, 0.
    low, high = bootstrap_ratio([1, 0], [1, 3], ["A", "B"])
    assert (low, high) == (0.0, 1.0)
    low, high = bootstrap_ratio([1, 0], [1, 3], ["A", "B"], level=0.4)  # percentiles 30 and 70 lie in the two quarters
    assert (low, high) == (0.25, 0.25)


def test_items_of_a_cluster_stand_or_fall_together():
    rng = np.random.default_rng(0)
    per_cluster = rng.integers(0, 2, 40)
    items, clusters = np.repeat(per_cluster, 10), np.repeat(np.arange(40), 10)
    low, high = bootstrap_ratio(items, np.ones(400), clusters)
    naive_low, naive_high = bootstrap_ratio(items, np.ones(400), range(400))
    assert (high - low) / (naive_high - naive_low) == pytest.approx(10**0.5, rel=0.1)


def test_nominal_coverage_on_clustered_data():
    rng = np.random.default_rng(5)
    covered, trials, clusters = 0, 300, np.repeat(np.arange(50), 4)
    for trial in range(trials):
        rates = np.repeat(rng.beta(2, 2, 50), 4)  # mean 1/2, items of a cluster correlated
        low, high = bootstrap_ratio(rng.random(200) < rates, np.ones(200), clusters, resamples=400, seed=trial)
        covered += low <= 0.5 <= high
    assert 0.90 <= covered / trials <= 0.98  # 0.95, less the percentile interval's small-sample deficit; +- 2.4 s.e.


def test_zero_variance_has_no_width():
    assert bootstrap_ratio([1] * 12, [1] * 12, [0, 1, 2] * 4) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("top", "bottom", "clusters"), [([1, 0], [1, 1], ["x", "x"]), ([], [], []), ([0, 0], [0, 0], ["x", "y"])]
)
def test_nothing_to_resample_has_no_interval(top, bottom, clusters):
    assert bootstrap_ratio(top, bottom, clusters) is None


def test_draws_without_a_denominator_do_not_count_as_zero():
    top, bottom = [1] + [0] * 9, [1] + [0] * 9  # a third of the draws miss the only item with a denominator
    assert bootstrap_ratio(top, bottom, range(10)) == (1.0, 1.0)


def test_columns_share_their_draws_and_equal_single_intervals():
    rng = np.random.default_rng(2)
    tops, bottoms, clusters = rng.random((30, 2)), 1 + rng.random((30, 2)), rng.integers(0, 9, 30).tolist()
    single = [bootstrap_ratio(tops[:, i], bottoms[:, i], clusters, seed=3) for i in range(2)]
    assert bootstrap_ratios(tops, bottoms, clusters, seed=3) == single


def test_difference_is_paired():
    rng = np.random.default_rng(4)
    first = (rng.random(200) < 0.5).astype(float)
    second = first - 0.25  # never better, always by the same: no doubt about the difference
    ones = np.ones(200)
    assert bootstrap_difference((first, second), (ones, ones), range(200)) == pytest.approx((0.25, 0.25))
    low, high = bootstrap_ratio(first, ones, range(200))
    assert high - low > 0.1


def test_difference_of_independent_systems_has_the_normal_width():
    rng = np.random.default_rng(6)
    first, second, ones = rng.normal(1, 1, 800), rng.normal(0, 1, 800), np.ones(800)
    low, high = bootstrap_difference((first, second), (ones, ones), range(800))
    assert (high - low) / 2 == pytest.approx(1.96 * (2 / 800) ** 0.5, rel=0.1)
    assert low < 1 < high


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40), st.integers(0, 5), st.integers(1, 9)
)
def test_interval_is_in_range_reproducible_and_indifferent_to_blocks(items, seed, cells):
    right, clusters = zip(*items, strict=True)
    arguments = (right, [1] * len(items), clusters)
    interval = bootstrap_ratio(*arguments, resamples=50, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "_CHUNK_CELLS", cells)  # many blocks of draws in place of one
        assert bootstrap_ratio(*arguments, resamples=50, seed=seed) == interval
    assert (interval is None) == (len(set(clusters)) < 2)
    if interval:
        assert 0 <= interval[0] <= interval[1] <= 1


@pytest.mark.parametrize(
    ("top", "clusters", "message"),
    [([1.0], ["x", "y"], "one row for each of 2"), ([1.0, np.nan], ["x", "y"], "finite")],
)
def test_bad_input_is_refused(top, clusters, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_ratio(top, [1.0] * len(top), clusters)


def test_draws_of_any_statistic_are_those_of_the_ratio():
    rng = np.random.default_rng(8)
    values, clusters = rng.random(30), rng.integers(0, 9, 30).tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "_CHUNK_CELLS", 100)  # several blocks
        draws = bootstrap_draws(lambda w: w @ values / w.sum(-1), clusters, resamples=50, seed=3)
    assert draws.shape == (50,)
    assert percentile_interval(draws) == pytest.approx(
        bootstrap_ratio(values, np.ones(30), clusters, resamples=50, seed=3)
    )
    assert percentile_interval(bootstrap_draws(lambda w: w.sum(-1), ["one"] * 3)) is None


def test_undefined_draws_are_left_out():
    assert percentile_interval(np.array([np.nan, 1.0, 3.0, np.nan]), level=1.0) == (1.0, 3.0)
    assert percentile_interval(np.array([np.nan])) is None
    assert p_value(np.array([np.nan])) is None


def test_p_value_counts_the_draws_beyond_no_difference():
    assert p_value(np.ones(1999)) == pytest.approx(2 / 2000)
    assert p_value(np.r_[-np.ones(9), np.ones(990)]) == pytest.approx(2 * 10 / 1000)
    assert p_value(np.r_[np.ones(9), -np.ones(990)]) == pytest.approx(2 * 10 / 1000)
    assert p_value(np.zeros(100)) == 1.0


def test_p_value_is_uniform_without_a_difference():
    rng, small, trials = np.random.default_rng(9), 0, 300
    for trial in range(trials):
        values = rng.normal(size=80)
        draws = bootstrap_draws(lambda w, v=values: w @ v / 80, range(80), resamples=300, seed=trial)
        small += p_value(draws) <= 0.2
    assert small / trials == pytest.approx(0.2, abs=0.06)


def test_holm_golden():
    # Sorted: .005 x 4, .01 x 3, .03 x 2, .04 x 1, none below the one before it.
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert list(found) == ["a", "b", "c", "d"]
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert holm({"a": 0.3}) == {"a": 0.3} and holm({}) == {}
    with pytest.raises(ValueError, match='"b" is nan'):
        holm({"a": 0.5, "b": float("nan")})
