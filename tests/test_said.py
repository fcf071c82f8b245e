"""P(said) is a ridge logistic regression with squares and products; what is missing was not said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy.optimize import minimize

from eval.said import Said
from eval.weigh import RECITED


def slow_odds(
    fitted: Sequence[Mapping[str, float]], said: Sequence[bool], asked: Sequence[Mapping[str, float]]
) -> list[float]:
    """Of the signals told (at least -40) and recited (at least -7): each feature written out, the loss summed up."""

    def row(signals: Mapping[str, float]) -> tuple[float, float]:
        return max(signals.get("told", -40.0), -40.0), max(signals.get("recited", -7.0), -7.0)

    rows = [row(signals) for signals in fitted]
    (m, k), (s, t) = [[f(column) for column in zip(*rows, strict=True)] for f in (np.mean, np.std)]

    def features(signals: Mapping[str, float]) -> list[float]:
        a, b = row(signals)
        a, b = (a - m) / s, (b - k) / t
        return [1.0, a, b, a * a, a * b, b * b]

    def loss(w: np.ndarray) -> float:
        total = sum(weight * weight for weight in w) / 2
        for signals, label in zip(fitted, said, strict=True):
            p = 1 / (1 + math.exp(-sum(w * features(signals))))
            total -= math.log(p if label else 1 - p)
        return total

    best = minimize(loss, np.zeros(6), tol=1e-9).x
    return [float(sum(best * features(signals))) for signals in asked]


def test_what_is_said_as_a_plain_reference_has_it() -> None:
    rng = np.random.default_rng(3)
    signals: list[dict[str, float]] = [
        {"told": t, "recited": r, "other": 1.0}
        for t, r in zip(-rng.exponential(9, 30), -8 * rng.random(30), strict=True)
    ]
    said = [rng.random() < 1 / (1 + math.exp(-(8 + s["told"] + s["recited"] / 2))) for s in signals]
    signals[1], signals[2], signals[3] = {"recited": -1.0}, {"told": -2.0}, {"told": -70.0, "recited": -20.0}
    fitted = Said.fit(("told", "recited"), signals, said)
    assert fitted is not None
    asked = [*signals, {"told": -5.0, "recited": -3.0}, {}]
    assert fitted.log_odds(asked) == pytest.approx(slow_odds(signals, said, asked), abs=1e-4)


def test_what_is_missing_was_not_said() -> None:
    fitted = Said.fit(RECITED, [{"told": -3.0, "recited": -1.0}, {"noted": -9.0}], [True, False])
    assert fitted is not None
    floors = {"told": -40.0, "noted": -40.0, "worded": -40.0, "recited": -7.0}
    found = fitted.log_odds([{}, floors, dict.fromkeys(RECITED, -1e3), floors | {"recited": -6.0}])
    assert found[0] == found[1] == found[2] != found[3]


def test_what_no_model_shows_is_not_weighed() -> None:
    shown = [{"told": -3.0}, {"told": -9.0}, {"told": -4.0, "nosrc_told": -2.0}]
    plain = Said.fit(RECITED, shown[:2], [True, False])
    assert plain is not None and plain.names == ("told",)
    sourced = Said.fit(RECITED, shown, [True, False, True])
    assert sourced is not None and sourced.names == ("told", "nosrc_told")


@pytest.mark.parametrize("said", [[], [True, True], [False, False]])
def test_what_is_always_or_never_said_can_not_be_told_apart(said: list[bool]) -> None:
    assert Said.fit(("told",), [{"told": -1.0}, {"told": -2.0}][: len(said)], said) is None
