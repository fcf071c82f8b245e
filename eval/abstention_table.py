"""The systems of several runs in one table: what makes a model know what it does not know?

    python -m eval.abstention_table runs/abstention

Runs that differ in nothing but a seed are one row: mean ± standard deviation over them. The last column is the paired
difference to the first row in score_75 (+1 right, -3 wrong, 0 withheld, by a confidence of more than .75), the mean of
the seeds question by question, entities resampled, p values after Holm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hydra.experimental.callback import Callback

from data.atomic import atomic_file
from data.records import Prediction, Question, read_jsonl
from eval.arguments import Command
from eval.compare import find
from eval.grading.correctness import right
from eval.metrics.calibration import worst_confidence
from eval.metrics.selective_prediction import penalty
from eval.metrics.statistics import Floats, bootstrap_draws, holm, p_value, percentile_interval
from eval.results.given import MARK
from eval.results.results import read_results, setting
from eval.selective.selective_baselines import decide, fit_policies, in_fold

COMMAND = Command(
    name="python -m eval.abstention_table",
    summary="Put the systems of several runs into one table of what they know of their ignorance.",
    required={},
    optional={},
    text="RUN...",
)
TARGET = 0.75
RESAMPLES = 2000
ROWS = {  # (method of the second phase, system of eval/selective/selective_baselines.py) -> what to call it
    ("none", "selected"): f"expert, completed, checked, selected, {MARK}",
    ("none", "bidirectional"): f"expert, two-way check, {MARK}",
    ("none", "bidirectional_sum"): f"expert, two-way check, added up, {MARK}",
    ("none", "always"): "expert, always answers",
    ("none", "never"): "expert, never answers",
    ("none", "oracle"): "expert, ledger oracle",
    ("none", "log_probability"): "expert, log-probability",
    ("none", "with_citation"): "expert, answer + citation",
    ("none", "agreement"): "expert, agreement of samples",
    ("none", "semantic_entropy"): "expert, semantic entropy",
    ("none", "p_ik"): "expert, P(IK) probe",
    ("none", "p_ic"): "expert, P(IC) probe",
    ("judge", "stated"): "P(True), tuned judge",
    ("labels", "own"): "IDK labels",
    ("labels", "refusal"): "IDK labels, threshold on dev",
    ("r_tuning", "stated"): "R-Tuning",
    ("r_tuning_refuse", "own"): "R-Tuning, unknown",
    ("r_tuning_u", "stated"): "R-Tuning-U",
    ("consistent", "own"): "second phase, label-free",
    ("consistent", "stated"): "second phase, label-free, its confidence",
    ("graded", "own"): "second phase, graded",
    ("graded", "stated"): "second phase, graded, its confidence",
}
COLUMNS = {
    "smooth_ece": "smooth ECE",
    "auroc_answerable": "told / never",
    "auroc_forced": "right / wrong",
    "recall_absent_entity": "abstains: entity",
    "recall_absent_attribute": "abstains: attribute",
    "over_abstention": "over-abstains",
    "withheld_right": "right, withheld",
    "false_citation": "false citations",
    "false_premise_balanced": "false premise",
    "joint_free": "joint, free",
}


@dataclass(frozen=True)
class Row:
    """A system over the runs that differ in their seeds only."""

    label: str
    metrics: list[Mapping[str, Any]]
    gains: Floats  # of each question of the test fold, mean over the seeds


class Table(Callback):
    """Hydra's callback that ends a sweep with the table."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        main({}, [config.run_dir])


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    found = find(folders)
    text = table(found)
    print(text)
    for folder in folders:
        if Path(folder).is_dir():
            with atomic_file(Path(folder) / "abstention.md") as file:
                file.write(text + "\n")


def table(runs: Sequence[Path]) -> str:
    """The table in Markdown. Raises ValueError where the runs were not asked the same questions, or show nothing."""
    rows, entities = _rows(runs)
    differences = {row.label: _difference(row, rows[0], entities) for row in rows[1:]}
    adjusted = holm({label: p for label, (_, p) in differences.items() if p is not None})
    lines = [_line(["system", *COLUMNS.values(), f"score at {TARGET}", "behind the first"])]
    lines.append(_line(["---"] * (len(COLUMNS) + 3)))
    for row in rows:
        said = differences.get(row.label, ("", None))[0]
        said += f", p = {adjusted[row.label]:.3f}" if row.label in adjusted else ""
        cells = [_spread([run.get(name) for run in row.metrics]) for name in (*COLUMNS, "score_75")]
        lines.append(_line([f"{row.label} ({len(row.metrics)})", *cells, said]))
    return "\n".join(lines)


def _rows(runs: Sequence[Path]) -> tuple[list[Row], list[str]]:
    grouped: dict[str, list[tuple[Mapping[str, Any], Floats]]] = {}
    asked: list[Question] = []
    for path in runs:
        results = read_results(path)
        try:
            second = {key: setting(results, f"abstention_sft.{key}") for key in ("method", "idk_fraction")}
            refused = setting(results, "eval.max_abstained_correct")
        except ValueError as error:
            raise ValueError(f"{path}: {error}, so it is no run that could show what it does not know") from None
        questions = list(read_jsonl(path.parent / "answer" / "questions.jsonl", Question))
        forced = list(read_jsonl(path.parent / "signals" / "declarative.jsonl", Prediction))
        decided = decide(questions, forced, fit_policies(questions, forced, refused))
        test = in_fold(questions, forced, "test")[0]
        if asked and [q.id for q in asked] != [q.id for q in test]:
            raise ValueError(f"{path} was asked other questions than the runs before it")
        asked = list(test)
        for (method, system), label in ROWS.items():
            if method == second["method"] and system in results.get("systems", {}):
                answers, free = (
                    in_fold(questions, said, "test")[1] for said in (decided[system].forced, decided[system].free)
                )
                correct = right(test, answers)
                confidence = worst_confidence([p.confidence for p in free], correct)
                gains = np.where(confidence > TARGET, np.where(correct, 1.0, -penalty(TARGET)), 0.0)
                label += f", share {second['idk_fraction']:.0%}" if method == "labels" else ""
                grouped.setdefault(label, []).append((results["systems"][system], gains))
    if not grouped:
        raise ValueError("none of these runs measured abstention: their corpora have no folds, or no statements")
    order = {label: place for place, label in enumerate(ROWS.values())}
    ranked = sorted(grouped, key=lambda label: (order[label.split(", share")[0]], label))
    rows = [
        Row(label, [m for m, _ in grouped[label]], np.mean([g for _, g in grouped[label]], axis=0)) for label in ranked
    ]
    return rows, [question.entity for question in asked]


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
