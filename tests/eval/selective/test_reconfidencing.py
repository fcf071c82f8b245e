"""Regions by hand; a split that another fold does not confirm is not made."""

from __future__ import annotations

import numpy as np
import pytest

from eval.metrics.grouping_loss import grouping_loss
from eval.selective.reconfidencing import Fold, Leaf, Reconfidenced, Split, best_split

RIGHT = np.repeat([True, False], 20)
FEATURES = np.column_stack([np.tile([0.0, 1.0], 20), np.where(RIGHT, 0.0, 1.0)])
FOLD = Fold(np.full(40, 0.5), RIGHT, FEATURES)


def test_the_best_split_by_hand() -> None:
    assert best_split(RIGHT, FEATURES) == (1, 0.5)
    assert best_split(RIGHT, FEATURES[:, :1]) is None  # either side is half right
    assert best_split(RIGHT[1:], FEATURES[1:]) is None  # 19 on one side


def test_leaves_by_hand() -> None:
    fitted = Reconfidenced.fit(FOLD, FOLD)
    assert fitted.edges == (0.5,)
    low, high = (40 + 5 * 0.5) / 45, 5 * 0.5 / 45
    assert fitted.trees[1] == Split(1, 0.5, Leaf(pytest.approx(low)), Leaf(pytest.approx(high)))
    assert fitted.apply([0.5, 0.5], np.array([[0.0, 0.0], [0.0, 1.0]])) == pytest.approx([low, high])
    assert fitted.apply([0.1], np.array([[0.0, 0.0]])) == pytest.approx([0.5])  # a level where nothing was


def test_what_the_second_fold_denies_is_one_leaf() -> None:
    fitted = Reconfidenced.fit(FOLD, FOLD._replace(correct=~RIGHT))
    assert fitted.trees[1] == Leaf(pytest.approx(0.5))


def test_the_grouping_loss_that_isotonic_leaves_is_gone() -> None:
    rng, n = np.random.default_rng(0), 3000
    kind = rng.random((2, n)) < 0.5
    chance = np.where(kind, 0.9, 0.1)
    folds = [
        Fold(np.full(n, 0.5), rng.random(n) < c, k[:, None].astype(float)) for c, k in zip(chance, kind, strict=True)
    ]
    found = Reconfidenced.fit(folds[0], folds[0]).apply(folds[1].confidence, folds[1].features)
    names = kind[1].astype(str).tolist()
    bins = np.unique(found, return_inverse=True)[1].astype(np.int64)
    assert grouping_loss(folds[1].confidence, folds[1].correct, names, np.zeros(n, dtype=np.int64)) > 0.14
    assert abs(grouping_loss(found, folds[1].correct, names, bins)) < 0.01


def test_features_are_checked() -> None:
    with pytest.raises(ValueError, match="features of each of 40"):
        Reconfidenced.fit(FOLD._replace(features=FEATURES[:3]), FOLD)
