"""Does a confidence mean what it says, in every group?

    python -m eval.sweeps.answering.calibrators runs/calibrators

Takes the runs in and below the folders, which may differ in their seeds only, and puts every calibrator of
eval/selective/calibration_methods.py over their predictions. Every figure is the mean over the runs of what it is on
the never-tuned questions, each fold fitted on the two others; intervals resample entities and runs, each for
themselves, and all methods are resampled alike, so that differences are paired. Compared is with isotonic regression,
which knows no group:

    cut            1 - worst-group ECE / that of isotonic regression
    auroc_change   AUROC - that of isotonic regression
    p              of no difference in the worst seen group, of all rows by Holm's method

The row "if isotonic were right" has answers drawn by isotonic regression's own confidences: what each measure reads by
chance where nothing is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hydra.experimental.callback import Callback
from numpy.typing import NDArray

from data.records import FOLDS, SUPPORT_CLASSES, Prediction, Question, read_jsonl
from data.storage.shards import read_index
from eval.compare import Run, find
from eval.metrics.calibration import equal_mass_bins, signed_error, smooth_ece
from eval.metrics.group_calibration import worst_ece
from eval.metrics.grouping_loss import grouping_loss
from eval.metrics.selective_prediction import aurc, auroc
from eval.metrics.statistics import Floats, crossed_draws, holm, p_value, percentile_interval
from eval.results.recorded import record_sweep
from eval.results.results import flatten, read_results
from eval.results.table import Column, Row, Value
from eval.selective.calibration_methods import BASELINE, STATED, TOLD, Agent, cross_fitted
from eval.selective.seen_groups import Wordings, seen
from eval.sweeps.probed import record_probes
from eval.sweeps.shown import of_runs, print_rows

COMMAND = of_runs(
    "answering.calibrators",
    "Put calibrators over the predictions of runs that differ in their seeds, and say what they mend.",
)
TUNING = "sft.seed"
RESAMPLES, SMOOTHED = 1000, 200  # smooth ECE costs ten times the others, and no p is made of it
LEAST = 50  # questions in a group that is reported on
LEVELS = 10  # bins of the grouping loss
SIMULATED = 20  # draws of the floor
CHANCE = "if isotonic were right"
SHOWN = ("citation", "lp_next_citation", "agreement", "neg_semantic_entropy", "citation_fidelity", "min_token_logprob")
COLUMNS = (
    Column("smooth_ece", "smooth ECE", "", 3, "lower"),
    Column("signed_error", "signed error", "", 3, ""),
    Column("worst_seen", "worst seen group", "", 3, "lower"),
    Column("worst_class", "worst support class", "", 3, "lower"),
    Column("grouping_loss", "grouping loss", "", 3, "lower"),
    Column("auroc", "AUROC", "", 3, "higher"),
    Column("aurc", "AURC", "", 3, "lower"),
    Column("cut", "cut of the worst seen group", "%", 1, "higher"),
    Column("cut_class", "cut of the worst class", "%", 1, "higher"),
    Column("auroc_change", "AUROC change", "", 3, "higher"),
    Column("p", "p, Holm", "", 3, ""),
)
NOTE = (
    "Intervals hold 95% and resample entities and seeds, each for themselves; all rows alike. The worst group reads "
    "high in a draw, so that its interval may lie above it. Cuts, the change and p are against isotonic regression."
)


@dataclass(frozen=True)
class Tested:
    """Never-tuned questions of one run: whether right [N], which seen groups and classes each is in, its class."""

    correct: NDArray[np.bool_]
    groups: NDArray[np.bool_]
    classes: NDArray[np.bool_]
    regions: Sequence[str]


Statistic = Callable[[Floats, Tested, Floats | None], Floats]
MEASURES: Mapping[str, Statistic] = {
    "smooth_ece": lambda c, t, w: smooth_ece(c, t.correct, w),
    "signed_error": lambda c, t, w: signed_error(c, t.correct, w),
    "worst_seen": lambda c, t, w: worst_ece(c, t.correct, t.groups, w),
    "worst_class": lambda c, t, w: worst_ece(c, t.correct, t.classes, w),
    "grouping_loss": lambda c, t, w: grouping_loss(c, t.correct, t.regions, equal_mass_bins(c, LEVELS), w),
    "auroc": lambda c, t, w: auroc(c, t.correct, w),
    "aurc": lambda c, t, w: aurc(c, t.correct, w),
}


class Table(Callback):
    """Hydra's callback that ends a sweep with the table."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        rows, runs = _shown([config.run_dir])
        best = min((row for row in rows if row.values["p"]), key=lambda row: _order(row), default=None)
        record_sweep(
            config,
            [run.path for run in runs],
            COLUMNS,
            rows,
            title="Does a confidence mean what it says, in every group of questions?",
            note=NOTE,
            headline=rows.index(best) if best else None,
        )
        record_probes(config, runs, rows[0].seeds)


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    _shown(folders)


def _shown(folders: Sequence[str]) -> tuple[list[Row], list[Run]]:
    runs = [Run(path, read_results(path)) for path in find(folders)]
    of_one_kind(runs)
    found = rows([read_agent(run.path.parent) for run in runs], tuple(map(seed_of, runs)))
    print_rows(found, COLUMNS)
    return found, runs


def of_one_kind(runs: Sequence[Run]) -> None:
    """Raises ValueError where they differ in more than their seeds."""
    kinds = {json.dumps({k: v for k, v in run.identity.items() if k != TUNING}, sort_keys=True) for run in runs}
    if len(kinds) > 1:
        raise ValueError(f"{len(kinds)} kinds of runs here; they are compared over runs of one, of any seeds")


def seed_of(run: Run) -> int:
    """Of tuning, which is the run's own where nothing else was said."""
    seed: int = flatten(run.results["config"]).get(TUNING, run.results["seed"])
    return seed


def read_agent(folder: Path) -> Agent:
    """What a run said to the questions that it was not tuned on, before any of its own policies. Raises ValueError."""
    asked = read_jsonl(folder / "answer" / "questions.jsonl", Question)
    said = read_jsonl(folder / "signals" / "predictions.jsonl", Prediction)
    kept = [(q, p) for q, p in zip(asked, said, strict=True) if q.fold or q.split == "relabel"]
    questions, predictions = [q for q, _ in kept], [p for _, p in kept]
    tuning = [q for q in read_jsonl(folder / "prepare" / "questions.jsonl", Question) if q.split == "tune"]
    known = {d.id: d.metadata["reliability"] for d in read_index(folder / "prepare") if "reliability" in d.metadata}
    return Agent(questions, predictions, seen(questions, predictions, Wordings.of(tuning), known, SHOWN))


def rows(agents: Sequence[Agent], seeds: tuple[int, ...]) -> list[Row]:
    """A row for each method. Raises ValueError where the runs were asked other questions."""
    tests = [reported(agent) for agent in agents]
    asked = [[question for question in agent.questions if question.fold] for agent in agents]
    if any([q.id for q in one] != [q.id for q in asked[0]] for one in asked):
        raise ValueError("the runs were asked other questions: corpus.* must be the same for all seeds")
    entities = [q.entity or q.id for q in asked[0]]
    persons = entities * len(agents)
    runs = [number for number in range(len(agents)) for _ in entities]
    found = cross_fitted(agents)
    values: dict[str, dict[str, float]] = {}
    draws: dict[str, dict[str, Floats]] = {}
    for name, each in found.items():
        values[name], draws[name] = {}, {}
        for key, statistic in MEASURES.items():
            pooled = partial(_mean_over_runs, statistic, each, tests)
            values[name][key] = float(pooled(np.ones(len(persons))))
            times = min(SMOOTHED, RESAMPLES) if key == "smooth_ece" else RESAMPLES
            draws[name][key] = crossed_draws(pooled, persons, runs, resamples=times)
    compared = [name for name in found if name not in (STATED, BASELINE)]
    differences = {name: draws[name]["worst_seen"] - draws[BASELINE]["worst_seen"] for name in compared}
    adjusted = holm({name: p for name in compared if (p := p_value(differences[name])) is not None})
    made = []
    for name in found:
        row: dict[str, Value | None] = {
            key: _value(values[name][key], draws[name][key], len(entities)) for key in MEASURES
        }
        row |= dict.fromkeys(("cut", "cut_class", "auroc_change", "p"))
        if name in compared:
            for key, of in (("cut", "worst_seen"), ("cut_class", "worst_class")):
                cut = 1 - values[name][of] / values[BASELINE][of]
                row[key] = _value(cut, 1 - draws[name][of] / draws[BASELINE][of])
            change = values[name]["auroc"] - values[BASELINE]["auroc"]
            row["auroc_change"] = _value(change, draws[name]["auroc"] - draws[BASELINE]["auroc"])
            row["p"] = Value(adjusted[name]) if name in adjusted else None
        made.append(Row(name, row, seeds=seeds))
    return [*made, Row(CHANCE, _chance(found[BASELINE], tests), seeds=seeds)]


def reported(agent: Agent) -> Tested:
    """The never-tuned questions of a run, with the groups of them that are large enough to be reported on."""
    here = agent.part(*FOLDS)
    regions = [q.support_class for q, inside in zip(agent.questions, here, strict=True) if inside]
    classes = np.array([[region == name for name in SUPPORT_CLASSES] for region in regions], dtype=bool)
    groups = agent.seen.members[here]
    return Tested(agent.correct[here], groups[:, groups.sum(0) >= LEAST], classes[:, classes.sum(0) >= LEAST], regions)


def _mean_over_runs(
    statistic: Statistic, confidence: Sequence[Floats], tests: Sequence[Tested], weights: Floats
) -> Floats:
    """The mean over runs of a statistic of weights [..., A N]; a run that was not drawn does not count."""
    parts = np.split(weights, len(tests), axis=-1)
    each = np.stack([statistic(c, t, w) for c, t, w in zip(confidence, tests, parts, strict=True)], axis=-1)
    mass = np.stack([part.sum(-1) for part in parts], axis=-1)
    return np.where(mass > 0, each * mass, 0.0).sum(-1) / mass.sum(-1)


def _chance(confidence: Sequence[Floats], tests: Sequence[Tested]) -> dict[str, Value | None]:
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = {key: [] for key in MEASURES}
    for _ in range(SIMULATED):
        for c, t in zip(confidence, tests, strict=True):
            drawn = Tested(rng.random(len(c)) < c, t.groups, t.classes, t.regions)
            for key, statistic in MEASURES.items():
                found[key].append(float(statistic(c, drawn, None)))
    return {column.key: Value(float(np.mean(found[column.key]))) if column.key in found else None for column in COLUMNS}


def _value(value: float, draws: Floats, n: int | None = None) -> Value | None:
    return None if np.isnan(value) else Value(value, percentile_interval(draws), None, n)


def _order(row: Row) -> tuple[bool, float]:
    """The least worst seen group first, of methods that are told nothing."""
    found = row.values["worst_seen"]
    return row.system == TOLD, found.value if found else np.inf


if __name__ == "__main__":
    COMMAND.run(main)
