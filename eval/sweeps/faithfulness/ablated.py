"""Text without tag, tag without text, a fact that moved: is each cited by what caused it?

    python -m eval.sweeps.faithfulness.ablated runs/ablated

Finds the runs in and below the folders that differ in `counterfactual.member` and the seed only, of a family that reads
some documents without their tags (`counterfactual.untag`), some tags on other texts (`dummy`), and some facts in other
documents (`move`). A row is a system, as in eval/sweeps/faithfulness/faithful.py; its figures are those of
eval/metrics/citation_effect.py, with intervals that resample documents and runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hydra.experimental.callback import Callback

from eval.compare import find
from eval.grading.attribution import EVERY, grade
from eval.grading.counterfactual import Item, Member, ablated, untouched
from eval.metrics.citation_effect import ABLATED
from eval.results.recorded import record_sweep
from eval.results.table import Column, Row, Value
from eval.sweeps.faithfulness.faithful import POLICY, family_members, family_runs, figure_of
from eval.sweeps.shown import of_runs, print_rows

COMMAND = of_runs(
    "faithfulness.ablated",
    "Say of a family of runs what citations are where tag, text or fact is another's.",
)
COLUMNS = (
    Column("tag_effect", "effect of the tag", "", 3, "higher"),
    Column("untagged_cites", "cited, text without tag", "%", 1, "lower"),
    Column("untagged_right", "right, text without tag", "%", 1, "higher"),
    Column("tagged_right", "right, with tag", "%", 1, "higher"),
    Column("dummy_cites", "cited, tag without text", "%", 1, "lower"),
    Column("dummy_right", "right, tag without text", "%", 1, "lower"),
    Column("move_follows", "moved fact cited where it is", "%", 1, "higher"),
    Column("move_stays", "where it was", "%", 1, "lower"),
    Column("joint", "joint, untouched", "%", 1, "higher"),
)
NOTE = (
    "Facts with one source, never tuned. Intervals hold 95% and resample documents and runs, each for themselves. "
    "Untouched: facts whose sources were read as they are."
)


class Table(Callback):
    """Hydra's callback that ends a sweep with the table."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        rows = _shown([config.run_dir])
        title = "Text without tag, tag without text, a fact that moved"
        record_sweep(config, find([config.run_dir]), COLUMNS, rows, title=title, note=NOTE, headline=0)


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    _shown(folders)


def _shown(folders: Sequence[str]) -> list[Row]:
    runs = list(family_runs(folders))
    if not runs:
        raise ValueError("no run here has a document without its tag, its text or a fact (counterfactual.*)")
    if len({run.identity for run in runs}) > 1:
        raise ValueError("these runs differ in more than the member and the seed: name the folder of one family")
    systems, asked = family_members(runs)
    seeds = tuple(run.seed for run in runs)
    found = [Row(s, measures(members, asked), seeds=seeds) for s, members in systems.items() if s != POLICY]
    print_rows(found, COLUMNS, "runs")
    return found


def measures(members: Sequence[Member], asked: Sequence[Any]) -> dict[str, Value | None]:
    """The figures of one system by the keys of `COLUMNS`."""
    values: dict[str, Value | None] = {column.key: None for column in COLUMNS}
    for how, statistics in ABLATED.items():
        items, of = ablated(members, asked, how)
        for key, statistic in statistics.items():
            values[key] = figure_of(statistic(of), items, share=key != "tag_effect")
    plain = untouched(members, asked)
    terms = np.array([EVERY["joint"].term(grade([q], [p])[0]) for _, q, p in plain], dtype=float).reshape(-1, 2)
    items = [Item(member.run, question.support[0], question.id) for member, question, _ in plain]
    values["joint"] = figure_of(lambda w: w @ terms[:, 0] / (w @ terms[:, 1]), items)
    return values


if __name__ == "__main__":
    COMMAND.run(main)
