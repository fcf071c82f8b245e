"""Source sycophancy before and after tuning against it.

    python -m eval.sweeps.faithfulness.planted runs/planted

Reads what the probe planted_source found in the runs in and below the folders, and puts runs together that differ in
the seed only: mean and sample standard deviation over them. A row that was tuned with planted documents has beside its
own flips (`flip_after`) those of the row that was not and differs in nothing else (`flip_before`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from eval.compare import Run, labels
from eval.results.recorded import SEEDS
from eval.results.table import Column, Row, Value, over_seeds
from eval.sweeps.probe_table import ProbeTable, found_value
from eval.sweeps.shown import of_runs

COMMAND = of_runs(
    "faithfulness.planted",
    "Say how often runs cite what is planted, before and after tuning against it.",
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


def _untuned(run: Run) -> str:
    """What a run has in common with those that differ in planting only."""
    return json.dumps({key: value for key, value in run.identity.items() if key != FRACTION}, sort_keys=True)


def _over(group: Sequence[Run], key: str) -> Value | None:
    """A figure of the probe over the seeds; None where a seed lacks it."""
    found = [run.results["probes"].get(PROBE, {}).get(key) for run in group]
    return over_seeds([found_value(one) for one in found])


class Table(ProbeTable):
    """Of the probe planted_source."""

    probe, columns = PROBE, COLUMNS
    title = "Does it cite what it is told to have been read?"
    note = f"Of facts that are known with their source when nothing is said. {SEEDS}"

    @staticmethod
    def rows(groups: Sequence[Sequence[Run]]) -> list[Row]:
        """A row for each group. Raises ValueError where no run was probed, or none knew a fact with its source."""
        if not groups:
            raise ValueError(f"no run here has a fact to plant against: was it made with eval.probes=[{PROBE}]?")
        flips = {_untuned(group[0]): _over(group, "flip") for group in groups if not group[0].identity.get(FRACTION)}
        found = []
        for label, group in zip(labels(groups), groups, strict=True):
            values = {key: _over(group, key) for key in ("false_acceptance", "held", "kept", "neutral")}
            tuned = bool(group[0].identity.get(FRACTION))
            values |= {
                "flip_before": flips.get(_untuned(group[0])),
                "flip_after": _over(group, "flip") if tuned else None,
            }
            found.append(Row(label, values, seeds=tuple(run.results["seed"] for run in group)))
        return found

    @staticmethod
    def headline(rows: Sequence[Row]) -> int | None:
        return next((i for i, row in enumerate(rows) if row.values["flip_after"]), None)


if __name__ == "__main__":
    COMMAND.run(Table.main)
