"""What one recipe knows of its ignorance in several worlds: a row for each way of asking in each, from results.json.

    python -m eval.sweeps.answering.worlds runs/worlds

A world is one seed of `corpus.seed`; runs of it that differ in their own seed are put together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hydra.experimental.callback import Callback

from eval.compare import Run, find, grouped, labels
from eval.results.recorded import SEEDS, record_sweep
from eval.results.results import read_results
from eval.results.run_table import figures, knowing_columns, knowing_parts
from eval.results.selective_metrics import MAIN
from eval.results.table import Column, Row, Value, over_seeds
from eval.sweeps.shown import of_runs, print_rows

COMMAND = of_runs("answering.worlds", "Say of runs on several worlds what they know of their ignorance.")
SHOWN = (*MAIN, "worst_group_ece")


class Table(Callback):
    """Hydra's callback that ends a sweep with the table."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        found, title = _shown([config.run_dir]), "What it knows of its ignorance, on the test folds of several worlds"
        record_sweep(config, find([config.run_dir]), columns(found), found, title=title, note=SEEDS)


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    _shown(folders)


def _shown(folders: Sequence[str]) -> list[Row]:
    groups, warnings = grouped([Run(path, read_results(path)) for path in find(folders)])
    found = rows(groups)
    print_rows(found, columns(found), "seeds")
    for warning in warnings:
        print(f"Warning: {warning}")
    return found


def rows(groups: Sequence[Sequence[Run]]) -> list[Row]:
    """Each way of asking in each world. Raises ValueError for a run of which abstention was not measured."""
    found = []
    for label, group in zip(labels(groups), groups, strict=True):
        asked: dict[tuple[str, bool], list[dict[str, Value | None]]] = {}
        for run in group:
            parts = knowing_parts(run.results)
            if not parts:
                raise ValueError(
                    f"{run.path} says nothing of abstention: its world is not a hard one, or no answer was right there"
                )
            for name, part, is_given in parts:
                asked.setdefault((name, is_given), []).append(figures(part, SHOWN))
        seeds = tuple(run.results["seed"] for run in group)
        for (name, is_given), values in asked.items():
            together = {metric: over_seeds([one[metric] for one in values]) for metric in SHOWN}
            found.append(Row(f"{label}, {name}", together, is_given, seeds))
    shown = [metric for metric in SHOWN if any(row.values[metric] for row in found)]
    return [replace(row, values={metric: row.values[metric] for metric in shown}) for row in found]


def columns(found: Sequence[Row]) -> list[Column]:
    """Those that `rows` found figures for."""
    return knowing_columns(list(found[0].values) if found else [])


if __name__ == "__main__":
    COMMAND.run(main)
