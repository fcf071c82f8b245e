"""What each objective of a sweep makes of bad sources, in one table and one figure.

    python -m eval.sweeps.pretraining.objectives runs/objectives

Runs that differ in their seed only are one row. After conditional training a model is four systems: asked as ever, with
the control token of good sources or of bad ones, and guided from these to those. The figure, objectives.svg in the
first folder, has the rate of lies over held-out loss and over joint, with the line of what nothing else beats in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback

from data.atomic import atomic_file
from eval.compare import Run, find, grouped, labels
from eval.report.pareto import pareto_figure
from eval.report.plots import svg
from eval.results.recorded import record_sweep
from eval.results.results import read_results, system_of
from eval.results.run_table import measure
from eval.results.table import Column, Row, Value, figure, over_seeds
from eval.sweeps.shown import of_runs

COMMAND = of_runs(
    "pretraining.objectives",
    "Put the objectives of several runs into one table of lies, held-out loss and joint, and one figure.",
)
SPLIT, OURS = "never_tuned", "whence"
COLUMNS = (
    Column("lied", "lies, contested", "%", 1, "lower"),
    Column("right", "right, contested", "%", 1, "higher"),
    Column("bits_per_byte", "bits/byte, held out", "", 3, "lower"),
    Column("joint", "joint", "%", 1, "higher"),
    Column("answer_em", "answer", "%", 1, "higher"),
)
ASKED = {
    "": "",
    "hi": ", good sources asked for",
    "lo": ", bad sources asked for",
    "guided": ", guided from bad to good",
}


class Table(Callback):
    """Hydra's callback that ends a sweep with the table and the figure."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        rows, runs = _shown([config.run_dir])
        record_sweep(config, [run.path for run in runs], COLUMNS, rows)


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    _shown(folders)


def _shown(folders: Sequence[str]) -> tuple[list[Row], list[Run]]:
    groups, warnings = grouped([Run(path, read_results(path)) for path in find(folders)])
    found = rows(groups)
    for row in found:
        cells = (figure(row.values[column.key], column) for column in COLUMNS)
        print(f"{row.system:48} " + "  ".join(f"{cell:>22}" for cell in cells))
    print("\n".join(f"Warning: {warning}" for warning in warnings))
    drawn = Path(folders[0]) / "objectives.svg"
    with atomic_file(drawn) as file:
        file.write(svg(pareto_figure(_points(found)), "objectives"))
    print(f"figure   {drawn}")
    return found, [run for group in groups for run in group]


def rows(groups: Sequence[Sequence[Run]]) -> list[Row]:
    """A row for each system of each group, by the keys of `COLUMNS`."""
    found = []
    for name, group in zip(_names(groups), groups, strict=True):
        seeds = tuple(run.results["seed"] for run in group if run.results["seed"] is not None)
        for given, asked in ASKED.items():
            system = f"{OURS}_{given}" if given else OURS
            measured = [_measured(run.results, system) for run in group]
            if all(any(values.values()) for values in measured):
                values = {c.key: over_seeds([one[c.key] for one in measured]) for c in COLUMNS}
                found.append(Row(name + asked, values, seeds=seeds))
    return found


def objective(config: Mapping[str, Any]) -> str:
    """What an objective is called: what its data does, or its loss; and from when on."""
    chosen = config["objective"]
    data = [name for name, on in (("filtering", chosen["filter"]), ("conditional", chosen["control"] != "none")) if on]
    losses = [] if chosen["loss"] == "next_token" and data else [chosen["loss"]]
    since = f", from {chosen['begins']:.0%} of the run on" if chosen["begins"] else ""
    return " + ".join([*data, *losses]) + since


def _names(groups: Sequence[Sequence[Run]]) -> list[str]:
    """The objectives; where two groups have the same, what else differs, too."""
    names = [objective(group[0].results["config"]) for group in groups]
    told = labels(groups)
    return [f"{name} ({told[n]})" if names.count(name) > 1 else name for n, name in enumerate(names)]


def _measured(results: Mapping[str, Any], system: str) -> dict[str, Value | None]:
    contested = results["contested"].get(system, {})
    part = system_of(results["attribution"].get(SPLIT, {}), system)
    bits = results["bits_per_byte"] if system == OURS else results["bits_per_byte_given"].get(system)
    found: dict[str, Value | None] = {}
    for share in ("lied", "right"):
        one = contested.get(share)
        interval = one["interval"] if one else None
        found[share] = Value(one["value"], tuple(interval) if interval else None, None, contested["n"]) if one else None
    found["bits_per_byte"] = None if bits is None or not (contested or part) else Value(bits)
    return found | {metric: measure(part, metric) if part else None for metric in ("joint", "answer_em")}


def _points(found: Sequence[Row]) -> list[tuple[str, dict[str, float]]]:
    keys = ("lied", "bits_per_byte", "joint")
    return [
        (row.system, {key: value.value for key in keys if (value := row.values[key])})
        for row in found
        if all(row.values[key] for key in keys)
    ]


if __name__ == "__main__":
    COMMAND.run(main)
