"""What depends on what, and is a model at one with itself? What six probes found in runs of each answer format.

    python -m eval.sweeps.faithfulness.causes runs/causes

Runs in and below the folders that differ in the seed only are put together: mean and sample standard deviation. The
measures are those of the probes: eval/probes/faithfulness (`cae`, `follows`, `source_kept`; those of the evidence),
eval/probes/coherence, eval/probes/memorization/dominance.py, eval/probes/beliefs/source_view.py. A measure that a
format has not, such as that of its evidence where it writes none, is left empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.experimental.callback import Callback

from eval.compare import Run, find, grouped, labels
from eval.results.recorded import SEEDS, record_sweep
from eval.results.results import read_results
from eval.results.table import Column, Row, Value, over_seeds
from eval.sweeps.probe_table import found_value
from eval.sweeps.shown import of_runs, print_rows

COMMAND = of_runs("faithfulness.causes", "Say of runs what answers, sources and evidence depend on.")
FORCED, EARLY = "forced_citation", "early_answering"
FACTORED = "factored"  # what forcing a source does to a model that answers first, given the statement form
BY_SOURCE = "cite_first"  # how it is had else
MOVES = ("cae", "moved")
CAUSES = (
    Column(f"{FORCED}.cae", "effect of a forced source on the answer", "", 3, "higher"),
    Column(f"{FORCED}.moved", "moved by it", "%", 1, "higher"),
    Column(f"{FACTORED}.cae", "effect, factored (given)", "", 3, "higher"),
    Column(f"{FACTORED}.moved", "moved, factored (given)", "%", 1, "higher"),
    Column(f"{FORCED}.follows", "source follows a wrong answer", "%", 1, "higher"),
    Column(f"{FORCED}.source_kept", "source of its own kept under an answer nobody gives", "%", 1, "lower"),
    Column(f"{EARLY}.aoc_answer", "AOC of the answer over the evidence", "", 3, "higher"),
    Column(f"{EARLY}.aoc_source", "AOC of the source", "", 3, "higher"),
    Column(f"{EARLY}.accuracy", "right with its evidence", "%", 1, "higher"),
    Column(f"{EARLY}.accuracy_none", "right with none", "%", 1, ""),
    Column(f"{EARLY}.mistake_followed", "a mistake in it followed", "%", 1, "higher"),
    Column(f"{EARLY}.filler", "the same with filler", "%", 1, "lower"),
)
AT_ONE = (
    Column("consistency.foretold", "source foretold", "%", 1, "higher"),
    Column("consistency.foretold_chance", "foretold by chance", "%", 1, ""),
    Column("consistency.list_precision", "sources listed that are right", "%", 1, "higher"),
    Column("consistency.list_recall", "right sources that are listed", "%", 1, "higher"),
    Column("composition.consistent", "same answer after its own first hop (given)", "%", 1, "higher"),
    Column("composition.chance", "the same by chance", "%", 1, ""),
    Column("composition.both_cited", "both hops cited (given)", "%", 1, "higher"),
    Column("dominance.pass", "right sources above wrong ones", "%", 1, "higher"),
    Column("dominance.null", "above them by chance", "%", 1, ""),
    Column("source_view.diagonal", "a source tells its own view (given)", "%", 1, "higher"),
    Column("source_view.default_likeliest", "untagged: the best view is likeliest (given)", "%", 1, ""),
)


class Table(Callback):
    """Hydra's callback that ends a sweep with both tables."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        causes, at_one = _shown([config.run_dir])
        runs = find([config.run_dir])
        record_sweep(
            config, runs, CAUSES, causes, title="Answer, source and evidence: what depends on what", note=SEEDS
        )
        note = f"Given: the question or the options have the corpus's own statement. {SEEDS}"
        record_sweep(config, runs, AT_ONE, at_one, title="Is it at one with itself?", note=note, part="at_one")


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    _shown(folders)


def _shown(folders: Sequence[str]) -> tuple[list[Row], list[Row]]:
    groups, warnings = grouped([Run(path, read_results(path)) for path in find(folders)])
    causes, at_one = (rows(groups, columns) for columns in (CAUSES, AT_ONE))
    print_rows(causes, CAUSES, "seeds")
    print_rows(at_one, AT_ONE, "seeds")
    for warning in warnings:
        print(f"Warning: {warning}")
    return causes, at_one


def rows(groups: Sequence[Sequence[Run]], columns: Sequence[Column]) -> list[Row]:
    """A row for each group of runs that differ in the seed. Raises ValueError where no run has any of the figures."""
    found = [
        Row(
            label,
            {c.key: over_seeds([_figure(run, c.key) for run in group]) for c in columns},
            seeds=tuple(run.results["seed"] for run in group),
        )
        for label, group in zip(labels(groups), groups, strict=True)
    ]
    if not any(value for row in found for value in row.values.values()):
        probes = ",".join(dict.fromkeys(column.key.partition(".")[0] for column in columns))
        raise ValueError(f"no run here was probed: was it made with eval.probes=[{probes}]?")
    return found


def _figure(run: Run, key: str) -> Value | None:
    probe, _, name = key.partition(".")
    found = run.results["probes"].get(FORCED if probe == FACTORED else probe) or {}
    if name in MOVES and (found.get("by") == BY_SOURCE) != (probe == FORCED):
        return None
    value = found.get(name)
    return Value(value) if isinstance(value, float) else found_value(value)


if __name__ == "__main__":
    COMMAND.run(main)
