"""What do repeated documents cost those that come once?

    python -m eval.sweeps.pretraining.repeats runs/repeats

Runs that differ in the seed only are one row. Joint and answer are over the questions that all runs were asked: those
on documents that every run read once a pass. `size` is the size of a run without repeats that has the same held-out
loss, over the run's own: read between the runs without repeats, by the logarithm of their parameters, and "-" beyond
them. The heat map, repeats.svg in the first folder, has the held-out loss over share and number of exact repeats.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.experimental.callback import Callback

from data.atomic import atomic_file
from data.records import Prediction, Question, read_jsonl
from eval.compare import Run, find, grouped
from eval.grading.attribution import EVERY, grade
from eval.metrics.rule_of_three import bounds
from eval.probes import measured
from eval.report.heatmap import heatmap_figure
from eval.report.plots import svg
from eval.results.recorded import record_sweep
from eval.results.results import read_results, setting
from eval.results.table import Column, Row, Value, over_seeds
from eval.sweeps.shown import of_runs, print_rows
from model.config import ModelConfig
from model.transformer import Transformer

COMMAND = of_runs("pretraining.repeats", "Put runs with repeated documents into one table and one heat map.")
COLUMNS = (
    Column("bits_per_byte", "bits/byte, held out", "", 3, "lower"),
    Column("size", "effective size", "x", 2, "higher"),
    Column("bits_per_byte_train", "bits/byte, read once", "", 3, "lower"),
    Column("answer_em", "answer, told once", "%", 1, "higher"),
    Column("cited", "cited, told once", "%", 1, "higher"),
    Column("joint", "joint, told once", "%", 1, "higher"),
    Column("prefix_matching", "prefix matching, best head", "", 2, ""),
    Column("copying", "copying, best head", "", 2, ""),
    Column("in_context", "nats, last less first repeat", "", 2, ""),
    Column("id_first", "nats of the first tag", "", 2, "lower"),
    Column("id_later", "later tags", "", 2, "lower"),
    Column("id_first_silenced", "first, induction heads silenced", "", 2, ""),
    Column("id_later_silenced", "later, the same", "", 2, ""),
    Column("id_later_others", "later, other heads silenced", "", 2, ""),
)
NOTE = (
    "Told once: questions on documents that every run read once a pass, no tuning question among them. Of a single run "
    "intervals of 95%, people resampled. Silenced: a quarter of the heads, those that match prefixes most, or least. "
    "Nats of tags are of the documents that a run was asked about, which with repeats are fewer and others."
)
WHENCE = "answer/whence.jsonl"


class Table(Callback):
    """Hydra's callback that ends a sweep with the table and the figure."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        rows = _shown([config.run_dir])
        title = "What do repeated documents cost those that come once?"
        record_sweep(config, find([config.run_dir]), COLUMNS, rows, title=title, note=NOTE, headline=0)


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    _shown(folders)


def _shown(folders: Sequence[str]) -> list[Row]:
    groups, warnings = grouped([Run(path, read_results(path)) for path in find(folders)])
    found = rows(groups)
    print_rows(found, COLUMNS, "seeds")
    print("\n".join(f"Warning: {warning}" for warning in warnings))
    drawn = Path(folders[0]) / "repeats.svg"
    with atomic_file(drawn) as file:
        file.write(svg(heatmap_figure(cells(groups), "Bits per byte, held out"), "repeats"))
    print(f"figure   {drawn}")
    return found


def rows(groups: Sequence[Sequence[Run]]) -> list[Row]:
    """A row for each group: those without repeats first, then by size, placement, kind, share and number."""
    common = _common([run for group in groups for run in group])
    plain = sorted(
        (parameters(group[0]), _mean(group)) for group in groups if not _repeated(group[0]) and _footnotes(group[0])
    )
    found = []
    for group in sorted(groups, key=_order):
        each = [_measured(run, common, plain) for run in group]
        values = {column.key: over_seeds([one[column.key] for one in each]) for column in COLUMNS}
        found.append(Row(_label(group[0]), values, seeds=tuple(run.results["seed"] for run in group)))
    return found


def effective_size(loss: float, plain: Sequence[tuple[int, float]]) -> float | None:
    """The parameters of a run without repeats that has this loss; None beyond those that were trained.

    Args:
        plain: parameters and loss of runs without repeats, by size; read between neighbours, log parameters over loss.
    """
    for (small, high), (large, low) in pairwise(plain):
        if low <= loss <= high and low < high:
            share = (high - loss) / (high - low)
            return math.exp(math.log(small) + share * (math.log(large) - math.log(small)))
    return None


def parameters(run: Run) -> int:
    """Of the model of a run, its embeddings included."""
    exported = json.loads((run.path.parent / "model" / "config.json").read_text(encoding="utf-8"))
    config = {**run.results["config"]["model"], "vocab_size": exported["vocab_size"]}
    with torch.device("meta"):
        model = Transformer(ModelConfig(**config))
    return sum(p.numel() for p in model.parameters())


def cells(groups: Sequence[Sequence[Run]]) -> dict[tuple[float, int], float]:
    """Held-out bits per byte by share and number of exact repeats, for the largest with footnotes; (0, 1) is none."""
    shown = [g for g in groups if _footnotes(g[0]) and setting(g[0].results, "repeats.kind") == "exact"]
    largest = max((parameters(g[0]) for g in shown), default=0)
    found = {}
    for group in (g for g in shown if parameters(g[0]) == largest):
        share = setting(group[0].results, "repeats.fraction")
        found[share, setting(group[0].results, "repeats.times") if share else 1] = _mean(group)
    return found


def _measured(run: Run, common: frozenset[str], plain: Sequence[tuple[int, float]]) -> dict[str, Value | None]:
    results = run.results
    values: dict[str, Value | None] = dict.fromkeys(column.key for column in COLUMNS)
    for key in ("bits_per_byte", "bits_per_byte_train"):
        values[key] = Value(results[key]) if results[key] is not None else None
    if _footnotes(run) and results["bits_per_byte"] is not None:
        size = effective_size(results["bits_per_byte"], plain)
        values["size"] = Value(size / parameters(run)) if size else None
    values |= _told_once(run, common)
    probed = results["probes"].get("induction", {})
    for key in ("prefix_matching", "copying"):
        values[key] = Value(probed["best"][key]) if probed else None
    values["in_context"] = Value(probed["in_context"]) if probed else None
    for arm, name in (("intact", ""), ("induction", "_silenced"), ("others", "_others")):
        by_occurrence = probed.get("id_loss", {}).get(arm)
        for key, of in ((f"id_first{name}", slice(1)), (f"id_later{name}", slice(1, None))):
            if by_occurrence and key in values:
                known = [one["value"] for one in by_occurrence[of] if one["value"] is not None]
                values[key] = Value(float(np.mean(known))) if known else None
    return values


def _told_once(run: Run, common: frozenset[str]) -> dict[str, Value | None]:
    """`answer_em`, `cited` and `joint` of the answer in dialogue over the common questions."""
    questions = {q.id: q for q in read_jsonl(run.path.with_name("answer") / "questions.jsonl", Question)}
    said = {p.question: p for p in read_jsonl(run.path.parent / WHENCE, Prediction)}
    asked = [questions[name] for name in sorted(common)]
    graded = grade(asked, [said[q.id] for q in asked])
    found: dict[str, Value | None] = {}
    for key in ("answer_em", "cited", "joint"):
        terms = np.array([EVERY[key].term(g) for g in graded], dtype=float).reshape(-1, 2)
        one = measured(lambda w, t=terms: w @ t[:, 0] / (w @ t[:, 1]), [q.entity for q in asked])  # type: ignore[misc]
        found[key] = Value(one["value"], bounds(one["value"], one["interval"], len(asked)), None, len(asked))
    return found


def _common(runs: Sequence[Run]) -> frozenset[str]:
    """The never-tuned questions that all runs were asked. Raises ValueError where there are none."""
    asked = [
        {
            q.id
            for q in read_jsonl(run.path.with_name("answer") / "questions.jsonl", Question)
            if q.split == "never_tuned" and q.support
        }
        for run in runs
    ]
    if not (common := frozenset.intersection(*map(frozenset, asked))):
        raise ValueError("these runs have no never-tuned question in common: compare runs of one corpus")
    return common


def _repeated(run: Run) -> bool:
    return bool(setting(run.results, "repeats.fraction"))


def _footnotes(run: Run) -> bool:
    return bool(setting(run.results, "tags.placement") == "footnote")


def _mean(group: Sequence[Run]) -> float:
    return float(np.mean([run.results["bits_per_byte"] for run in group]))


def _order(group: Sequence[Run]) -> tuple[Any, ...]:
    results = group[0].results
    keys = ("repeats.fraction", "repeats.times")
    return (not _footnotes(group[0]), -parameters(group[0]), _repeated(group[0]), setting(results, "repeats.kind"),
            *(setting(results, key) for key in keys))  # fmt: skip


def _label(run: Run) -> str:
    results = run.results
    size = f"{parameters(run) / 1e3:,.0f}k parameters"
    tags = "" if _footnotes(run) else f", tags={setting(results, 'tags.placement')}"
    if not _repeated(run):
        return f"no repeats, {size}{tags}"
    share, times = setting(results, "repeats.fraction"), setting(results, "repeats.times")
    return f"{share:.0%} of the visits, {times} times, {setting(results, 'repeats.kind')}, {size}{tags}"


if __name__ == "__main__":
    COMMAND.run(main)
