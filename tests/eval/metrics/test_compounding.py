"""By hand; independent claims have no excess, and texts that are wholly right or wrong have the most."""

from __future__ import annotations

import numpy as np
import pytest

from eval.metrics.compounding import compounding, snowball

TEXTS = [[True, True], [True, False], [False, False], [True, True, False]]


def test_by_hand() -> None:
    assert compounding(TEXTS, 2) == pytest.approx((0.5, 0.75 * 0.5, 0.125))
    assert compounding(TEXTS, 3) == pytest.approx((0.0, 0.0, 0.0))  # the last text only
    assert snowball(TEXTS) == pytest.approx(0 / 1 - 2 / 4)
    assert snowball([[False, True, True], [True, False]]) == pytest.approx(
        2 / 2 - 0 / 1
    )  # any error before, not the last


def test_texts_that_are_too_short_do_not_count_and_none_is_nan() -> None:
    assert np.isnan(compounding(TEXTS, 4).observed)
    assert np.isnan(snowball([[True], [False]]))
    with pytest.raises(ValueError, match="there must be a claim"):
        compounding(TEXTS, 0)


def test_draws_weigh_texts() -> None:
    draws = np.array([[1, 1, 1, 1], [0, 0, 0, 3.0]])
    assert compounding(TEXTS, 2, draws).observed == pytest.approx([0.5, 1.0])
    assert compounding(TEXTS, 2, draws).independent == pytest.approx([0.375, 1.0])


def test_independent_claims_against_company_and_snowballs() -> None:
    rng = np.random.default_rng(0)
    coins = (rng.random((5000, 4)) < 0.8).tolist()
    assert abs(compounding(coins, 4).excess) < 0.02 and abs(snowball(coins)) < 0.03
    company = [[bool(right)] * 4 for right in rng.random(5000) < 0.8]
    assert compounding(company, 4).excess == pytest.approx(0.8 - 0.8**4, abs=0.03)
    assert snowball(company) == -1.0
    apart = [[place != wrong for place in range(4)] for wrong in rng.integers(0, 4, 4000)]  # one error in each
    assert compounding(apart, 4).excess == pytest.approx(-(0.75**4), abs=0.01)
    assert snowball(apart) > 0.3
