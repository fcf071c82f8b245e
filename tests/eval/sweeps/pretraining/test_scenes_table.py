"""The table of scenes says whose they were, where they stood, when they were asked for, and what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from eval.results.results import build_results, write_results
from eval.results.table import read_table
from eval.sweeps.pretraining.scenes import Table


def figure(value: float | None, **more: Any) -> dict[str, Any]:
    return {"value": value, "interval": None, **more}


def write_run(
    folder: Path, slots: float, sft: int = 0, probe: bool = True, shown: str = "document", **tags: str
) -> None:
    part = {"slots": figure(slots, n=9), "whole": figure(0.0, n=9)}
    unread = {"asked": {"false_recollection": figure(0.25)}, "loss": {"false_recollection": figure(1.0)}}
    found = {
        "n": {"read": 9, "paraphrased": 9, "altered": 6, "unread_attribute": 3, "unread_entity": 0},
        "read": part | {"behind": part, "first": figure(0.125, n=9)},
        "altered": unread,
        "unread_attribute": unread,
    }
    config = {
        "seed": 0,
        "sft": {"tokens": sft},
        "scenes": {"shown": shown},
        "tags": {"placement": "footnote", "content": "scene", "loss": "all"} | tags,
    }
    results = build_results(
        name="scenes", config=config, seed=0, attribution={}, probes={"scene_recall": found} if probe else {},
        stage_seconds={}, tokens={}, versions={}, git="1", bits_per_byte=1.5,
    )  # fmt: skip
    folder.mkdir(parents=True)
    write_results(folder / "results.json", results)


def test_a_row_for_each_kind_of_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    write_run(runs / "changing" / "a", 0.5, sft=9, shown="batch")
    write_run(runs / "changing" / "b", 0.25, sft=9, shown="batch", loss="none")
    write_run(runs / "changing" / "c", 0.25, sft=9, shown="shuffled")
    write_run(runs / "d", 0.75, placement="end")
    write_run(runs / "e", 0.0, content="id")
    hydra = {"overrides": {"task": ["experiment=scenes"], "hydra": []}, "sweeper": {"params": {"tags": "end"}}}
    Table().on_multirun_end(OmegaConf.create({"run_dir": str(runs), "name": "scenes", "hydra": hydra}))
    table = read_table("docs/results/scenes.json")
    assert [row.system for row in table.rows] == [
        "suffix, scene of the document, asked in pretraining",
        "footnote, identifier, asked in pretraining",
        "footnote, scene of the batch, asked after pretraining",
        "footnote, scene of the batch, never learnt, asked after pretraining",
        "footnote, shuffled scenes, asked after pretraining",
    ]
    assert table.headline == 0
    first = table.rows[0].values
    assert (first["slots"].value, first["slots"].n, first["behind"].value, first["first"].value) == (
        0.75,
        9,
        0.75,
        0.125,
    )
    assert first["whole"].interval == (0.0, pytest.approx(3 / 9))  # never of nine: the rule of three
    assert first["altered_loss"].interval == (pytest.approx(0.5), 1.0)  # all of six
    assert first["altered"].value == 0.25 and first["entity"] is None and first["frequent"] is None
    assert first["bits_per_byte"].value == 1.5 and first["bits_per_byte_train"] is None


def test_runs_without_the_probe_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.0, probe=False)
    with pytest.raises(ValueError, match="no run here was asked where it read something"):
        Table.main({}, [str(tmp_path)])
