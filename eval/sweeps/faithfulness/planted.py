"""Source sycophancy before and after tuning against it.

    python -m eval.sweeps.faithfulness.planted runs/planted

Reads what the probe planted_source found in the runs in and below the folders, and puts runs together that differ in
the seed only: mean and sample standard deviation over them. A row that was tuned with planted documents has beside its
own flips (`flip_after`) those of the row that was not and differs in nothing else (`flip_before`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.experimental.callback import Callback

from eval.arguments import Command
from eval.compare import Run, find, labels
from eval.results.recorded import SEEDS, record_sweep
from eval.results.table import Column, Row, Value, over_seeds
from eval.sweeps.shown import shown

COMMAND = Command(
    name="python -m eval.sweeps.faithfulness.planted",
    summary="Say how often runs cite what is planted, before and after tuning against it.",
    required={},
    optional={},
    text="DIR...",
)
PROBE, FRACTION = "planted_source", "planted.fraction"
COLUMNS = (
    Column("flip_before", "flips, not tuned against", "%", 1, "lower"),
    Column("flip_after", "flips, tuned against", "%", 1, "lower"),
    Column("false_acceptance", "cites what names nothing", "%", 1, "lower"),
    Column("held", "own source kept against a wrong one", "%", 1, "higher"),
    Column("kept", "source kept where it is named", "%", 1, "higher"),
    Column("neutral", "source kept after a doubt", "%", 1, "higher"),
)


class Table(Callback):
    """Hydra's callback that ends a sweep with the table."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        found = shown([config.run_dir], PROBE, COLUMNS, rows)
        tuned = next((i for i, row in enumerate(found) if row.values["flip_after"]), None)
        title = "Does it cite what it is told to have been read?"
        note = f"Of facts that are known with their source when nothing is said. {SEEDS}"
        record_sweep(config, find([config.run_dir]), COLUMNS, found, title=title, note=note, headline=tuned)


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    shown(folders, PROBE, COLUMNS, rows)


def rows(groups: Sequence[Sequence[Run]]) -> list[Row]:
    """A row for each group. Raises ValueError where no run was probed, or none knew a fact with its source."""
    if not groups:
        raise ValueError(f"no run here has a fact to plant against: was it made with eval.probes=[{PROBE}]?")
    flips = {_untuned(group[0]): _over(group, "flip") for group in groups if not group[0].identity.get(FRACTION)}
    found = []
    for label, group in zip(labels(groups), groups, strict=True):
        values = {key: _over(group, key) for key in ("false_acceptance", "held", "kept", "neutral")}
        tuned = bool(group[0].identity.get(FRACTION))
        values |= {"flip_before": flips.get(_untuned(group[0])), "flip_after": _over(group, "flip") if tuned else None}
        found.append(Row(label, values, seeds=tuple(run.results["seed"] for run in group)))
    return found


def _untuned(run: Run) -> str:
    """What a run has in common with those that differ in planting only."""
    return json.dumps({key: value for key, value in run.identity.items() if key != FRACTION}, sort_keys=True)


def _over(group: Sequence[Run], key: str) -> Value | None:
    """A figure of the probe over the seeds; None where a seed lacks it."""
    found = [run.results["probes"].get(PROBE, {}).get(key) for run in group]
    return over_seeds([_value(one) if one and one["value"] is not None else None for one in found])


def _value(found: Mapping[str, Any]) -> Value:
    interval = found["interval"]
    return Value(found["value"], tuple(interval) if interval else None, None, found.get("n"))


if __name__ == "__main__":
    COMMAND.run(main)
