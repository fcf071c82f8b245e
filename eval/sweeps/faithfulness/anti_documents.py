"""Is a document cited that only looks like the source? Sources and their twins, over runs.

    python -m eval.sweeps.faithfulness.anti_documents runs/anti_documents

Reads what the probe anti_documents found in the runs in and below the folders, seeds together. A row is a way to a
citation; BM25's is the control that goes by words.
"""

from __future__ import annotations

from collections.abc import Sequence

from eval.compare import Run, labels
from eval.results.recorded import SEEDS
from eval.results.table import Column, Row, Value, over_seeds
from eval.sweeps.probe_table import ProbeTable, found_value
from eval.sweeps.shown import of_runs

COMMAND = of_runs("faithfulness.anti_documents", "Say how often runs cite a document that only looks like the source.")
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


def _over(group: Sequence[Run], way: str, key: str) -> Value | None:
    """A figure over the seeds; None where a seed lacks it."""
    if key in MODELS and way != "dialogue":
        return None
    name = key if key in MODELS else f"{way}.{key.replace('_', '.')}"
    found = [run.results["probes"][PROBE].get(name) for run in group]
    return over_seeds([found_value(one) for one in found])


class Table(ProbeTable):
    """Of the probe anti_documents."""

    probe, columns = PROBE, COLUMNS
    title = "Is a document cited that only looks like the source?"
    note = f"Of facts whose source has a twin. {SEEDS}"

    @staticmethod
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

    @staticmethod
    def headline(rows: Sequence[Row]) -> int:
        return 0  # in dialogue


if __name__ == "__main__":
    COMMAND.run(Table.main)
