"""An edited model beside the model as it was and one trained from scratch on the edited corpus.

    python -m eval.sweeps.faithfulness.edit runs/edit

Rows are the systems of one experiment, seeds together; the edited one is compared with the others of its seed:

    retrained_joint    new_joint of the one trained from scratch: the ceiling
    kept_joint_change  kept_joint less that of the model as it was, on the same questions; higher is better
    token_share        tokens of the edit / tokens of training from scratch

The other columns are of eval/grading/edit_measures.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback

from data.records import Prediction, Question, read_jsonl
from data.storage.editing import EDIT, Edit
from eval.compare import find
from eval.grading.edit_measures import MEASURES, EditCase, asked_after, joint_change
from eval.results.recorded import record_sweep
from eval.results.results import read_results, setting
from eval.results.table import Column, Row, Value, figure, over_seeds
from eval.selective.edit_cases import edit_cases
from eval.sweeps.shown import of_runs

COMMAND = of_runs("faithfulness.edit", "Put an edited model, the model as it was and a retrained one into one table.")
SYSTEMS = {"edited": "edited", "base": "as it was", "retrained": "trained from scratch"}
PROBE = "probe_edit"  # the stage of a run: steps/edit.py
COMPARED = {
    "retrained_joint": Column("retrained_joint", "joint, new facts, trained from scratch", "%", 1, "higher"),
    "kept_joint_change": Column("kept_joint_change", "change of joint, other facts", "%", 1, "higher"),
    "token_share": Column("token_share", "tokens of training from scratch", "%", 1, "lower"),
}
COLUMNS = [*(Column(name, m.title, "%", 1, m.better) for name, m in MEASURES.items()), *COMPARED.values()]


@dataclass(frozen=True)
class EditRun:
    """A run of the experiment."""

    path: Path  # of its results.json
    results: Mapping[str, Any]

    @property
    def system(self) -> str:
        return str(setting(self.results, "edit.system"))

    @property
    def measured(self) -> dict[str, Value | None]:
        found: Mapping[str, Any] = self.results["probes"]["edit"]
        return {name: _value(found[name]) for name in MEASURES}

    @cached_property
    def edit(self) -> Edit:
        return Edit.from_json(json.loads((self.path.parent / "prepare" / EDIT).read_text(encoding="utf-8")))

    @cached_property
    def cases(self) -> list[EditCase]:
        folder = self.path.parent
        before, after = (
            list(read_jsonl(folder / "prepare" / f"{name}.jsonl", Question)) for name in ("before", "questions")
        )
        forced = list(read_jsonl(folder / PROBE / "forced.jsonl", Prediction))
        return edit_cases(asked_after(before, after, self.edit), forced)


class Table(Callback):
    """Hydra's callback that ends a sweep with the table."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        paths = find([config.run_dir])
        rows = rows_of(_runs(paths))
        print("\n".join(lines(rows)))
        record_sweep(config, paths, COLUMNS, rows)


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    print("\n".join(lines(rows_of(_runs(find(folders))))))


def rows_of(runs: Sequence[EditRun]) -> list[Row]:
    """A row for each system, seeds together."""
    found = []
    for system, label in SYSTEMS.items():
        mine = {run.results["seed"]: run for run in runs if run.system == system}
        if mine:
            each = [_compared(run, _of_seed(runs, seed)) for seed, run in mine.items()]
            values = {column.key: over_seeds([one[column.key] for one in each]) for column in COLUMNS}
            found.append(Row(label, values, seeds=tuple(mine)))
    return found


def lines(rows: Sequence[Row]) -> list[str]:
    """For a terminal: a line for each measure, a column for each system."""
    cells = [["", *(row.system for row in rows)]]
    cells += [[c.title, *(figure(row.values.get(c.key), c) for row in rows)] for c in COLUMNS]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def _runs(paths: Sequence[Path]) -> list[EditRun]:
    runs = [EditRun(path, read_results(path)) for path in paths]
    for run in runs:
        if "edit" not in run.results["probes"]:
            raise ValueError(f"{run.path} is of no run after an edit: set edit.system")
    return runs


def _of_seed(runs: Sequence[EditRun], seed: Any) -> dict[str, EditRun]:
    return {run.system: run for run in runs if run.results["seed"] == seed}


def _compared(run: EditRun, others: Mapping[str, EditRun]) -> dict[str, Value | None]:
    found: dict[str, Value | None] = run.measured | dict.fromkeys(COMPARED)
    if run.system != "edited":
        return found
    if "base" in others:
        found["kept_joint_change"] = _value(joint_change(run.cases, others["base"].cases, run.edit))
    if "retrained" in others:
        anew = others["retrained"]
        found["retrained_joint"] = anew.measured["new_joint"]
        found["token_share"] = Value(run.results["tokens"]["edit"] / sum(anew.results["tokens"].values()))
    return found


def _value(found: Mapping[str, Any]) -> Value | None:
    if found["value"] is None:
        return None
    interval = found["interval"]
    return Value(found["value"], interval and (interval[0], interval[1]), None, found["n"])


if __name__ == "__main__":
    COMMAND.run(main)
