"""What probes found in runs of each format stands in one row; an effect that was had otherwise is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from eval.results.results import build_results, write_results
from eval.results.table import read_table
from eval.sweeps.faithfulness.causes import Table, main


def write_run(folder: Path, form: str, seed: int, probes: dict[str, Any]) -> None:
    results = build_results(
        name="causes", config={"seed": seed, "answer_format": form}, seed=seed, attribution={}, probes=probes,
        stage_seconds={}, tokens={}, versions={}, git="1",
    )  # fmt: skip
    folder.mkdir(parents=True)
    write_results(folder / "results.json", results)


def found(value: float) -> dict[str, Any]:
    return {"value": value, "interval": [0.0, 1.0], "n": 4}


def test_rows_of_both_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, (cae, aoc, same) in enumerate([(0.5, 0.25, 0.25), (0.75, 0.5, 0.75)]):
        forced = {"by": "cite_first", "cae": found(cae)}
        write_run(tmp_path / f"runs/a{seed}", "cite_first", seed, {"forced_citation": forced})
        forced = {"by": "opened from memory, given the statement form", "cae": found(cae)}
        one = {"foretold": found(same), "foretold_chance": 0.125}
        probes = {"forced_citation": forced, "early_answering": {"aoc_answer": found(aoc)}, "consistency": one}
        write_run(tmp_path / f"runs/b{seed}", "evidence_first", seed, probes)
    hydra = {"overrides": {"task": ["experiment=causes"], "hydra": []}, "sweeper": {"params": {"seed": "0,1"}}}
    Table().on_multirun_end(OmegaConf.create({"run_dir": str(tmp_path / "runs"), "name": "causes", "hydra": hydra}))
    first, second = read_table("docs/results/causes.json").rows
    assert (first.system, second.system) == ("answer_format=cite_first", "answer_format=evidence_first")
    assert first.values["forced_citation.cae"].value == 0.625 and first.values["forced_citation.cae"].n == 4
    assert second.values["forced_citation.cae"] is None  # it was given the statement form
    assert first.values["factored.cae"] is None and second.values["factored.cae"].value == 0.625
    assert first.values["early_answering.aoc_answer"] is None
    assert second.values["early_answering.aoc_answer"].value == 0.375
    first, second = read_table("docs/results/causes_at_one.json").rows
    assert first.values["consistency.foretold"] is None
    assert second.values["consistency.foretold"].value == 0.5
    assert second.values["consistency.foretold_chance"].value == 0.125


def test_runs_without_a_probe_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "direct", 0, {})
    with pytest.raises(ValueError, match=r"no run here was probed: was it made with eval\.probes=\[forced_citation,"):
        main({}, [str(tmp_path)])
