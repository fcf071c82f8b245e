"""Confidence in words by elicitation, sampling and aggregation: what the probe `verbalised` found in runs.

    python -m eval.sweeps.answering.verbalised runs/verbalised

Takes runs in and below the folders that differ in their seeds only. A row is a cell of the grid
(eval/probes/uncertainty/verbalised.py), by one answer to each question. Of several runs: mean and sample standard
deviation over them, and as interval the mean of the ends of theirs, each of which resamples entities: no narrower than
that of the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from eval.compare import Run
from eval.results.table import Column, Row, Value, over_seeds
from eval.sweeps.answering.calibrators import of_one_kind, seed_of
from eval.sweeps.probe_table import ProbeTable, found_value
from eval.sweeps.shown import of_runs

COMMAND = of_runs("answering.verbalised", "Put ways of asking a model how sure it is into one table.")
COLUMNS = (
    Column("auroc", "AUROC", "", 3, "higher"),
    Column("change", "AUROC less the first row's", "", 3, "higher"),
    Column("smooth_ece", "smooth ECE", "", 3, "lower"),
    Column("aurc", "AURC", "", 3, "lower"),
)
SAMPLINGS = {
    "samples": "5 lists of 4 samples",
    "wordings": "best 4 in each wording",
    "hints": "best 4 after each of 5 misleading hints",
}
AGGREGATIONS = {
    "consistency": "consistency of the first",
    "mark.avg_conf": "mark of the first, Avg-Conf",
    "probed.avg_conf": "the same behind the question alone, Avg-Conf",
    "top.avg_conf": "marks of all, Avg-Conf",
    "top.pair_rank": "Pair-Rank",
}


def _grid(sampling: str) -> dict[str, str]:
    return {f"{sampling}.{cell}": f"{SAMPLINGS[sampling]}: {how}" for cell, how in AGGREGATIONS.items()}


CELLS = {
    "once.mark.first": "asked once: its mark",
    "once.top.avg_conf": "asked once: its share of the marks of the best 4",
    "once.words.first": "asked once: P(answer), not in words",
    **_grid("samples"),
    "draws.consistency": "the 20 samples of these lists: consistency",
    **_grid("wordings"),
    **_grid("hints"),
    "told": "one confidence for all, told the share that is right",
}


class Table(ProbeTable):
    """Of the probe verbalised."""

    probe, columns = "verbalised", COLUMNS
    title = "How to ask a model how sure it is: elicitation, sampling, aggregation"
    note = (
        "Of the same answers in all rows. Mean and sample standard deviation over seeds; intervals of 95% resample "
        "entities, and are the mean of the seeds' own."
    )

    @staticmethod
    def rows(groups: Sequence[Sequence[Run]]) -> list[Row]:
        """A row for each cell that all runs have. Raises ValueError where none was probed, or they differ in more."""
        runs = [run for group in groups for run in group]
        if not runs:
            raise ValueError(f"no run here states a confidence: was it made with eval.probes=[{Table.probe}]?")
        of_one_kind(runs)
        found = [run.results["probes"][Table.probe] for run in runs]
        seeds = tuple(map(seed_of, runs))
        return [
            Row(label, {c.key: over_runs([one.get(f"{cell}.{c.key}") for one in found]) for c in COLUMNS}, seeds=seeds)
            for cell, label in CELLS.items()
            if all(f"{cell}.auroc" in one for one in found)
        ]

    @staticmethod
    def headline(rows: Sequence[Row]) -> int | None:
        return None


def over_runs(found: Sequence[Mapping[str, Any] | None]) -> Value | None:
    """A figure over the runs, with the mean of the ends of their intervals; None where one lacks it."""
    values = [found_value(one) for one in found]
    whole = over_seeds(values)
    ends = [value.interval for value in values if value and value.interval]
    if whole is None or len(ends) < len(values):
        return whole
    return replace(whole, interval=(fmean(low for low, _ in ends), fmean(high for _, high in ends)))


if __name__ == "__main__":
    COMMAND.run(Table.main)
