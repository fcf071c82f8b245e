"""Gains are paired and counted by hand; controls and test-time variants have rows of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from data.records import Citation, Prediction, Question, read_jsonl, write_jsonl
from eval.results.results import build_results, write_results
from eval.results.table import read_table
from eval.sweeps.answering.surprisal import PLAIN, SHUFFLED, Table, main

TOLD, NEVER = 10, 10


def asked() -> list[Question]:
    common: dict[str, Any] = {"split": "never_tuned", "fold": "test"}
    told = [Question(f"t{i}", "Where?", ("Oslo",), ("doc-1",), "single", f"told {i}", **common) for i in range(TOLD)]
    never = [Question(f"n{i}", "Where?", (), (), "absent_entity", f"never {i}", **common) for i in range(NEVER)]
    other = Question("d", "Where?", ("Oslo",), ("doc-1",), "single", "someone", "never_tuned", fold="dev")
    return [*told, other, *never]


def said(kept: int, stated: bool = True) -> list[Prediction]:
    """Sure of nine of the ten told, of `kept` of the never told as much, and of the rest not."""
    found = []
    for q in asked():
        number = int(q.id[1:] or 0)
        sure = number < (kept if q.id[0] == "n" else 9)
        signals = {"best_word": -0.1 if sure else -3.0, "refusal": -1.0} | ({"stated": float(sure)} if stated else {})
        found.append(Prediction(q.id, "answered", "Oslo", (Citation("doc-1"),), 0.5, signals=signals))
    return found


def write_run(
    folder: Path, source: str, seed: int, kept: Mapping[str, int], method: str = "backtrack", begins: str = "x"
) -> None:
    config = {
        "seed": seed,
        "surprisal": {"source": source, "begins": begins},
        "abstention_sft": {"method": method},
    }
    probes = {"backtracking": {"recall": {"value": 0.5 + seed / 4, "interval": None, "n": NEVER}}}
    results = build_results(
        name="surprisal", config=config, seed=seed, attribution={}, probes=probes, stage_seconds={}, tokens={},
        versions={}, git="1",
    )  # fmt: skip
    (folder / "answer").mkdir(parents=True)
    write_results(folder / "results.json", results)
    write_jsonl(folder / "answer" / "questions.jsonl", asked())
    for name, number in kept.items():
        write_jsonl(folder / "answer" / f"{name}.jsonl", said(number, method != "none"))


def recorded(runs: Path, tmp_path: Path) -> Sequence[Any]:
    hydra = {"overrides": {"task": ["experiment=surprisal"], "hydra": []}, "sweeper": {"params": {"seed": "0,1"}}}
    Table().on_multirun_end(OmegaConf.create({"run_dir": str(runs), "name": "surprisal", "hydra": hydra}))
    return read_table(tmp_path / "docs/results/surprisal.json").rows


def test_the_table_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    for seed, (none, own) in enumerate([(5, 2), (7, 2)]):
        write_run(runs / f"none{seed}", "none", seed, {"whence": none})
        write_run(runs / f"own{seed}", "own", seed, {"whence": own, "whence_off": 10, "whence_shuffled": none})
        write_run(runs / f"base{seed}", "none", seed, {"whence": 10}, method="none")
    rows = {row.system: row for row in recorded(runs, tmp_path)}
    assert list(rows) == [
        "before the second phase",
        "nothing fed back",
        "surprisal",
        "surprisal, asked with nothing fed",
        "surprisal, asked with another question's",
    ]
    plain, own = rows["nothing fed back"].values, rows["surprisal"].values
    assert plain["recall_after"].value == pytest.approx(1 - 0.6) and own["recall_after"].value == pytest.approx(0.8)
    assert plain["recall_before"].value == plain["recall_after"].value and plain["right"].value == 1
    gain = f"gain_after_{PLAIN}"
    assert plain[gain] is None and own[gain].value == pytest.approx(0.4)
    low, high = own[gain].interval
    assert 0 < low < 0.4 < high
    # Of 2000 draws less than 30 are at or below 0, twice that over 2001; six comparisons, and four are no smaller.
    assert own[f"p_after_{PLAIN}"].value == pytest.approx(6 * 0.023988, abs=1e-4)
    same = rows["surprisal, asked with another question's"].values
    assert same[gain].value == 0 and same[f"p_after_{PLAIN}"].value == 1
    assert rows["surprisal, asked with nothing fed"].values["recall_after"].value == 0
    base = rows["before the second phase"].values
    assert base["recall_after"] is None and base[gain] is None  # no comparison of the family
    assert own["recall"].value == 0.625 and own["recall"].n == NEVER and same["recall"] is None


def test_against_shuffled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for source, kept in (("none", 5), ("own", 1), ("shuffled", 4)):
        write_run(tmp_path / "runs" / source, source, 0, {"whence": kept})
    rows = {row.system: row.values for row in recorded(tmp_path / "runs", tmp_path)}
    assert rows["surprisal"][f"gain_after_{SHUFFLED}"].value == pytest.approx(0.3)
    assert rows[SHUFFLED][f"gain_after_{PLAIN}"].value == pytest.approx(0.1)
    assert rows[SHUFFLED][f"gain_after_{SHUFFLED}"] is None


def test_what_is_no_answer_is_withheld_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no mark of confidence: neither the row nor what is compared with it is left out for that."""
    monkeypatch.chdir(tmp_path)
    for source in ("none", "own"):
        write_run(tmp_path / "runs" / source, source, 0, {"whence": 5})
    path = tmp_path / "runs/own/answer/whence.jsonl"
    silent = [replace(p, signals={**p.signals, "stated": 1.0}) for p in read_jsonl(path, Prediction)]
    silent = [
        replace(p, outcome="unparseable", answer=None, citations=(), signals=without(p, "stated"))
        if p.question in ("n0", "n1")
        else p
        for p in silent
    ]
    write_jsonl(path, silent)
    rows = {row.system: row.values for row in recorded(tmp_path / "runs", tmp_path)}
    assert rows["surprisal"]["recall_after"].value == pytest.approx(0.28)  # two, and a tenth of eight
    assert rows["surprisal"][f"gain_after_{PLAIN}"].value == pytest.approx(0.28 - 0.5)


def without(prediction: Prediction, signal: str) -> dict[str, float]:
    return {name: value for name, value in prediction.signals.items() if name != signal}


def test_pretraining_with_it_is_another_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "runs/a", "own", 0, {"whence": 1}, begins="pretrain")
    (row,) = recorded(tmp_path / "runs", tmp_path)
    assert row.system == "surprisal, from pretraining on" and row.values[f"gain_after_{PLAIN}"] is None


def test_runs_that_were_asked_nothing_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "none", 0, {})
    with pytest.raises(ValueError, match="no run here was asked what was told"):
        main({}, [str(tmp_path)])


def test_other_questions_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "none", 0, {"whence": 3})
    write_run(tmp_path / "b", "own", 0, {"whence": 3})
    path = tmp_path / "b/answer/questions.jsonl"
    write_jsonl(path, asked()[1:])
    with pytest.raises(ValueError, match=r"b/answer/whence\.jsonl answers other questions"):
        main({}, [str(tmp_path)])
