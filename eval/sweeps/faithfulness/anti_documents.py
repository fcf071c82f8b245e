"""Is a document cited that only looks like the source? Sources and their twins, over runs.

    python -m eval.sweeps.faithfulness.anti_documents runs/anti_documents

Reads what the probe anti_documents found in the runs in and below the folders, seeds together. A row is a way to a
citation; BM25's is the control that goes by words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.experimental.callback import Callback

from eval.arguments import Command
from eval.compare import Run, find, labels
from eval.results.recorded import SEEDS, record_sweep
from eval.results.table import Column, Row, Value, over_seeds
from eval.sweeps.shown import shown

COMMAND = Command(
    name="python -m eval.sweeps.faithfulness.anti_documents",
    summary="Say how often runs cite a document that only looks like the source.",
    required={},
    optional={},
    text="DIR...",
)
PROBE = "anti_documents"
WAYS = {"dialogue": "in dialogue", "statement": "behind the right statement", "bm25": "BM25"}
GIVEN = "statement"  # which has the corpus's own statement form
MODELS = ("prefers", "answer_twin", "known")  # of the model, in the row of its dialogue
COLUMNS = (
    Column("source", "source cited", "%", 1, "higher"),
    Column("twin", "twin cited", "%", 1, "lower"),
    Column("other_twin", "twin that denies", "%", 1, "lower"),
    Column("nothing_twin", "twin that knows nothing", "%", 1, "lower"),
    Column("prefers", "probability of source against twin", "%", 1, "higher"),
    Column("answer_twin", "answers what a twin denies", "%", 1, "lower"),
    Column("known", "twin's own sentence cited by it", "%", 1, "higher"),
)


class Table(Callback):
    """Hydra's callback that ends a sweep with the table."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        found = shown([config.run_dir], PROBE, COLUMNS, rows)
        title = "Is a document cited that only looks like the source?"
        note = f"Of facts whose source has a twin. {SEEDS}"
        record_sweep(config, find([config.run_dir]), COLUMNS, found, title=title, note=note, headline=0)


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    shown(folders, PROBE, COLUMNS, rows)


def rows(groups: Sequence[Sequence[Run]]) -> list[Row]:
    """A row for each way of each group. Raises ValueError where no run has a source with a twin."""
    if not groups:
        raise ValueError(f"no run here has a source with a twin: set corpus.twins and eval.probes=[{PROBE}]")
    found = []
    for label, group in zip(labels(groups), groups, strict=True):
        before = f"{label}, " if len(groups) > 1 else ""
        for way, title in WAYS.items():
            values = {column.key: _over(group, way, column.key) for column in COLUMNS}
            if values["source"]:
                seeds = tuple(run.results["seed"] for run in group)
                found.append(Row(before + title, values, way == GIVEN, seeds))
    return found


def _over(group: Sequence[Run], way: str, key: str) -> Value | None:
    """A figure over the seeds; None where a seed lacks it."""
    if key in MODELS and way != "dialogue":
        return None
    name = key if key in MODELS else f"{way}.{key.replace('_', '.')}"
    found = [run.results["probes"][PROBE].get(name) for run in group]
    return over_seeds([_value(one) if one and one["value"] is not None else None for one in found])


def _value(found: Mapping[str, Any]) -> Value:
    interval = found["interval"]
    return Value(found["value"], tuple(interval) if interval else None, None, found.get("n"))


if __name__ == "__main__":
    COMMAND.run(main)
