"""Does surprisal fed back help to abstain? The table of `python -m eval.sweeps.answering.surprisal DIR...`.

Reads what the runs of experiment=surprisal in and below the folders said to the test fold. Runs that differ in their
seed only are one row. A model that its own surprisal is fed back to has two rows more: asked with nothing fed, and with
another question's. Abstention recall is that of what was never told at `COVERAGE` of what was told: withheld are the
answers of which the model is least sure

    before    by log p(first word) - log p(a refusal, or the mark of not being sure)
    after     by the mark of confidence behind its answer and source; what is no answer has none, and is withheld first

Differences are paired, question by
question and seed by seed; intervals resample entities and seeds (`crossed_draws`), p values are Holm's over the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hydra.experimental.callback import Callback

from data.records import ANSWERABLE, NEVER, Prediction, Question, read_jsonl
from eval.compare import Run, find, grouped
from eval.grading.correctness import right
from eval.metrics.selective_prediction import auroc, recall_at_coverage
from eval.metrics.statistics import Floats, crossed_draws, holm, p_value, percentile_interval
from eval.results.recorded import record_sweep
from eval.results.results import read_results
from eval.results.table import Column, Row, Value, over_seeds
from eval.sweeps.shown import of_runs, print_rows

COMMAND = of_runs("answering.surprisal", "Say what surprisal fed back is worth for abstention, beside its controls.")
COVERAGE = 0.9
NO_ANSWER = -1.0  # below every mean of marks
PLAIN, SHUFFLED = "nothing fed back", "shuffled"  # of the rows that the others are compared with
LABELS = {
    "none": PLAIN,
    "own": "surprisal",
    "shuffled": SHUFFLED,
    "constant": "constant",
    "oracle": "one bit of the ledger, a ceiling",
}
ASKED = {"whence": "", "whence_off": ", asked with nothing fed", "whence_shuffled": ", asked with another question's"}
SCORES = {"before": "before the answer", "after": "after the answer"}
AGAINST = {PLAIN: "of nothing fed back", SHUFFLED: "of shuffled"}
PROBED = {
    "backtracking": (
        Column("precision", "marks, precision", "%", 1, "higher"),
        Column("recall", "marks, recall", "%", 1, "higher"),
        Column("derived_right", "right by way of a source", "%", 1, "higher"),
        Column("suppressed_right", "the same, mark suppressed", "%", 1, ""),
        Column("confabulated", "made up", "%", 1, "lower"),
        Column("confabulated_suppressed", "made up, mark suppressed", "%", 1, ""),
    ),
    "surprisal_states": (Column("entropy_ratio", "entropy, own / others'", "", 2, ""),),
}
COLUMNS = (
    *(Column(f"recall_{key}", f"recall, {title}", "%", 1, "higher") for key, title in SCORES.items()),
    *(Column(f"auroc_{key}", f"AUROC, {title}", "", 3, "higher") for key, title in SCORES.items()),
    Column("right", "told and right", "%", 1, "higher"),
    *(
        Column(f"{kind}_{key}_{other}", f"{what}, {title}", unit, digits, "higher" if kind == "gain" else "")
        for other, less in AGAINST.items()
        for key, title in SCORES.items()
        for kind, what, unit, digits in (("gain", f"recall less that {less}", "%", 1), ("p", "p, Holm", "", 3))
    ),
    *(column for columns in PROBED.values() for column in columns),
)


@dataclass(frozen=True)
class System:
    """What a system said to N questions of the test fold, for each of S seeds.

    Attributes:
        sure: by the keys of `SCORES`, float64 (S, N), nan where it shows none.
        right: bool (S, N), whether its answer is.
    """

    label: str
    seeds: tuple[int, ...]
    sure: Mapping[str, Floats]
    right: np.ndarray
    probes: Sequence[Mapping[str, Any]]


class Table(Callback):
    """Hydra's callback that ends a sweep with the table."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        rows = _shown([config.run_dir])
        title = "Does a model that is shown its own surprisal know better when to abstain?"
        note = (
            f"Recall of abstention where {COVERAGE:.0%} of what was told is answered, AUROC of told against never. "
            "Mean and sample standard deviation over seeds; intervals of gains hold 95%, entities and seeds resampled."
        )
        record_sweep(config, find([config.run_dir]), COLUMNS, rows, title=title, note=note)


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    _shown(folders)


def _shown(folders: Sequence[str]) -> list[Row]:
    groups, warnings = grouped([Run(path, read_results(path)) for path in find(folders)])
    found = rows(*systems(groups))
    print_rows(found, COLUMNS, "seeds")
    for warning in warnings:
        print(f"Warning: {warning}")
    return found


def systems(groups: Sequence[Sequence[Run]]) -> tuple[list[System], list[Question]]:
    """The systems of each group, and what they were asked. Raises ValueError where that differs between runs."""
    found: list[System] = []
    asked: list[Question] = []
    for group in groups:
        for name, more in ASKED.items():
            paths = [run.path.parent / "answer" / f"{name}.jsonl" for run in group]
            if not all(path.exists() for path in paths):
                continue
            said = [_answers(path) for path in paths]
            for path, (questions, _) in zip(paths, said, strict=True):
                if asked and [q.id for q in asked] != [q.id for q in questions]:
                    raise ValueError(f"{path} answers other questions than the runs before it")
                asked = questions
            found.append(_system(group, more, [predictions for _, predictions in said]))
    if not asked:
        raise ValueError("no run here was asked what was told and what was not: was it made by experiment=surprisal?")
    return found, asked


def rows(found: Sequence[System], asked: Sequence[Question]) -> list[Row]:
    """A row for each system, by the keys of `COLUMNS`."""
    told = np.array([q.support_class in ANSWERABLE for q in asked])
    people = [q.entity or q.id for q in asked]
    gains = {
        (system.label, key, other.label): _gain(system, other, key, told, people)
        for other in found
        for system in found
        for key in SCORES
        if other.label in AGAINST and system is not other and _paired(system, other)
    }
    adjusted = holm({"\n".join(name): p for name, (_, p) in gains.items() if p is not None})
    shown = []
    for system in found:
        values: dict[str, Value | None] = {"right": _over(system.right[:, told].mean(1), int(told.sum()))}
        for key, sure in system.sure.items():
            measures = {"recall": lambda c: recall_at_coverage(c, told, COVERAGE), "auroc": lambda c: auroc(c, told)}
            known = not np.isnan(sure).any()
            for name, measure in measures.items():
                each = np.array([float(measure(one)) for one in sure]) if known else None
                values[f"{name}_{key}"] = None if each is None else _over(each, len(asked))
            for other in AGAINST:
                value, _ = gains.get((system.label, key, other), (None, None))
                p = adjusted.get(f"{system.label}\n{key}\n{other}")
                values |= {f"gain_{key}_{other}": value, f"p_{key}_{other}": None if p is None else Value(p)}
        for probe, columns in PROBED.items():
            for column in columns:
                values[column.key] = over_seeds([_probed(one.get(probe, {}).get(column.key)) for one in system.probes])
        shown.append(Row(system.label, values, seeds=system.seeds))
    return shown


def _answers(path: Path) -> tuple[list[Question], list[Prediction]]:
    """The questions of the test fold that were told, or never, with what was said to them."""
    said = {p.question: p for p in read_jsonl(path, Prediction)}
    questions = [
        q
        for q in read_jsonl(path.with_name("questions.jsonl"), Question)
        if q.fold == "test" and q.split == "never_tuned" and q.support_class in (*ANSWERABLE, *NEVER)
    ]
    return questions, [said[q.id] for q in questions]


def _system(group: Sequence[Run], more: str, said: Sequence[Sequence[Prediction]]) -> System:
    config = group[0].results["config"]
    taught = config["abstention_sft"]["method"] != "none"
    label = LABELS[config["surprisal"]["source"]] if taught else "before the second phase"
    if config["surprisal"]["source"] != "none" and config["surprisal"]["begins"] == "pretrain":
        label += ", from pretraining on"
    sure = {
        "before": [[p.signals["best_word"] - p.signals["refusal"] for p in each] for each in said],
        "after": [_stated(each) for each in said],
    }
    questions, _ = _answers(group[0].path.parent / "answer" / "whence.jsonl")
    return System(
        label=label + more,
        seeds=tuple(run.results["seed"] for run in group),
        sure={key: np.array(values, dtype=np.float64) for key, values in sure.items()},
        right=np.array([right(questions, each) for each in said]),
        probes=[run.results["probes"] if not more else {} for run in group],
    )


def _stated(said: Sequence[Prediction]) -> list[float]:
    """The mean of the marks of confidence, in [0, 1]; below it where nothing was answered, nan if none ever has one."""
    stated = [p.signals.get("stated", np.nan) for p in said]
    return stated if np.isnan(stated).all() else [NO_ANSWER if np.isnan(one) else one for one in stated]


def _paired(system: System, other: System) -> bool:
    """Whether both are of a second phase, of the same seeds."""
    known = not any(np.isnan(sure).any() for each in (system, other) for sure in each.sure.values())
    return known and system.seeds == other.seeds


def _gain(
    system: System, other: System, key: str, told: np.ndarray, people: Sequence[str]
) -> tuple[Value, float | None]:
    """The difference in abstention recall, with its interval, and the p value of none."""
    seeds, n = system.sure[key].shape

    def mean(sure: Floats, w: Floats) -> Floats:
        parts = [w[..., s * n : (s + 1) * n] for s in range(seeds)]
        found = np.stack([recall_at_coverage(one, told, COVERAGE, part) for one, part in zip(sure, parts, strict=True)])
        return _weighted(found, np.stack([part.sum(-1) for part in parts]))

    def statistic(w: Floats) -> Floats:
        return mean(system.sure[key], w) - mean(other.sure[key], w)

    draws = crossed_draws(statistic, list(people) * seeds, np.repeat(system.seeds, n).tolist())
    value = float(statistic(np.ones(seeds * n)))
    return Value(value, percentile_interval(draws), None, n), p_value(draws)


def _weighted(found: Floats, shares: Floats) -> Floats:
    """Mean over seeds (first axis), each as often as it was drawn; what was not drawn has no value and no weight."""
    return np.where(shares > 0, found * shares, 0.0).sum(0) / shares.sum(0)


def _over(each: Floats, n: int) -> Value | None:
    return over_seeds([Value(float(one), None, None, n) for one in each])


def _probed(found: Mapping[str, Any] | None) -> Value | None:
    if not found or found["value"] is None:
        return None
    interval = found["interval"]
    return Value(found["value"], tuple(interval) if interval else None, None, found.get("n"))


if __name__ == "__main__":
    COMMAND.run(main)
