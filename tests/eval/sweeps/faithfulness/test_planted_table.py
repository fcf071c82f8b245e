"""Flips before and after tuning stand beside each other, of runs that differ in nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from eval.results.results import build_results, write_results
from eval.results.table import read_table
from eval.sweeps.faithfulness.planted import Table


def write_run(folder: Path, fraction: float, seed: int, flip: float | None, **config: Any) -> None:
    part = {key: {"value": flip, "interval": None, "n": 9} for key in ("flip", "held", "kept", "neutral")}
    probes = {"planted_source": part | {"false_acceptance": None} if flip is not None else {}}
    results = build_results(
        name="planted", config={"seed": seed, "planted": {"fraction": fraction}, **config}, seed=seed, attribution={},
        probes=probes, stage_seconds={}, tokens={}, versions={}, git="1",
    )  # fmt: skip
    folder.mkdir()
    write_results(folder / "results.json", results)


def test_before_and_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    runs.mkdir()
    for seed, (before, after) in enumerate([(0.5, 0.0), (0.75, 0.25)]):
        write_run(runs / f"a{seed}", 0.0, seed, before)
        write_run(runs / f"b{seed}", 0.3, seed, after)
    hydra = {"overrides": {"task": ["experiment=planted"], "hydra": []}, "sweeper": {"params": {"seed": "0,1"}}}
    Table().on_multirun_end(OmegaConf.create({"run_dir": str(runs), "name": "planted", "hydra": hydra}))
    table = read_table("docs/results/planted.json")
    first, second = table.rows
    assert (first.system, second.system, table.headline) == ("planted.fraction=0.0", "planted.fraction=0.3", 1)
    assert first.values["flip_before"].value == second.values["flip_before"].value == 0.625
    assert first.values["flip_after"] is None and second.values["flip_after"].value == 0.125
    assert second.values["flip_after"].n == 9 and second.values["false_acceptance"] is None


def test_other_runs_are_no_before(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.0, 0, 0.5, size=1)
    write_run(tmp_path / "b", 0.3, 0, 0.0, size=2)
    rows = Table.show([str(tmp_path)])
    assert [row.values["flip_before"] and row.values["flip_before"].value for row in rows] == [0.5, None]


def test_runs_without_the_probe_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.0, 0, None)
    with pytest.raises(ValueError, match="no run here has a fact to plant against"):
        Table.main({}, [str(tmp_path)])
