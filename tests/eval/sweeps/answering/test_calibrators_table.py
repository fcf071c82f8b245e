"""The table has what its columns say, over runs of one kind that were asked the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from agents import agent
from omegaconf import OmegaConf

from data.records import Question, write_jsonl
from eval.metrics.calibration import smooth_ece
from eval.metrics.group_calibration import worst_ece
from eval.results.results import build_results, write_results
from eval.results.table import read_table
from eval.selective.calibration_methods import BASELINE, STATED, TOLD, cross_fitted
from eval.sweeps.answering import calibrators
from eval.sweeps.answering.calibrators import CHANCE, COLUMNS, Table, reported, rows


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrators, "RESAMPLES", 40)
    monkeypatch.setattr(calibrators, "SIMULATED", 2)


def test_figures_are_means_over_runs_and_cuts_are_against_isotonic() -> None:
    agents = [agent(0, 60), agent(1, 60)]
    found = {row.system: row for row in rows(agents, (0, 1))}
    said, tests = cross_fitted(agents), [reported(one) for one in agents]
    stated = [float(smooth_ece(c, t.correct)) for c, t in zip(said[STATED], tests, strict=True)]
    assert found[STATED].values["smooth_ece"].value == pytest.approx(np.mean(stated))
    low, high = found[STATED].values["smooth_ece"].interval
    assert low < high and found[STATED].seeds == (0, 1)
    worst = {
        name: np.mean([worst_ece(c, t.correct, t.groups) for c, t in zip(said[name], tests, strict=True)])
        for name in (BASELINE, "IGHB, seen groups")
    }
    row = found["IGHB, seen groups"].values
    assert (
        row["cut"].value == pytest.approx(1 - worst["IGHB, seen groups"] / worst[BASELINE]) and row["cut"].value > 0.3
    )
    assert 0 < row["p"].value <= 1 and row["auroc_change"].value > 0.1
    assert found[BASELINE].values["cut"] is found[BASELINE].values["p"] is None
    chance = found[CHANCE].values
    assert chance["smooth_ece"].value < 0.1 and chance["cut"] is None
    assert chance["worst_seen"].value < found[BASELINE].values["worst_seen"].value  # where nothing is wrong


def test_a_run_that_was_not_drawn_does_not_count() -> None:
    agents = [agent(0, 60), agent(1, 60)]
    tests = [reported(one) for one in agents]
    half = [np.full(360, 0.5)] * 2
    weights = np.r_[np.ones(360), np.zeros(360)]
    found = calibrators._mean_over_runs(calibrators.MEASURES["smooth_ece"], half, tests, weights)
    assert found == pytest.approx(float(smooth_ece(half[0], tests[0].correct)))


def test_other_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="asked other questions"):
        rows([agent(0, 30), agent(0, 60)], (0, 1))


def write_run(folder: Path, seed: int, **config: object) -> None:
    one = agent(seed, 60)
    for name in ("answer", "signals", "prepare"):
        (folder / name).mkdir(parents=True)
    write_jsonl(folder / "answer" / "questions.jsonl", one.questions)
    write_jsonl(folder / "signals" / "predictions.jsonl", one.predictions)
    tuning = [Question("t", "When was Eve born?", ("x",), ("d1",), "single", "Eve", "tune", "birth_date")]
    write_jsonl(folder / "prepare" / "questions.jsonl", tuning)
    options = {"answers.of_4.accuracy": {"value": 0.5 + seed / 4, "interval": None, "n": 9}}
    spoken = {"claims.2.observed": {"value": 0.5, "interval": None, "n": 9}, "ece_m": {"value": 0.1, "interval": None}}
    results = build_results(
        name="calibrators", config={"seed": seed, **config}, seed=seed, attribution={}, stage_seconds={}, tokens={},
        probes={"options": options, "biographies": spoken}, versions={}, git="1",
    )  # fmt: skip
    write_results(folder / "results.json", results)


def test_a_sweep_ends_in_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(calibrators, "read_index", lambda folder: [])
    for seed in (0, 1):
        write_run(tmp_path / "runs" / f"s{seed}", seed)
    hydra = {"overrides": {"task": ["experiment=calibrators"], "hydra": []}, "sweeper": {"params": {"seed": "0,1"}}}
    Table().on_multirun_end(OmegaConf.create({"run_dir": "runs", "name": "calibrators", "hydra": hydra}))
    table = read_table("docs/results/calibrators.json")
    assert [column.key for column in table.columns] == [column.key for column in COLUMNS]
    assert table.headline is not None and table.rows[table.headline].system != TOLD
    options = read_table("docs/results/calibrators_options.json")
    assert options.rows[0].values["accuracy"].value == 0.625 and len(options.rows) == 1
    assert read_table("docs/results/calibrators_compounding.json").rows[0].values["observed"].value == 0.5
    long_form = read_table("docs/results/calibrators_long_form.json")
    assert long_form.rows[0].given and long_form.rows[0].values["ece_m"].value == 0.1
    assert (tmp_path / "runs" / "table_options.json").exists()


def test_runs_of_two_kinds_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0, size=1)
    write_run(tmp_path / "b", 0, size=2)
    with pytest.raises(ValueError, match="2 kinds of runs"):
        calibrators.main({}, [str(tmp_path)])
