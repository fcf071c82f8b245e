"""Several runs in one table: seeds are averaged, methods compared question by question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from data.records import Prediction, Question, write_jsonl
from eval.compare import find
from eval.results.abstention_report import AbstentionReport
from eval.results.given import MARK
from eval.results.results import build_results, write_results
from eval.results.table import read_table
from eval.sweeps.answering.abstention import Table, table
from tests.eval.selective.test_selective_baselines import everything


def run(
    folder: Path,
    method: str,
    seed: int,
    questions: list[Question],
    said: list[Prediction],
    absent: float = 0.2,
    handed: Sequence[str] = (),
) -> None:
    knowing = AbstentionReport.of(questions, said, 0.02)
    assert knowing is not None
    for stage in ("answer", "statements", "statements_given"):
        (folder / stage).mkdir(parents=True)
    write_jsonl(folder / "answer" / "questions.jsonl", questions)
    for stage in ("statements", "statements_given"):
        write_jsonl(folder / stage / "declarative.jsonl", said)
    config = {
        "abstention_sft": {"method": method, "idk_fraction": absent},
        "eval": {"max_abstained_correct": 0.02},
        "sft": {"seed": seed},
    }
    results = build_results(
        name=method, config=config, seed=0, attribution={}, systems=knowing.by_system(), stage_seconds={}, tokens={},
        versions={}, git=None, given={"systems": {name: {} for name in handed}},
    )  # fmt: skip
    write_results(folder / "results.json", results)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("runs")
    questions, said = everything(30)
    with pytest.MonkeyPatch.context() as patched:  # intervals of single runs are not in the table
        patched.setattr("eval.results.selective_metrics.RESAMPLES", 2)
        make(tmp_path, questions, said)
    return tmp_path


def make(tmp_path: Path, questions: list[Question], said: list[Prediction]) -> None:
    rng = np.random.default_rng(1)
    for seed in range(2):
        noisy = [replace(p, signals={**p.signals, "answer": p.signals["answer"] - rng.random() / 9}) for p in said]
        run(tmp_path / f"expert-{seed}", "none", seed, questions, noisy, handed=["bidirectional"])
        for share in (0.1, 0.4):
            run(tmp_path / f"labels-{share}-{seed}", "labels", seed, questions, noisy, share)


def rows(text: str) -> dict[str, list[str]]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]
    return {first: rest for first, *rest in cells}


def test_seeds_are_averaged_and_shares_kept_apart(runs: Path) -> None:
    found = rows(table(find([str(runs)])))
    assert next(iter(found)) == "expert, two-way check (2)"
    assert {"IDK labels, share 10% (2)", "IDK labels, share 40% (2)", "expert, never answers (2)"} <= set(found)
    assert "expert, agreement (2)" not in found  # nothing was sampled
    assert all("±" in cell for cell in found["expert, two-way check (2)"][:2])
    assert found["expert, two-way check (2)"][-1] == ""
    assert list(found)[8] == "expert, two-way check, given the statement form (2)"  # last of the expert's


def test_differences_are_paired_and_adjusted(runs: Path) -> None:
    found = rows(table(find([str(runs)])))
    oracle, never = (found[f"expert, {name} (2)"][-1] for name in ("ledger oracle", "never answers"))
    assert oracle.startswith("+0.0")
    assert never.startswith("-0.6")
    assert never.endswith("p = 0.012")  # the least of 2,000 draws, 2 / 2001, times twelve comparisons


def test_a_sweep_ends_in_the_table(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    hydra = {"overrides": {"task": ["experiment=abstention"], "hydra": []}, "sweeper": {"params": {"sft.seed": "0,1"}}}
    Table().on_multirun_end(OmegaConf.create({"name": "x", "run_dir": str(runs), "hydra": hydra}))
    text, *said = capsys.readouterr().out.split("\ntable ")
    assert (runs / "abstention.md").read_text().strip() == text.strip() and len(said) == 1
    shown, found = rows(text), read_table("docs/results/abstention.json")
    assert found.rows == read_table(runs / "table.json").rows
    marks = [f"{row.system}{f', {MARK}' if row.given else ''} ({len(row.seeds)})" for row in found.rows]
    assert marks == list(shown)
    first = found.rows[0].values["over_abstention"]
    assert first is not None and first.sd is not None and first.n
    cell = shown[marks[0]][[column.key for column in found.columns].index("over_abstention")]
    assert cell == f"{first.value:.3f} ± {first.sd:.3f}"


def test_runs_that_were_asked_different_questions_are_refused(runs: Path, tmp_path: Path) -> None:
    questions, said = everything(30)
    run(tmp_path / "other", "graded", 0, questions[:-1], said[:-1])
    with pytest.raises(ValueError, match="was asked other questions than the runs before it"):
        table(find([str(runs / "expert-0"), str(tmp_path)]))


@pytest.mark.parametrize("folds", [True, False])
def test_runs_without_abstention_are_refused(tmp_path: Path, folds: bool) -> None:
    questions, said = everything(30)
    run(tmp_path / "expert", "none", 0, questions, said)
    if not folds:
        blank = [replace(question, fold="") for question in questions]
        write_jsonl(tmp_path / "expert" / "answer" / "questions.jsonl", blank)
    results = build_results(
        name="x", seed=0,
        config={"abstention_sft": {"method": "none", "idk_fraction": 0.2}, "eval": {"max_abstained_correct": 0.02}},
        attribution={}, stage_seconds={}, tokens={}, versions={}, git=None,
    )  # fmt: skip
    write_results(tmp_path / "expert" / "results.json", results)
    with pytest.raises(ValueError, match="none of these runs measured abstention"):
        table(find([str(tmp_path)]))
