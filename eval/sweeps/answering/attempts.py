"""Second attempts beside each other: what SCoRe learns from its own attempts, and what others make of equally many.

    python -m eval.sweeps.answering.attempts runs/score

Rows are systems, seeds of tuning together. Measures are those of eval/grading/attempt_measures.py on the never-tuned
questions of the folds calibration and test, on which nothing is fitted here (dev is for trials); intervals hold 95%,
entities resampled, of the mean over seeds question by question. Compared with the same questions paired:

    first_change    acc_1 less that of the model that was taught the form alone
    gain_behind     gain less SCoRe's; gain_p its p, Holm over all comparisons of the table
    score_behind    score_2 less SCoRe's; score_p its p
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from hydra.experimental.callback import Callback

from data.records import Prediction, Question, read_jsonl
from eval.compare import Run, find
from eval.grading.attempt_measures import MEASURES, attempt_columns, clusters, measured, tried_of
from eval.grading.attempts import Tried
from eval.metrics.statistics import Floats, bootstrap_draws, holm, p_value, percentile_interval
from eval.results.recorded import record_sweep
from eval.results.results import read_results, setting
from eval.results.table import Column, Row, Value, figure
from eval.sweeps.shown import of_runs

COMMAND = of_runs("answering.attempts", "Put what runs make of a second attempt into one table.")
STAGE = "probe_self_correction"  # of a run: steps/self_correction/answers.py
SCORE, FORM = "SCoRe", "form alone"
REPORTED = ("", "calibration", "test")  # folds
COLUMNS = [
    *(Column(key, m.title, "%" if m.share else "", 1 if m.share else 3, m.better) for key, m in MEASURES.items()),
    Column("first_change", "change of right, first", "%", 1, "higher"),
    Column("gain_behind", "gain less SCoRe's", "", 3, "higher"),
    Column("gain_p", "p of it (Holm)", "", 3),
    Column("score_behind", "second score less SCoRe's", "", 3, "higher"),
    Column("score_p", "p of that (Holm)", "", 3),
]
NOTE = (
    "Mean and sample standard deviation over seeds of tuning; intervals of 95% of that mean, entities resampled. Of "
    "never told questions nothing is right but to withhold."
)


@dataclass(frozen=True)
class AttemptRun(Run):
    """A run with attempts."""

    @property
    def part(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = setting(self.results, "self_correction")
        return found

    @property
    def seed(self) -> int:
        found: int = setting(self.results, "sft.seed")
        return found

    @property
    def kind(self) -> str:
        """What tells it from runs of other rows."""
        return json.dumps({k: v for k, v in self.identity.items() if k != "sft.seed"}, sort_keys=True)

    @property
    def label(self) -> str:
        part, learnt = self.part, self.part["reinforce"]
        if part["method"] != "reinforce":
            return {"form": FORM, "pair_sft": "Pair-SFT", "star": "STaR"}[part["method"]]
        if part["attempts"] == 1:
            return {"rlcr": "RLCR", "correct": "RLVR"}.get(part["reward"], f"REINFORCE, {part['reward']}")
        if not learnt["stage_one"] and not learnt["alpha"]:
            return "REINFORCE in one stage"
        return f"{SCORE}, both rewards to the first" if learnt["gamma"] else SCORE

    @cached_property
    def tried(self) -> list[Tried]:
        folder = self.path.parent / STAGE
        questions = list(read_jsonl(folder / "questions.jsonl", Question))
        attempts = [
            list(read_jsonl(folder / f"attempt_{n}.jsonl", Prediction)) for n in range(1, self.part["attempts"] + 1)
        ]
        return [one for one in tried_of(questions, attempts) if one[0].fold in REPORTED]


class Table(Callback):
    """Hydra's callback that ends a sweep with the table."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        paths = find([config.run_dir])
        found = rows(systems(runs_of(paths)))
        print("\n".join(lines(found, COLUMNS)))
        best = next((place for place, row in enumerate(found) if row.system == SCORE), None)
        record_sweep(config, paths, COLUMNS, found, title="Asked again: what is learnt about a second attempt",
                     note=NOTE, headline=best)  # fmt: skip


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    print("\n".join(lines(rows(systems(runs_of(find(folders)))), COLUMNS)))


R = TypeVar("R", bound=AttemptRun)


def runs_of(paths: Sequence[Path], kind: type[R] = AttemptRun) -> list[R]:  # type: ignore[assignment]
    """Raises ValueError where a run made no attempts, or was asked other questions than those before it."""
    runs = [kind(path, read_results(path)) for path in paths]
    for run in runs:
        if not (run.path.parent / STAGE).is_dir():
            raise ValueError(f"{run.path} is of no run with attempts: set self_correction")
        if [q.id for q, _ in run.tried] != [q.id for q, _ in runs[0].tried]:
            raise ValueError(f"{run.path} was asked other questions than {runs[0].path}")
    return runs


def systems(runs: Sequence[R]) -> dict[str, list[R]]:
    """Runs by what they are called, those of one that differ in the seed only; the form alone is one model for all."""
    kinds: dict[str, list[R]] = {}
    for run in runs:
        kinds.setdefault(run.kind, []).append(run)
    found: dict[str, list[R]] = {}
    for group in kinds.values():
        label = group[0].label
        name = label if label not in found else f"{label} ({len(found)})"
        found[name] = group[:1] if group[0].part["method"] == "form" else group
    return found


def rows(found: Mapping[str, Sequence[AttemptRun]]) -> list[Row]:
    """A row for each system."""
    entities = clusters(next(iter(found.values()))[0].tried)
    each = {label: [attempt_columns(run.tried, run.part["target"]) for run in group] for label, group in found.items()}
    values: dict[str, dict[str, Value | None]] = {
        label: {name: _over(name, [one[name] for one in columns], entities) for name in MEASURES}
        for label, columns in each.items()
    }
    p_values: dict[str, float] = {}
    for label, columns in each.items():
        if label != FORM and FORM in each:
            values[label]["first_change"], _ = _paired(columns, each[FORM], "acc_1", entities)
        if label != SCORE and SCORE in each:
            for name, key in (("gain", "gain"), ("score_2", "score")):
                values[label][f"{key}_behind"], p = _paired(columns, each[SCORE], name, entities)
                if p is not None:
                    p_values[f"{label}/{key}_p"] = p
    for where, p in holm(p_values).items():
        label, key = where.rsplit("/", 1)
        values[label][key] = Value(p)
    return [
        Row(label, {c.key: values[label].get(c.key) for c in COLUMNS}, seeds=tuple(run.seed for run in found[label]))
        for label in found
    ]


def lines(found: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """For a terminal: a line for each measure, a column for each system."""
    cells = [["", *(row.system for row in found)]]
    cells += [[c.title, *(figure(row.values.get(c.key), c) for row in found)] for c in columns]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def _over(name: str, columns: Sequence[tuple[Floats, Floats]], entities: Sequence[str]) -> Value | None:
    """A measure over seeds, each as (top, bottom) of the same questions."""
    top, bottom = np.mean([one for one, _ in columns], axis=0), columns[0][1]
    found = measured(name, top, bottom, entities)
    if found["value"] is None:
        return None
    each = [float(one.sum() / bottom.sum()) for one, _ in columns]
    sd = float(np.std(each, ddof=1)) if len(each) > 1 else None
    return Value(found["value"], found["interval"] and tuple(found["interval"]), sd, found["n"])


def _paired(
    ours: Sequence[Mapping[str, tuple[Floats, Floats]]],
    others: Sequence[Mapping[str, tuple[Floats, Floats]]],
    name: str,
    entities: Sequence[str],
) -> tuple[Value | None, float | None]:
    """The difference in a measure, question by question, of the means over seeds; and its p."""
    bottom = ours[0][name][1]
    if not bottom.sum():
        return None, None
    gap = np.mean([one[name][0] for one in ours], axis=0) - np.mean([one[name][0] for one in others], axis=0)
    with np.errstate(invalid="ignore"):  # a draw may hold nothing that counts
        draws = bootstrap_draws(lambda w: (w @ gap) / (w @ bottom), entities)
    return Value(float(gap.sum() / bottom.sum()), percentile_interval(draws)), p_value(draws)


if __name__ == "__main__":
    COMMAND.run(main)
