"""The table of an edit: what is compared with the model as it was and with the one trained from scratch, by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.atomic import write_json
from data.records import Prediction, write_jsonl
from eval.grading.edit_measures import measure_edit
from eval.results.results import build_results, read_results, write_results
from eval.sweeps.faithfulness.edit import COLUMNS, EditRun, lines, main, rows_of
from tests.eval.grading.test_edit_measures import AFTER, ASKED, BEFORE, EDIT, FOLLOWS, IGNORES, cases, says

TOKENS = {"base": {"pretrain": 900, "sft": 100}, "retrained": {"pretrain": 900, "sft": 100}}
TOKENS["edited"] = TOKENS["base"] | {"edit": 50}


def write_run(folder: Path, system: str, said: dict[str, Prediction], seed: int = 0) -> EditRun:
    write_jsonl(folder / "prepare" / "before.jsonl", _made(folder / "prepare", BEFORE))
    write_jsonl(folder / "prepare" / "questions.jsonl", AFTER)
    write_json(folder / "prepare" / "edit.json", EDIT.to_json())
    forced = [replace(said[after.id.removesuffix("~reworded")], question=after.id) for _, _, after in ASKED]
    write_jsonl(folder / "probe_edit" / "forced.jsonl", _made(folder / "probe_edit", forced))
    results = build_results(
        name="edit", config={"edit": {"system": system}, "seed": seed}, seed=seed, attribution={},
        probes={"edit": measure_edit(cases(said), EDIT)},
        stage_seconds={}, tokens=TOKENS[system], versions={}, git=None,
    )  # fmt: skip
    write_results(folder / "results.json", results)
    return EditRun(folder / "results.json", read_results(folder / "results.json"))


def _made(folder: Path, records: Any) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    return records


def values(runs: list[EditRun]) -> dict[str, dict[str, float | None]]:
    return {row.system: {key: one and one.value for key, one in row.values.items()} for row in rows_of(runs)}


FORGETS = FOLLOWS | {"k1": says("k1", "other", "wrong")}


def test_an_edit_is_compared_with_the_others_of_its_seed(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "a", "base", IGNORES),
        write_run(tmp_path / "b", "edited", FORGETS),
        write_run(tmp_path / "c", "retrained", FOLLOWS | {"n": says("n", "other")}),
    ]
    found = values(runs)
    assert list(found) == ["edited", "as it was", "trained from scratch"]
    assert set(found["edited"]) == {column.key for column in COLUMNS}
    edited = found["edited"]
    assert (edited["new_joint"], edited["retrained_joint"]) == (1.0, 0.0)
    assert (edited["kept_joint"], edited["kept_joint_change"]) == (0.5, -0.5)
    assert (edited["token_share"], edited["stale_citation"], edited["retracted_abstained"]) == (0.05, 0.0, 1.0)
    assert found["as it was"]["stale_citation"] == 1.0 and found["as it was"]["token_share"] is None
    assert any(line.startswith("stale citations ") and "0.0" in line for line in lines(rows_of(runs)))


def test_an_edit_that_teaches_nothing_changes_nothing(tmp_path: Path) -> None:
    found = values([write_run(tmp_path / n, n, IGNORES) for n in ("base", "edited")])
    assert found["edited"]["kept_joint_change"] == 0.0 and found["edited"]["retrained_joint"] is None
    assert found["edited"]["stale_citation"] == found["as it was"]["stale_citation"] == 1.0


def test_seeds_are_compared_each_with_its_own(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / f"{name}{seed}", name, said, seed)
        for seed, said in ((0, IGNORES), (1, FORGETS))
        for name in ("base", "edited")
    ]
    (row,) = (row for row in rows_of(runs) if row.system == "edited")
    change = row.values["kept_joint_change"]
    assert change is not None and (change.value, change.sd, row.seeds) == (0.0, 0.0, (0, 1))


def test_a_run_without_an_edit_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path, "base", IGNORES)
    write_results(run.path, dict(run.results) | {"probes": {}})
    with pytest.raises(ValueError, match=r"of no run after an edit: set edit\.system"):
        main({}, [str(tmp_path)])


def test_no_folder_is_asked_for() -> None:
    with pytest.raises(ValueError, match="name at least one folder"):
        main({}, [])
