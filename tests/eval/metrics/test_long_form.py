"""By hand: texts that are right to a degree."""

from __future__ import annotations

import numpy as np
import pytest

from eval.metrics.long_form import correlation, ece_m, selective_f1

C, S = [0.2, 0.4, 0.8, 0.8], [0.0, 0.5, 1.0, 0.5]


def test_by_hand() -> None:
    assert ece_m(C, S, np.array([0, 0, 1, 1])) == pytest.approx((0.1 + 0.1) / 4)
    assert selective_f1(C, S, 0.5) == pytest.approx(2 * 2 / (2 + 3))
    assert correlation(C, S) == pytest.approx(np.corrcoef(C, S)[0, 1])


def test_what_is_never_confident_or_always_the_same() -> None:
    assert selective_f1([0.1] * 4, S, 0.5) == 0.0
    assert np.isnan(selective_f1([0.1] * 4, [0.1] * 4, 0.5))
    assert np.isnan(correlation([0.5] * 4, S))
    assert ece_m(S, S, np.arange(4)) == 0.0


def test_weights_count_texts() -> None:
    draws = np.array([[1, 1, 1, 1], [2, 0, 0, 1.0]])
    again = [0.2, 0.2, 0.8], [0.0, 0.0, 0.5]
    assert correlation(C, S, draws)[1] == pytest.approx(np.corrcoef(*again)[0, 1])
    assert ece_m(C, S, np.zeros(4, dtype=np.int64), draws) == pytest.approx([0.05, 0.7 / 3])


def test_what_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        ece_m([1.2], [0.0], np.zeros(1, dtype=np.int64))
    with pytest.raises(ValueError, match="shapes"):
        correlation([0.5], S)
