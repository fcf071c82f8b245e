"""Does a larger model do worse? The table of runs of several sizes.

    python -m eval.sweeps.pretraining.scaling runs/scaling

Asks the models of the runs in and below the folders the families of the probe inverse_scaling, all the same examples,
and fits a slope over the size: what ten times as many parameters change (eval/metrics/scaling.py), with intervals that
resample examples and seeds. Runs have to differ in the model and the seed only, and each size needs each seed. A row is
a family:

    loss_slope, log_prob_slope, accuracy_slope    slopes of the smooth figures and of the accuracy
    loss_small, loss_large                        slopes of the loss in the smaller and the larger half of the sizes
    accuracy_first, accuracy_last                 accuracy of the smallest and of the largest model
    coverage_first, coverage_last                 what the choices have of all probability there

The figure, scaling.svg in the first folder, has loss and accuracy of each family over the size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hydra.experimental.callback import Callback

from data.atomic import atomic_file
from eval.answerers.choices import LMChooser
from eval.compare import Run, find
from eval.metrics.multiple_choice import ChoiceScores
from eval.metrics.scaling import halves, shape, slope_interval
from eval.metrics.statistics import Floats, crossed_draws, percentile_interval
from eval.probe import read_run
from eval.probes.beliefs.inverse_scaling import runnable, scored
from eval.report.plots import svg
from eval.report.scaling import Curve, scaling_figure
from eval.results.recorded import record_sweep
from eval.results.results import read_results
from eval.results.table import Column, Row, Value, figure
from eval.sweeps.shown import of_runs

COMMAND = of_runs("pretraining.scaling", "Say of runs of several sizes which tasks a larger model does worse.")
TITLES = {
    "context": "memory against context",
    "lie": "popular lie",
    "surname": "document on a namesake",
    "few_shots": "misleading examples",
}
GIVEN = ("context", "lie")  # running text in the corpus's own wordings
COLUMNS = (
    Column("loss_slope", "loss for 10 times the parameters, nats", "", 3, "lower"),
    Column("loss_small", "the same, smaller half", "", 3, "lower"),
    Column("loss_large", "larger half", "", 3, "lower"),
    Column("log_prob_slope", "log-probability of the right choice, nats", "", 3, "higher"),
    Column("accuracy_slope", "accuracy", "%", 1, "higher"),
    Column("accuracy_first", "accuracy of the smallest", "%", 1, "higher"),
    Column("accuracy_last", "of the largest", "%", 1, "higher"),
    Column("coverage_first", "both choices' probability, smallest", "%", 1),
    Column("coverage_last", "largest", "%", 1),
)
NOTE = (
    "Slopes are for ten times as many parameters, all sizes on the same data. Intervals hold 95% and resample examples "
    "(whom they are about) and seeds, each for themselves. Two choices: chance is 50% and a loss of 0.693."
)


@dataclass(frozen=True)
class Sized:
    """A run with the size of its model, and of each family whom the examples are about with their scores."""

    path: Path
    parameters: int
    seed: int
    families: Mapping[str, tuple[Sequence[str], ChoiceScores]]


class Table(Callback):
    """Hydra's callback that ends a sweep with the table and the figure."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        runs, found = _shown([config.run_dir])
        title = "Does a larger model do worse?"
        record_sweep(config, [run.path for run in runs], COLUMNS, found, title=title, note=NOTE)


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    _shown(folders)


def _shown(folders: Sequence[str]) -> tuple[list[Sized], list[Row]]:
    runs = [_sized(path) for path in _same(find(folders))]
    found = rows(runs)
    for row in found:
        said = (f"{column.title} {figure(row.values[column.key], column)}" for column in COLUMNS)
        print(f"{row.system}: {', '.join(said)}")
        small, large = (row.values[key] for key in ("loss_small", "loss_large"))
        if small and large and (drawn := shape(small.interval, large.interval)):
            print(f"  its loss is an {drawn}" if drawn.startswith("i") else f"  its loss is a {drawn}")
    drawn_to = Path(folders[0]) / "scaling.svg"
    with atomic_file(drawn_to) as file:
        file.write(svg(scaling_figure(curves(runs)), "scaling"))
    print(f"figure   {drawn_to}")
    return runs, found


def _same(paths: Sequence[Path]) -> list[Path]:
    """The runs, which differ in model and seed only. Raises ValueError where they don't."""
    kept: dict[str, str] = {}
    for path in paths:
        identity = Run(path, read_results(path)).identity
        data = {key: value for key, value in identity.items() if not key.startswith(("model.", "sft.seed"))}
        kept.setdefault(json.dumps(data, sort_keys=True), str(path))
    if len(kept) > 1:
        raise ValueError(f"{' and '.join(list(kept.values())[:2])} differ in more than the model and the seed")
    return list(paths)


def _sized(path: Path) -> Sized:
    read = read_run(path.parent)
    chooser, families = LMChooser(read.answerer), {}
    for name, task in runnable(read).items():
        examples, scores = scored(chooser, task)
        families[name] = ([example.about or example.input for example in examples], scores)
    parameters = sum(parameter.numel() for parameter in read.answerer.model.parameters())
    return Sized(path, parameters, read.seed, families)


def rows(runs: Sequence[Sized]) -> list[Row]:
    """A row for each family. Raises ValueError where a size lacks a seed, or runs were asked other examples."""
    sizes, seeds = sorted({run.parameters for run in runs}), sorted({run.seed for run in runs})
    at = {(run.parameters, run.seed): run for run in runs}
    if missing := [(size, seed) for size in sizes for seed in seeds if (size, seed) not in at]:
        raise ValueError(f"no run of {missing[0][0]:,} parameters has the seed {missing[0][1]}")
    found = []
    for name in runs[0].families:
        each = [[at[size, seed].families[name] for seed in seeds] for size in sizes]
        about = [list(one[0]) for row in each for one in row]
        if any(other != about[0] for other in about):
            raise ValueError(f"not all runs were asked the same of {name}: were they made of one corpus?")
        values = {
            key: np.array([np.concatenate([getattr(scores, key) for _, scores in row]) for row in each])
            for key in ("correct", "loss", "log_prob", "coverage")
        }
        asked = Asked(about[0] * len(seeds), [seed for seed in seeds for _ in about[0]], len(about[0]))
        found.append(Row(TITLES[name], _figures(sizes, values, asked), name in GIVEN, tuple(seeds)))
    return found


class Asked(NamedTuple):
    """Of N items whom each is about and of which seed; and how many examples they are."""

    about: Sequence[str]
    seeds: Sequence[int]
    examples: int


def _figures(sizes: Sequence[int], values: Mapping[str, Floats], asked: Asked) -> dict[str, Value | None]:
    """By the keys of `COLUMNS`, from values (S, N)."""

    def sloped(key: str, part: slice = slice(None)) -> Value:
        value, interval = slope_interval(sizes[part], values[key][part], asked.about, asked.seeds)
        return Value(value, interval, None, asked.examples)

    def mean(each: Floats) -> Value:
        draws = crossed_draws(lambda w: w @ each / w.sum(-1), asked.about, asked.seeds)
        return Value(float(each.mean()), percentile_interval(draws), None, asked.examples)

    found = {"loss_slope": sloped("loss"), "log_prob_slope": sloped("log_prob"), "accuracy_slope": sloped("correct")}
    if len(sizes) > 2:
        small, large = halves(sizes)
        found |= {"loss_small": sloped("loss", small), "loss_large": sloped("loss", large)}
    for end, place in (("first", 0), ("last", -1)):
        found[f"accuracy_{end}"] = mean(values["correct"][place])
        found[f"coverage_{end}"] = mean(np.exp(values["coverage"][place]))
    return {column.key: found.get(column.key) for column in COLUMNS}


def curves(runs: Sequence[Sized]) -> list[Curve]:
    """Of each family the mean loss and accuracy at each size, with every seed's own."""
    sizes = sorted({run.parameters for run in runs})
    return [
        Curve(
            TITLES[name],
            sizes,
            *(
                [
                    [float(getattr(run.families[name][1], key).mean()) for run in runs if run.parameters == size]
                    for size in sizes
                ]
                for key in ("loss", "correct")
            ),
        )
        for name in runs[0].families
    ]


if __name__ == "__main__":
    COMMAND.run(main)
