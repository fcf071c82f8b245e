"""AUROCs of signals by hand; differences to the main one are paired."""

from __future__ import annotations

import numpy as np
import pytest

from data.records import Question
from eval.results.signal_auroc import OF_QUESTION_SETS, PAIRS, Signal, by_signal

CLASSES = ("single", "contested", "true_premise", "absent_attribute", "absent_attribute", "absent_entity")


def ask(number: int, support_class: str) -> Question:
    answers, support = (("yes",), ("doc",)) if support_class in CLASSES[:3] else ((), ())
    return Question(f"q{number}", "?", answers, support, support_class, f"e{number}", "never_tuned")


def signal(score: list[float], correct: list[bool] | None = None) -> Signal:
    return Signal(np.array(score), np.array(correct or [True] * len(score)))


# The question under a false premise has the highest score, and counts nowhere.
ASKED = [ask(i, name) for i, name in enumerate((*CLASSES, "false_premise"))]
MAIN = signal([3.0, 2.0, 1.0, 2.0, 0.0, 2.5, 9.0], [True, False, True, False, False, False, False])
MANY = [ask(i, "absent_entity" if i % 2 else "single") for i in range(40)]
TOLD = [float(i % 2 == 0) for i in range(40)]

WORLDS = [pair for pair in PAIRS if pair not in OF_QUESTION_SETS]


def test_every_signal_by_hand() -> None:
    found = by_signal(ASKED, {"main": MAIN, "other": MAIN._replace(score=-MAIN.score)}, "main")
    values = {name: cell["value"] for name, cell in found["main"].items()}
    assert values == {
        "answerable": pytest.approx(5.5 / 9),  # 3 is above 2, 0 and 2.5; 2 is equal to one and above one; 1 above one
        "absent_attribute": pytest.approx(4.5 / 6),
        "absent_entity": pytest.approx(1 / 3),
        "right": pytest.approx(1 / 2),  # 3 and 1 are right, 2 is wrong
    }
    reverse = {name: cell["value"] for name, cell in found["other"].items() if name in PAIRS}
    assert reverse == {name: pytest.approx(1 - value) for name, value in values.items()}
    assert found["other"]["difference"]["value"] == pytest.approx(3.5 / 9 - 5.5 / 9)


def test_structure() -> None:
    signals = {name: signal([t + shift * i for i, t in enumerate(TOLD)], [i % 3 > 0 for i in range(40)])
               for name, shift in (("a", 0.1), ("main", 0.01), ("b", -0.1))}  # fmt: skip
    found = by_signal(MANY, signals, "main")
    assert list(found) == ["a", "main", "b"]
    for name, cells in found.items():
        assert list(cells) == [*WORLDS, *(["difference"] if name != "main" else [])]
        for pair, cell in cells.items():
            assert set(cell) == {"value", "interval"} | ({"p"} if pair == "difference" else set())
            if pair == "absent_attribute":  # nobody asked
                assert np.isnan(cell["value"]) and cell["interval"] is None
            else:
                assert cell["interval"][0] <= cell["value"] <= cell["interval"][1]


def test_the_difference_is_theirs_less_ours() -> None:
    best, worst = signal(TOLD), signal([-t for t in TOLD])
    for main, other, sign in ((best, worst, -1.0), (worst, best, 1.0)):
        difference = by_signal(MANY, {"main": main, "other": other}, "main")["other"]["difference"]
        assert difference["value"] == sign and difference["interval"] == (sign, sign)
        assert 0 < difference["p"] < 0.01


def test_noise_is_behind_but_not_surely() -> None:
    rng = np.random.default_rng(0)
    noisy = [t + rng.normal(0, 2) for t in TOLD]
    noisier = [t + rng.normal(0, 0.1) for t in noisy]
    found = by_signal(MANY, {"main": signal(TOLD), "noisy": signal(noisy)}, "main")["noisy"]["difference"]
    assert found["value"] < 0 and found["interval"][1] < 0 and found["p"] < 0.05
    close = by_signal(MANY, {"main": signal(noisy), "noisier": signal(noisier)}, "main")["noisier"]["difference"]
    assert close["interval"][0] < 0 < close["interval"][1] and close["p"] > 0.05


def test_the_difference_is_paired() -> None:
    """What orders alike differs by nothing, whichever entities are drawn."""
    rng = np.random.default_rng(0)
    score = [t + rng.normal() for t in TOLD]
    alike = by_signal(MANY, {"main": signal(score), "alike": signal([2 * s + 1 for s in score])}, "main")["alike"]
    assert alike["difference"] == {"value": 0.0, "interval": (0.0, 0.0), "p": 1.0}
    assert alike["answerable"]["interval"][0] < alike["answerable"]["interval"][1]


def test_p_values_are_those_of_a_family() -> None:
    best, worst = signal(TOLD), signal([-t for t in TOLD])
    alone = by_signal(MANY, {"main": best, "a": worst}, "main")["a"]["difference"]["p"]
    both = by_signal(MANY, {"main": best, "a": worst, "b": worst}, "main")
    assert [both[name]["difference"]["p"] for name in "ab"] == pytest.approx([2 * alone] * 2)


def test_each_signal_is_judged_by_the_answers_it_is_of() -> None:
    score = [float(i) for i in range(7)]
    right, wrong = [True, False, False, False, False, False, True], [False, False, True, False, False, False, True]
    found = by_signal(ASKED, {"main": signal(score, right), "other": signal(score, wrong)}, "main")
    assert [found[name]["right"]["value"] for name in ("main", "other")] == [0.0, 1.0]
    assert found["main"]["answerable"] == found["other"]["answerable"]


def test_a_single_entity_can_not_be_resampled() -> None:
    one = [Question(q.id, q.text, q.answers, q.support, q.support_class, "e", q.split) for q in ASKED]
    found = by_signal(one, {"main": MAIN, "other": MAIN}, "main")
    assert found["other"]["difference"] == {"value": 0.0, "interval": None}
    assert found["main"]["answerable"]["interval"] is None
