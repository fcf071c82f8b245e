"""Aggregations of stated confidence: by hand, and Pair-Rank against a plain maximiser of its likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

from eval.selective.verbalised import Guess, avg_conf, bradley_terry, pair_rank

NAMES = st.sampled_from(["Oslo", "Lima", "Cairo", "Quito"])
LISTS = st.lists(st.lists(NAMES, min_size=1, max_size=4, unique=True), min_size=1, max_size=6)


def test_average_confidence_by_hand() -> None:
    said = [Guess("Oslo", 0.8), Guess("Lima", 0.4), Guess("oslo.", 0.4), Guess("", 0.4)]
    assert avg_conf("Oslo", said) == pytest.approx(1.2 / 2.0)
    assert avg_conf("Lima", said) == pytest.approx(0.4 / 2.0)
    assert avg_conf("Cairo", said) == 0
    assert avg_conf("Oslo", []) == avg_conf("Oslo", [Guess("Oslo", 0.0)]) == 0


@pytest.mark.parametrize(
    ("answer", "lists", "expected"),
    [
        ("Oslo", [["Oslo", "Lima"]] * 5, 5.5 / 6),  # before the other five times of five, and half a time each way
        ("Lima", [["Oslo", "Lima"]] * 5, 0.5 / 6),
        ("Oslo", [["Oslo"], ["oslo!"], ["Lima"]], 2.5 / 4),  # what a list lacks comes behind
        ("Cairo", [["Oslo"]] * 5, 0.5 / 6),  # what no list has comes behind in all
        ("a1", [["a1", "a2", "a3"], ["a2", "a3", "a1"], ["a3", "a1", "a2"]], 1 / 3),
        ("Oslo", [["Oslo"]] * 5, 1.0),
        ("Oslo", [], 1.0),
    ],
)
def test_pair_rank_by_hand(answer: str, lists: list[list[str]], expected: float) -> None:
    assert pair_rank(answer, lists) == pytest.approx(expected)


@given(arrays(np.float64, (4, 4), elements=st.floats(0.5, 6)))
def test_strengths_are_the_likeliest(wins: np.ndarray) -> None:
    def loss(scores: np.ndarray) -> float:
        pairs = [(u, v) for u in range(4) for v in range(4) if u != v]
        return sum(wins[u, v] * np.logaddexp(0, scores[v] - scores[u]) for u, v in pairs)

    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-9}).x
    expected = np.exp(best - best.max())
    assert bradley_terry(wins) == pytest.approx(expected / expected.sum(), abs=1e-5)


@given(LISTS)
def test_probabilities_of_all_guesses_sum_to_one(lists: list[list[str]]) -> None:
    assert sum(pair_rank(name, lists) for name in {name for one in lists for name in one}) == pytest.approx(1)


@given(LISTS)
def test_one_more_list_that_it_leads_makes_an_answer_likelier(lists: list[list[str]]) -> None:
    answer = lists[0][0]
    more = [*lists, list(dict.fromkeys([answer, *(name for one in lists for name in one)]))]
    assert pair_rank(answer, more) >= pair_rank(answer, lists) - 1e-9
