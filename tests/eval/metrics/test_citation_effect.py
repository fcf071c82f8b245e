"""Effects by hand, controls that must fail, and intervals over documents and runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eval.metrics.citation_effect import ABLATED, EXCHANGED, LEFT_OUT, Ablated, Exchanged, LeftOut, measured, rates
from eval.metrics.statistics import bootstrap_draws, crossed_draws

DOCUMENTS = ["a", "a", "a", "a", "b", "b", "b", "b"]
RUNS = [0, 1, 2, 3, 0, 1, 2, 3]


def bools(text: str) -> np.ndarray:
    return np.array([letter == "x" for letter in text])


# Document a is a fact's only source, b one of two; each is read in half of four runs.
ITEMS = LeftOut(
    read=bools("xx..x.x."),
    alone=bools("xxxx...."),
    others=bools("....xxx."),  # in the last run the other source of b's fact was left out, too
    cites=bools("xxx.x..."),
    cites_other=bools(".....xx."),
    right=bools("xx..xxx."),
    withheld=bools("..x....x"),
)


def value(items: LeftOut, key: str, weights: list[float] | None = None) -> float:
    return float(LEFT_OUT[key](items)(np.array([weights or [1.0] * len(items.read)]))[0])


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("lcd", 2 / 2 - 1 / 2),
        ("lcd_multi", 1 / 2 - 0 / 2),
        ("phantom", 1 / 4),
        ("reroute", 1 / 1),  # the one item of b that was left out while another source was read
        ("retention", 1 / 1),
        ("abstained", 2 / 3),  # two of a, one of b
        ("abstained_told", 0 / 5),
    ],
)
def test_golden_values(key: str, expected: float) -> None:
    assert value(ITEMS, key) == pytest.approx(expected)


def test_weights_count_items_as_often_as_they_say() -> None:
    assert value(ITEMS, "lcd", [3, 1, 0, 1, 1, 1, 1, 1]) == pytest.approx(4 / 4 - 0 / 1)
    assert np.isnan(value(ITEMS, "lcd", [1, 1, 0, 0, 1, 1, 1, 1]))  # left out in no run that was drawn


def test_a_system_that_ignores_documents_has_no_effect_and_only_phantoms() -> None:
    everywhere = np.ones(8, dtype=bool)
    blind = LeftOut(ITEMS.read, ITEMS.alone, ITEMS.others, everywhere, ~everywhere, everywhere, ~everywhere)
    assert (value(blind, "lcd"), value(blind, "phantom"), value(blind, "reroute")) == (0.0, 1.0, 0.0)
    faithful = LeftOut(ITEMS.read, ITEMS.alone, ITEMS.others, ITEMS.read, ~ITEMS.read, ITEMS.read, ~ITEMS.read)
    assert (value(faithful, "lcd"), value(faithful, "phantom"), value(faithful, "reroute")) == (1.0, 0.0, 1.0)


def test_tracking_and_leak_by_hand() -> None:
    items, ones = Exchanged(bools("xx.."), bools("..x.")), np.ones((1, 4))
    assert [float(EXCHANGED[key](items)(ones)[0]) for key in ("tracking", "leak")] == [0.5, 0.25]


def test_rates_by_document() -> None:
    assert rates(DOCUMENTS, ITEMS) == {
        "a": {"lcd": 0.5, "phantom": 0.5, "n": 4.0},
        "b": {"lcd": 0.5, "phantom": 0.0, "n": 4.0},
    }
    assert rates(["a"] * 2, LeftOut(*(bools("xx") for _ in range(7))))["a"]["lcd"] is None


def test_what_is_undefined_is_none() -> None:
    nothing = LeftOut(*(np.zeros(0, dtype=bool) for _ in range(7)))
    assert measured(LEFT_OUT["lcd"](nothing), [], []) == {"value": None, "interval": None}


def test_intervals_resample_both_sides() -> None:
    """By hand: of two rows and two columns, one item in each cell, the mean's variance is known."""
    rows, columns = ["a", "a", "b", "b"], [0, 1, 0, 1]

    def mean(values: list[float]) -> Any:
        return lambda w: (w @ values) / np.maximum(w.sum(-1), 1)

    of_rows = crossed_draws(mean([0, 0, 1, 1]), rows, columns, resamples=4000)
    of_columns = crossed_draws(mean([0, 1, 0, 1]), rows, columns, resamples=4000)
    for draws in (of_rows, of_columns):  # each side alone: 0, 1/2 and 1 with chances 1/4, 1/2, 1/4
        assert np.var(draws) == pytest.approx(1 / 8, abs=0.01)
    assert not np.array_equal(of_rows, of_columns)
    one_run = crossed_draws(mean([0, 0, 1, 1]), rows, [0] * 4, resamples=500)
    assert np.array_equal(one_run, bootstrap_draws(mean([0, 0, 1, 1]), rows, resamples=500))
    assert len(crossed_draws(mean([1.0]), ["a"], [0])) == 0
    assert measured(LEFT_OUT["lcd"](ITEMS), DOCUMENTS, RUNS)["interval"] == pytest.approx((0.0, 1.0))


def test_what_an_ablation_does_by_hand() -> None:
    """Of four facts without their tag one is cited and three are right; of four with it three and two."""
    items = Ablated(
        treated=bools("xxxx...."), cites=bools("x...xxx."), follows=bools(".xx....."), right=bools("xxx.xx..")
    )  # fmt: skip
    found = {
        key: float(made(items)(np.ones((1, 8)))[0])
        for statistics in ABLATED.values()
        for key, made in statistics.items()
    }
    assert found == pytest.approx(
        {
            "tag_effect": 3 / 4 - 1 / 4,
            "untagged_cites": 1 / 4,
            "untagged_right": 3 / 4,
            "tagged_right": 2 / 4,
            "dummy_cites": 1 / 4,
            "dummy_right": 3 / 4,
            "move_follows": 2 / 4,
            "move_stays": 1 / 4,
        }
    )


def test_a_reader_of_names_shows_no_effect_of_the_tag() -> None:
    """Control: it cites d with and without the tag, on any text, and where the fact was."""
    treated, always, never = bools("xx.."), bools("xxxx"), bools("....")
    items = Ablated(treated=treated, cites=always, follows=never, right=always)
    found = {k: float(f(items)(np.ones((1, 4)))[0]) for how in ABLATED.values() for k, f in how.items()}
    assert (found["tag_effect"], found["dummy_cites"], found["move_follows"], found["move_stays"]) == (0, 1, 0, 1)
