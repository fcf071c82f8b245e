"""A row for each cell of the grid, over tuning seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eval.results.results import build_results, write_results
from eval.sweeps.answering.verbalised import CELLS, Table


def write_run(folder: Path, seed: int, found: dict[str, Any], **config: Any) -> None:
    results = build_results(
        name="verbalised", config={"seed": 0, "sft": {"seed": seed}, **config}, seed=0, attribution={},
        probes={"verbalised": found}, stage_seconds={}, tokens={}, versions={}, git="1",
    )  # fmt: skip
    folder.mkdir()
    write_results(folder / "results.json", results)


def found(auroc: float) -> dict[str, Any]:
    return {
        "n": 9,
        **{
            f"{cell}.{name}": {"value": auroc, "interval": [auroc - 0.1, auroc + 0.2]}
            for cell in CELLS
            for name in ("auroc", "smooth_ece", "aurc")
            if cell != "hints.consistency"
        },
    }


def test_seeds_of_tuning_are_one_row(tmp_path: Path) -> None:
    for seed, value in enumerate((0.5, 0.7)):
        write_run(tmp_path / f"run{seed}", seed, found(value))
    rows = Table.show([str(tmp_path)])
    assert [row.system for row in rows] == [label for cell, label in CELLS.items() if cell != "hints.consistency"]
    first = rows[0].values["auroc"]
    assert first is not None and rows[0].seeds == (0, 1)
    assert (first.value, first.sd) == (pytest.approx(0.6), pytest.approx(0.02**0.5))
    assert first.interval == pytest.approx((0.5, 0.8))
    assert Table.headline(rows) is None


def test_what_has_no_grid_or_is_of_two_kinds_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0, {})
    with pytest.raises(ValueError, match="no run here states a confidence"):
        Table.main({}, [str(tmp_path)])
    write_run(tmp_path / "b", 0, found(0.5), size=1)
    write_run(tmp_path / "c", 0, found(0.5), size=2)
    with pytest.raises(ValueError, match="2 kinds of runs"):
        Table.main({}, [str(tmp_path)])
