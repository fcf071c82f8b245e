"""A row a family with its slope by hand, and runs that can't be compared are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.metrics.multiple_choice import ChoiceScores
from eval.report.plots import svg
from eval.report.scaling import scaling_figure
from eval.results.results import build_results, write_results
from eval.sweeps.pretraining.scaling import TITLES, Sized, _same, curves, rows

ABOUT = ["Ada", "Ada", "Ben", "Cy"]


def sized(parameters: int, seed: int, loss: float, correct: list[float], about: list[str] = ABOUT) -> Sized:
    each = np.full(len(about), loss)
    scores = ChoiceScores(np.array(correct), each, -each, np.log(np.full(len(about), 0.5)))
    return Sized(Path(f"{parameters}-{seed}"), parameters, seed, {"lie": (about, scores)})


def test_slopes_of_a_family_by_hand() -> None:
    """Losses 1, 2, 4 at 1e4, 1e5, 1e6: slope 1.5, of the halves 1 and 2. Accuracies 1, .75, .5: slope -.25."""
    runs = [
        sized(size, seed, loss, correct)
        for size, loss, correct in ((10**4, 1.0, [1, 1, 1, 1]), (10**6, 4.0, [1, 0, 1, 0]), (10**5, 2.0, [1, 1, 1, 0]))
        for seed in (1, 0)
    ]
    (row,) = rows(runs)
    assert row.system == TITLES["lie"] and row.seeds == (0, 1) and row.given
    found = {key: value.value for key, value in row.values.items() if value}
    assert found["loss_slope"] == pytest.approx(1.5) and found["log_prob_slope"] == pytest.approx(-1.5)
    assert (found["loss_small"], found["loss_large"]) == pytest.approx((1.0, 2.0))
    assert found["accuracy_slope"] == pytest.approx(-0.25)
    assert (found["accuracy_first"], found["accuracy_last"]) == (1.0, 0.5)
    assert found["coverage_first"] == pytest.approx(0.5)
    value = row.values["accuracy_slope"]
    assert value and value.interval and value.interval[0] < -0.25 < value.interval[1] and value.n == 4
    sure = row.values["loss_slope"]
    assert sure and sure.interval == pytest.approx((1.5, 1.5))


def test_two_sizes_have_a_slope_and_no_halves() -> None:
    (row,) = rows([sized(10, 0, 1.0, [1, 1, 1, 1]), sized(100, 0, 1.0, [1, 1, 1, 1])])
    assert row.values["loss_small"] is None and row.values["loss_slope"] is not None


def test_a_size_needs_each_seed_and_the_same_examples() -> None:
    with pytest.raises(ValueError, match="no run of 100 parameters has the seed 1"):
        rows([sized(10, 0, 1.0, [1] * 4), sized(10, 1, 1.0, [1] * 4), sized(100, 0, 1.0, [1] * 4)])
    with pytest.raises(ValueError, match="not all runs were asked the same of lie"):
        rows([sized(10, 0, 1.0, [1] * 4), sized(100, 0, 1.0, [1] * 4, ["Ada", "Ben", "Ben", "Cy"])])


def test_the_figure_has_a_line_for_each_family() -> None:
    drawn = svg(scaling_figure(curves([sized(10, 0, 1.0, [1] * 4), sized(100, 0, 2.0, [0] * 4)])), "scaling")
    assert TITLES["lie"] in drawn and drawn.startswith("<svg")


def write_run(folder: Path, **config: Any) -> Path:
    folder.mkdir()
    results = build_results(
        name="x",
        config={"seed": 0, **config},
        seed=0,
        attribution={},
        stage_seconds={},
        tokens={},
        versions={},
        git=None,
    )
    write_results(folder / "results.json", results)
    assert json.loads((folder / "results.json").read_text())
    return folder / "results.json"


def test_other_data_is_no_other_size(tmp_path: Path) -> None:
    small = write_run(tmp_path / "a", model={"dim": 8}, pretrain={"tokens": 5})
    large = write_run(tmp_path / "b", model={"dim": 16}, pretrain={"tokens": 5})
    assert _same([small, large]) == [small, large]
    longer = write_run(tmp_path / "c", model={"dim": 16}, pretrain={"tokens": 6})
    with pytest.raises(ValueError, match="differ in more than the model and the seed"):
        _same([small, large, longer])
