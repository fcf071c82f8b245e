"""P(said) is a sum of rising curves with the least penalised log loss; what is missing was not said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.selective.answer_selection import RECITED
from eval.selective.monotone_gam import LOGPROB_CLIP, Curve, MonotoneGAM

Signals = Mapping[str, float]


def drawn(n: int = 60, seed: int = 3) -> tuple[list[dict[str, float]], list[bool]]:
    """Statements that are said if either of two signals is high, with noise; a third signal says nothing."""
    rng = np.random.default_rng(seed)
    rows = -rng.exponential(9, (n, 3))
    chance = 1 / (1 + np.exp(-(5 + 1.5 * rows[:, :2].max(1))))
    said = rng.random(n) < chance
    return [
        dict(zip(("lp_statement_given_id", "lp_answer_given_opening", "lp_statement_mean"), row, strict=True))
        for row in rows.tolist()
    ], said.tolist()


def fitted(names: Sequence[str], signals: Sequence[Signals], said: Sequence[bool]) -> MonotoneGAM:
    found = MonotoneGAM.fit(names, signals, said)
    assert found is not None
    return found


def test_log_odds_by_hand() -> None:
    curves = {
        "lp_statement_given_id": Curve((-9.0, -5.0, -3.0), (0.0, 1.0, 4.0)),
        "lp_id_given_statement": Curve((-2.0, 0.0), (0.0, 3.0)),
    }
    asked = [
        {
            "lp_statement_given_id": -7.0,
            "lp_id_given_statement": -1.0,
        },  # half of the first step, half of the other curve
        {"lp_statement_given_id": -4.0, "lp_id_given_statement": -3.0},
        {"lp_statement_given_id": 0.0, "lp_id_given_statement": 0.0},
        {"lp_statement_given_id": -99.0},
    ]
    assert MonotoneGAM(-2.0, curves).log_odds(asked).tolist() == [-2 + 0.5 + 1.5, -2 + 2.5, -2 + 4 + 3, -2]
    assert MonotoneGAM(-2.0, {}).log_odds(asked).tolist() == [-2.0] * 4
    assert MonotoneGAM(-2.0, curves).log_odds([]).tolist() == []


def test_no_other_curves_have_less_loss() -> None:
    """Loss as the docstring has it, term by term; at a minimum no step of a curve gains by being higher or lower."""
    signals, said = drawn()
    signals[1], signals[2], signals[3] = (
        {"lp_answer_given_opening": -1.0},
        {"lp_statement_given_id": -2.0},
        {"lp_statement_given_id": -70.0, "lp_answer_given_opening": -20.0},
    )
    best = fitted(("lp_statement_given_id", "lp_answer_given_opening"), signals, said)

    def loss(model: MonotoneGAM) -> float:
        total = 0.0
        for shown, label in zip(signals, said, strict=True):
            z = model.bias
            for name, curve in model.curves.items():
                x = max(shown.get(name, LOGPROB_CLIP), LOGPROB_CLIP)
                places = list(zip(curve.value, curve.rise, strict=True))
                for (low, before), (high, after) in pairwise(places):
                    z += (after - before) * min(max((x - low) / (high - low), 0), 1)
            total += math.log1p(math.exp(-z if label else z))
        steps = [b - a for c in model.curves.values() for a, b in pairwise(c.rise)]
        return total + sum(step * step for step in steps) / 2

    least, tiny = loss(best), 1e-3
    moved = [MonotoneGAM(best.bias + by, best.curves) for by in (tiny, -tiny)]
    flat = 0
    for name, curve in best.curves.items():
        for place in range(1, len(curve.value)):
            height = curve.rise[place] - curve.rise[place - 1]
            flat += height == 0
            for by in (tiny, -min(tiny, height)):
                rise = (*curve.rise[:place], *(r + by for r in curve.rise[place:]))
                moved.append(MonotoneGAM(best.bias, {**best.curves, name: Curve(curve.value, rise)}))
    assert flat  # some steps would rather fall
    assert min(map(loss, moved)) > least - 1e-6


def test_curves_bend_at_quantiles_of_either_class() -> None:
    signals = [{"lp_statement_given_id": float(x)} for x in range(-32, 0)] + [
        {"lp_statement_given_id": x / 100} for x in range(-32, 0)
    ]
    found = fitted(("lp_statement_given_id",), signals, [False] * 32 + [True] * 32)
    low = [-32 + 31 * k / 16 for k in range(17)]
    high = [x / 100 for x in low]  # some of which round to the same hundredth
    assert found.curves["lp_statement_given_id"].value == pytest.approx(sorted({*np.round(low, 2), *np.round(high, 2)}))
    assert found.curves["lp_statement_given_id"].rise[0] == 0


def test_either_of_two_signals_is_enough() -> None:
    """Which a logistic regression on the signals and their products can't express, as the log-odds level off."""
    signals, said = drawn(2000)
    odds = fitted(("lp_statement_given_id", "lp_answer_given_opening"), signals, said).log_odds(
        [
            {"lp_statement_given_id": -1.0, "lp_answer_given_opening": -30.0},
            {"lp_statement_given_id": -30.0, "lp_answer_given_opening": -1.0},
            {"lp_statement_given_id": -30.0, "lp_answer_given_opening": -30.0},
        ]
    )
    assert odds[0] > 1 and odds[1] > 1 and odds[2] < -3


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_nothing_likelier_is_less_said(data: st.DataObject) -> None:
    signals, said = drawn(40, data.draw(st.integers(0, 5)))
    value = st.floats(-60, 5)
    low = {name: data.draw(value) for name in ("lp_statement_given_id", "lp_answer_given_opening", "lp_statement_mean")}
    high = {name: x + data.draw(st.floats(0, 20)) for name, x in low.items()}
    less, more = fitted(tuple(low), signals, said).log_odds([low, high])
    assert less <= more


def test_what_is_missing_was_not_said() -> None:
    found = fitted(
        RECITED,
        [{"lp_statement_given_id": -3.0, "lp_answer_given_opening": -1.0}, {"lp_id_given_statement": -9.0}],
        [True, False],
    )
    floors = dict.fromkeys(("lp_statement_given_id", "lp_id_given_statement", "lp_answer_given_opening"), LOGPROB_CLIP)
    odds = found.log_odds([{}, floors, dict.fromkeys(RECITED, -1e3), floors | {"lp_answer_given_opening": -6.0}])
    assert odds[0] == odds[1] == odds[2] < odds[3]
    least = (
        fitted(
            ("lp_statement_given_id",),
            [{"lp_statement_given_id": -3.0}, {"lp_statement_given_id": -1e3}],
            [True, False],
        )
        .curves["lp_statement_given_id"]
        .value[0]
    )
    assert least == LOGPROB_CLIP


def test_what_no_model_shows_is_not_weighed() -> None:
    shown = [
        {"lp_statement_given_id": -3.0},
        {"lp_statement_given_id": -9.0},
        {"lp_statement_given_id": -4.0, "nosrc_lp_statement_given_id": -2.0},
    ]
    assert tuple(fitted(RECITED, shown[:2], [True, False]).curves) == ("lp_statement_given_id",)
    assert tuple(fitted(RECITED, shown, [True, False, True]).curves) == (
        "lp_statement_given_id",
        "nosrc_lp_statement_given_id",
    )


def test_what_is_always_the_same_adds_nothing() -> None:
    shown = [
        {"lp_statement_given_id": -3.0, "lp_id_given_statement": -1.0},
        {"lp_statement_given_id": -9.0, "lp_id_given_statement": -1.0},
    ]
    found = fitted(("lp_statement_given_id", "lp_id_given_statement"), shown, [True, False])
    assert found.curves["lp_id_given_statement"] == Curve((-1.0,), (0.0,))
    assert fitted(("lp_id_given_statement",), shown, [True, False]).log_odds([{}]) == pytest.approx(
        [0.0], abs=1e-4
    )  # one of two


@pytest.mark.parametrize("said", [[], [True, True], [False, False]])
def test_what_is_always_or_never_said_can_not_be_told_apart(said: list[bool]) -> None:
    assert (
        MonotoneGAM.fit(
            ("lp_statement_given_id",),
            [{"lp_statement_given_id": -1.0}, {"lp_statement_given_id": -2.0}][: len(said)],
            said,
        )
        is None
    )
