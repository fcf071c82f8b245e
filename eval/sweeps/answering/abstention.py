"""The systems of several runs in one table: what makes a model know what it does not know?

    python -m eval.sweeps.answering.abstention runs/abstention

Runs that differ in nothing but a seed are one row: mean ± standard deviation over them. The last column is the paired
difference to the first row in score_75 (+1 right, -3 wrong, 0 withheld, by a confidence of more than .75), the mean of
the seeds question by question, entities resampled, p values after Holm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hydra.experimental.callback import Callback

from data.atomic import atomic_file
from data.records import Prediction, Question, read_jsonl
from eval.compare import find
from eval.grading.correctness import right
from eval.grading.methods import NONE, method
from eval.metrics.calibration import worst_confidence
from eval.metrics.selective_prediction import penalty
from eval.metrics.statistics import Floats, bootstrap_draws, holm, p_value, percentile_interval
from eval.results import table as results_table
from eval.results.given import marked
from eval.results.recorded import record_sweep
from eval.results.results import flatten, read_results, setting
from eval.results.run_table import knowing_columns
from eval.results.selective_metrics import MAIN, METRICS
from eval.results.table import Value, over_seeds
from eval.selective.selective_baselines import SYSTEMS, SelectiveOutput, decide, fit_policies, in_fold
from eval.sweeps.shown import of_runs

COMMAND = of_runs(
    "answering.abstention",
    "Put the systems of several runs into one table of what they know of their ignorance.",
)
TARGET = 0.75
RESAMPLES = 2000
COLUMNS = knowing_columns(MAIN)
EXPERT = "expert"
STATEMENTS, GIVEN = "statements", "statements_given"  # stages of a run: steps/evaluation/signals.py


@dataclass(frozen=True)
class Row:
    """A system over the runs that differ in their seeds only."""

    label: str
    metrics: list[Mapping[str, Any]]
    gains: Floats  # of each question of the test fold, mean over the seeds
    seeds: tuple[int, ...]  # of tuning


class Table(Callback):
    """Hydra's callback that ends a sweep with the table."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        rows, asked = _shown([config.run_dir])
        measured = _measured(rows)
        columns = [column for column in COLUMNS if column.key in measured]
        record_sweep(config, find([config.run_dir]), columns, _as_data(rows, asked))


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    _shown(folders)


def _shown(folders: Sequence[str]) -> tuple[list[Row], list[Question]]:
    rows, asked = _rows(find(folders))
    text = _markdown(rows, asked)
    print(text)
    for folder in folders:
        if Path(folder).is_dir():
            with atomic_file(Path(folder) / "abstention.md") as file:
                file.write(text + "\n")
    return rows, asked


def table(runs: Sequence[Path]) -> str:
    """The table in Markdown. Raises ValueError where the runs were not asked the same questions, or show nothing."""
    return _markdown(*_rows(runs))


def _markdown(rows: Sequence[Row], asked: Sequence[Question]) -> str:
    entities = [question.entity for question in asked]
    differences = {row.label: _difference(row, rows[0], entities) for row in rows[1:]}
    adjusted = holm({label: p for label, (_, p) in differences.items() if p is not None})
    shown = _measured(rows)
    lines = [_line(["system", *(METRICS[name].title for name in shown), f"score at {TARGET}", "behind the first"])]
    lines.append(_line(["---"] * (len(shown) + 3)))
    for row in rows:
        said = differences.get(row.label, ("", None))[0]
        said += f", p = {adjusted[row.label]:.3f}" if row.label in adjusted else ""
        cells = [_spread([run.get(name) for run in row.metrics]) for name in (*shown, "score_75")]
        lines.append(_line([f"{row.label} ({len(row.metrics)})", *cells, said]))
    return "\n".join(lines)


def _measured(rows: Sequence[Row]) -> list[str]:
    """The main metrics, without those of classes that nobody asked about."""
    return [name for name in MAIN if any(name in run for row in rows for run in row.metrics)]


def labels(name: str) -> dict[str, str]:
    """The systems that a run with this method of abstention SFT has rows for, and what each is called."""
    if name == NONE:
        return {system: f"{EXPERT}, {SYSTEMS[system].label}" for system in SYSTEMS if system not in ("own", "refusal")}
    found = method(name)
    return {system: found.label + more for system, more in found.systems.items()}


def _as_data(rows: Sequence[Row], asked: Sequence[Question]) -> list[results_table.Row]:
    """The rows as data, by the keys of `COLUMNS`."""
    classes, measured = Counter(question.support_class for question in asked), _measured(rows)

    def value(row: Row, name: str) -> Value | None:
        n = sum(classes[kind] for kind in METRICS[name].of) or None
        found = [measured.get(name) or {"value": None} for measured in row.metrics]
        each = [None if m["value"] is None else Value(m["value"], m["interval"], None, n) for m in found]
        return over_seeds(each)

    return [
        results_table.Row(
            row.label.removesuffix(marked("")),
            {name: value(row, name) for name in measured},
            given=row.label.endswith(marked("")),
            seeds=row.seeds,
        )
        for row in rows
    ]


def _rows(runs: Sequence[Path]) -> tuple[list[Row], list[Question]]:
    grouped: dict[str, list[tuple[Mapping[str, Any], Floats, int | None]]] = {}
    asked: list[Question] = []
    for path in runs:
        results = read_results(path)
        second, refused = _settings(path, results)
        questions = list(read_jsonl(path.parent / "answer" / "questions.jsonl", Question))
        by_ledger = second["method"] != NONE and method(second["method"]).by_ledger
        share = f", share {second['idk_fraction']:.0%}" if by_ledger else ""
        handed = results["given"]["systems"]
        if not (handed or results["systems"]):
            continue  # without folds no policy was fitted, nor can one be
        seed = flatten(results["config"]).get("sft.seed", results["seed"])
        for stage, systems in ((GIVEN, handed), (STATEMENTS, results["systems"])):
            forced = list(read_jsonl(path.parent / stage / "declarative.jsonl", Prediction))
            test = in_fold(questions, forced, "test")[0]
            if asked and [q.id for q in asked] != [q.id for q in test]:
                raise ValueError(f"{path} was asked other questions than the runs before it")
            asked = list(test)
            decided = decide(questions, forced, fit_policies(questions, forced, refused))
            for system, label in labels(second["method"]).items():
                if system not in systems or (stage == GIVEN and systems[system] == results["systems"].get(system)):
                    continue  # what is given makes no difference to it
                gains = _gains(questions, decided[system])
                name = label + share
                grouped.setdefault(marked(name) if stage == GIVEN else name, []).append((systems[system], gains, seed))
    if not grouped:
        raise ValueError("none of these runs measured abstention: their corpora have no folds, or no statements")
    rows = [
        Row(
            label,
            [m for m, *_ in found],
            np.mean([g for _, g, _ in found], axis=0),
            tuple(seed for *_, seed in found if seed is not None),
        )
        for label, found in grouped.items()
    ]
    expert = [row for row in rows if row.label.startswith(EXPERT)]
    best_first = [row for row in expert if marked("") not in row.label] or expert
    rest = [row for row in rows if row not in expert]
    return [*best_first, *(row for row in expert if row not in best_first), *rest], asked


def _settings(path: Path, results: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """How a run was taught to abstain, and the share of right answers on dev that its policy may withhold."""
    try:
        second = {key: setting(results, f"abstention_sft.{key}") for key in ("method", "idk_fraction")}
        return second, setting(results, "eval.max_abstained_correct")
    except ValueError as error:
        raise ValueError(f"{path}: {error}, so it is no run that could show what it does not know") from None


def _gains(questions: Sequence[Question], output: SelectiveOutput) -> Floats:
    """Float64 (N,) over the test fold: 1 for what it dares and gets right, the penalty where it errs, 0 else."""
    test, answers = in_fold(questions, output.forced, "test")
    correct = right(test, answers)
    confidence = worst_confidence([p.confidence for p in in_fold(questions, output.free, "test")[1]], correct)
    return np.where(confidence > TARGET, np.where(correct, 1.0, -penalty(TARGET)), 0.0)


def _difference(row: Row, ours: Row, entities: Sequence[str]) -> tuple[str, float | None]:
    gap = row.gains - ours.gains
    draws = bootstrap_draws(lambda w: w @ gap / w.sum(1), entities, resamples=RESAMPLES)
    interval = percentile_interval(draws)
    bounds = f" [{interval[0]:+.3f}, {interval[1]:+.3f}]" if interval else ""
    return f"{gap.mean():+.3f}{bounds}", p_value(draws)


def _spread(measures: Sequence[Mapping[str, Any] | None]) -> str:
    values = [m["value"] for m in measures if m is not None and m["value"] is not None]
    if not values:
        return "-"
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    COMMAND.run(main)
