"""One table of many runs: `python -m eval.compare DIR...`.

Finds results.json in and below the folders (symbolic links to folders are not followed, a file reached twice counts
once), puts runs together whose configurations differ in the seed only, and prints a markdown table of the numbers of
answers in dialogue, on documents on which no question was tuned. A row of several seeds shows mean ± sample standard
deviation over them; a single run its bootstrap interval, which says nothing about other seeds. `headline` is the joint
of the system that the run is judged by, the best that it has given the question's text alone, and `cited` how often the
source that it names first is right, whatever its answer; `reworded` is its joint in wordings that nobody taught. A
sweep ends in the same table, and in table.json as data.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback

from eval.arguments import Command
from eval.results.recorded import record_sweep
from eval.results.results import flatten, percent, read_results, system_of
from eval.results.run_table import measure
from eval.results.table import Column, Row, Value, over_seeds

COMMAND = Command(
    name="python -m eval.compare",
    summary="Print one markdown table of the results.json files in and below the folders.",
    required={},
    optional={},
    text="DIR...",
)
SYSTEM = "whence"
SPLIT = "never_tuned"
NOT_IDENTITY = ("seed", "run_dir")  # configuration keys in which runs of one row may differ
SHARES = {"joint": "joint", "citation": "citation", "answer_em": "answer_em", "valid": "valid_unconstrained"}
# Of the system that the run is judged by: the questions, the metric, and its title.
HEADLINES = {
    "headline": (SPLIT, "joint", "joint, headline system"),
    "cited": (SPLIT, "cited", "cited, headline system"),
    "reworded": ("reworded", "joint", "joint, headline system, reworded questions"),
}
COLUMNS = (
    *(Column(metric, title, "%", 1, "higher") for title, metric in SHARES.items()),
    *(Column(key, title, "%", 1, "higher") for key, (_, _, title) in HEADLINES.items()),
    Column("bits_per_byte", "bits/byte, held out", "", 3, "lower"),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One results.json with the configuration that identifies it."""

    path: Path
    results: Mapping[str, Any]

    @property
    def identity(self) -> dict[str, Any]:
        config = flatten(self.results["config"])
        if config.get("sft.seed") == config.get("seed"):  # its default
            config.pop("sft.seed", None)
        return {key: value for key, value in config.items() if key not in NOT_IDENTITY}


class Table(Callback):
    """Hydra's callback that ends a sweep with the table."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        groups = _shown([config.run_dir])
        record_sweep(config, [run.path for group in groups for run in group], COLUMNS, rows(groups))


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    _shown(folders)


def _shown(folders: Sequence[str]) -> list[list[Run]]:
    groups, warnings = grouped([Run(path, read_results(path)) for path in find(folders)])
    lines, more = table(groups)
    print("\n".join(lines + [f"\nWarning: {warning}" for warning in warnings + more]))
    return groups


def find(folders: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The results.json files in and below each folder: as the folders are given, then by path; each file once.

    Raises:
        ValueError: no folder, one that is none, or one that has no results.
    """
    if not folders:
        raise ValueError("name at least one folder with results")
    found: dict[Path, Path] = {}
    for folder in folders:
        if not Path(folder).is_dir():
            raise ValueError(f"{folder} is not a folder")
        paths = sorted(Path(where) / "results.json" for where, _, files in os.walk(folder) if "results.json" in files)
        if not paths:
            raise ValueError(f"no results.json in or below {folder}: has the run been evaluated?")
        for path in paths:
            found.setdefault(path.resolve(), path)
    return list(found.values())


def grouped(runs: Sequence[Run]) -> tuple[list[list[Run]], list[str]]:
    """Runs that differ in the seed only, together, in order of first appearance; and warnings about those left out.

    Predictions scored by themselves carry no configuration: each is a row of its own.
    """
    groups: dict[str, dict[Any, Run]] = {}
    warnings = []
    for run in runs:
        key = json.dumps(run.identity, sort_keys=True) if run.results["config"] else str(run.path)
        seeds = groups.setdefault(key, {})
        seed = run.results["seed"]
        if seed in seeds:
            warnings.append(f"{run.path} is the same run as {seeds[seed].path} (configuration, seed); it is left out.")
        else:
            seeds[seed] = run
    return [list(seeds.values()) for seeds in groups.values()], warnings


def table(groups: Sequence[Sequence[Run]]) -> tuple[list[str], list[str]]:
    """The lines of the markdown table, and warnings about what it compares."""
    header = ["name", "tokens", *SHARES, *HEADLINES, "bits/byte", "seconds", "seeds"]
    rows = [
        [
            label,
            _listed({_tokens(run.results) for run in group}),
            *(_share(group, metric) for metric in SHARES.values()),
            *(_share(group, metric, None, split) for split, metric, _ in HEADLINES.values()),
            _spread(group, lambda r: r["bits_per_byte"], lambda value: f"{value:.3f}"),
            _spread(group, lambda r: r["seconds"], lambda value: f"{value:,.0f}"),
            "1 (single run)" if len(group) == 1 else str(len(group)),
        ]
        for label, group in zip(labels(groups), groups, strict=True)
    ]
    lines = [_row(header), _row(["---"] + ["---:"] * (len(header) - 1)), *map(_row, rows)]
    budgets = {_tokens(run.results) for group in groups for run in group}
    warnings = []
    if len(budgets) > 1:
        warnings.append(
            f"the runs were trained on different numbers of tokens ({_listed(budgets)}): "
            "differences between rows are not differences at equal cost."
        )
    return lines, warnings


def rows(groups: Sequence[Sequence[Run]]) -> list[Row]:
    """The same as data, by the keys of `COLUMNS`."""
    found = []
    for label, group in zip(labels(groups), groups, strict=True):
        values: dict[str, Value | None] = {
            metric: over_seeds([measure(part, metric) for run in group if (part := _part(run.results))])
            for metric in SHARES.values()
        }
        for name, (split, metric, _) in HEADLINES.items():
            parts = [part for run in group if (part := _part(run.results, None, split))]
            values[name] = over_seeds([measure(part, metric) for part in parts])
        bits = [run.results["bits_per_byte"] for run in group]
        values["bits_per_byte"] = over_seeds([None if value is None else Value(value) for value in bits])
        seeds = tuple(run.results["seed"] for run in group if run.results["seed"] is not None)
        found.append(Row(label, values, seeds=seeds))
    return found


def labels(groups: Sequence[Sequence[Run]]) -> list[str]:
    """What tells the groups apart: their configuration keys that vary, or the run's name where none does."""
    identities = [group[0].identity for group in groups]
    keys = sorted({key for identity in identities for key in identity})
    varying = [key for key in keys if len({json.dumps(i.get(key), sort_keys=True) for i in identities}) > 1]
    return [
        ", ".join(f"{key}={identity[key]}" for key in varying if key in identity) or str(group[0].results["name"])
        for identity, group in zip(identities, groups, strict=True)
    ]


def _part(results: Mapping[str, Any], system: str | None = SYSTEM, split: str = SPLIT) -> Mapping[str, Any]:
    """The attribution of the answer in dialogue, which every run has; with None, of the system it is judged by."""
    found: Mapping[str, Any] = results["attribution"].get(split, {})
    return system_of(found, system) if system else found


def _share(group: Sequence[Run], metric: str, system: str | None = SYSTEM, split: str = SPLIT) -> str:
    def value(results: Mapping[str, Any]) -> float | None:
        share: float | None = _part(results, system, split).get(metric)
        return share

    if len(group) > 1:
        return _spread(group, value, percent)
    results = group[0].results
    return percent(value(results), _part(results, system, split).get("intervals", {}).get(metric))


def _spread(
    group: Sequence[Run], value: Callable[[Mapping[str, Any]], float | None], shown: Callable[[float], str]
) -> str:
    """Mean ± sample standard deviation over seeds. Runs without the value are counted, not averaged over."""
    values = [found for run in group if (found := value(run.results)) is not None]
    if not values:
        return "-"
    text = shown(statistics.fmean(values)) + (f" ± {shown(statistics.stdev(values))}" if len(values) > 1 else "")
    return text + (f" ({len(values)} of {len(group)} runs)" if len(values) < len(group) else "")


def _tokens(results: Mapping[str, Any]) -> int | None:
    return sum(results["tokens"].values()) if results["tokens"] else None


def _listed(budgets: set[int | None]) -> str:
    return ", ".join(
        "unknown" if budget is None else f"{budget:,}" for budget in sorted(budgets, key=lambda b: (b is None, b or 0))
    )


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    COMMAND.run(main)
