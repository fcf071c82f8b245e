"""Nothing in the words of a question tells whether it can be answered: a linear reader of n-grams is at chance.

The reader is an L2-regularised logistic regression on words and pairs of neighbouring words, fitted on some entities
and tested on others, as tuning and test are apart. What it would find, a model could learn instead of knowing. Nor may
it be below chance: then what is told in one part is known not to be told in another, and turning its answers round
would tell.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import expit
from scipy.stats import rankdata

from data.records import PLAIN, Question
from data.world.world import WorldCorpus, build_world

FOLDS = 5
LEAK = 0.05  # the bound: an AUROC of .55
HARD: dict[str, Any] = {
    "documents": 1200,
    "hard": True,
    "tuned": 0.25,
    "assert_prob": 0.75,
    "exposures": 16,
    "heldout": 0,
}
ASKED: dict[str, Any] = {"absent_attribute": 0.25, "absent_entity": 0.25, "absent_name": 0.1, "false_premise": 0.13}

Classes = dict[tuple[str, str], list[Question]]


def by_class(config: WorldCorpus) -> Classes:
    """The questions of each (support class, variant), and of "plain" ones, which are single or multi."""
    found: Classes = {}
    for question in build_world(config).questions:
        name = "plain" if question.support_class in PLAIN else question.support_class
        for variant in {"", question.variant}:
            found.setdefault((name, variant), []).append(question)
    return found


@pytest.fixture(scope="module")
def hard() -> Classes:
    return by_class(WorldCorpus(**HARD, **ASKED))


def features(texts: Sequence[str]) -> csr_matrix:
    """Which words and pairs of words occur: (texts, vocabulary), with a constant column."""
    vocabulary: dict[str, int] = {"": 0}
    rows, columns = [], []
    for row, text in enumerate(texts):
        words = re.findall(r"\w+|[^\w\s]", text.lower())
        for term in {"", *words, *map(" ".join, pairwise(words))}:
            rows.append(row)
            columns.append(vocabulary.setdefault(term, len(vocabulary)))
    return csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(texts), len(vocabulary)))


def logistic(x: csr_matrix, y: np.ndarray, penalty: float = 1.0) -> np.ndarray:
    """Weights that minimise the log loss plus penalty / 2 |w|^2, both classes weighing the same."""
    weight = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    sign = 2 * y - 1

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (x @ w)
        loss = weight @ np.logaddexp(0, -margin) + penalty / 2 * w @ w
        return loss, penalty * w - x.T @ (weight * sign * expit(-margin))

    return minimize(objective, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x


def auroc(score: np.ndarray, y: np.ndarray) -> float:
    """P(a positive scores above a negative), ties counting half."""
    positive = int(y.sum())
    return float((rankdata(score)[y == 1].sum() - positive * (positive + 1) / 2) / (positive * (len(y) - positive)))


def leak(one: Sequence[Question], other: Sequence[Question], seeds: int = 3) -> float:
    """How well the reader tells two sets of questions apart: the mean AUROC over folds, dealt `seeds` times."""
    asked = [*one, *other]
    y = np.repeat([0, 1], [len(one), len(other)])
    x = features([question.text for question in asked])
    entities = sorted({question.entity for question in asked})
    scores = []
    for seed in range(seeds):
        places = np.random.default_rng(seed).permutation(len(entities)) % FOLDS
        fold_of = dict(zip(entities, places, strict=True))
        fold = np.array([fold_of[question.entity] for question in asked])
        for number in range(FOLDS):
            test = fold == number
            scores.append(auroc(x[test] @ logistic(x[~test], y[~test]), y[test]))
    return float(np.mean(scores))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("plain", ""), ("absent_attribute", "")),
        (("plain", ""), ("absent_entity", "known_name")),
        (("plain", ""), ("contested", "")),
        (("plain", ""), ("untagged", "")),
        (("plain", ""), ("low_reliability", "")),
        (("true_premise", ""), ("false_premise", "contradicted")),
        (("true_premise", ""), ("false_premise", "unsupported")),
    ],
)
def test_words_do_not_tell_the_class(hard: Classes, one: tuple[str, str], other: tuple[str, str]) -> None:
    assert min(len(hard[one]), len(hard[other])) > 300
    assert abs(leak(hard[one], hard[other]) - 0.5) <= LEAK


def test_new_names_are_told_at_once(hard: Classes) -> None:
    assert leak(hard["plain", ""], hard["absent_entity", "new_name"], seeds=1) > 0.95  # the reader can read


def test_an_easy_world_leaks_who_is_absent() -> None:
    easy = by_class(WorldCorpus(documents=1200))
    assert leak(easy["plain", ""], easy["absent_entity", ""], seeds=1) < 0.5 - LEAK  # names are dealt evenly


def test_auroc_and_fit_on_data_worked_out_by_hand() -> None:
    # Of the four (positive, negative) pairs two are in order, one is a tie, one is not: (2 + 1/2) / 4.
    assert auroc(np.array([1.0, 3.0, 1.0, 2.0]), np.array([1, 1, 0, 0])) == pytest.approx(0.625)
    # One feature x = +-1 for y = 1, 0 and penalty 1: 0 = w - expit(-w), the weights of each class summing to n / 2 = 1.
    (weight,) = logistic(csr_matrix([[1.0], [-1.0]]), np.array([1, 0]))
    assert weight == pytest.approx(2 * expit(-weight), abs=1e-4)
