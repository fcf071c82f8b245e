"""Does a model that is rewarded for it state a confidence that holds? RLCR beside RLVR and the form alone.

    python -m eval.sweeps.answering.confidence runs/rlcr

Rows are systems, seeds of tuning together, each twice: by the confidence that it states, and by the probability of its
answer's words, which costs nothing. Measures are of its single attempt at the never-tuned questions of the folds
calibration and test, never told ones among them, against whether the answer is right and not against the reward; a
confidence that is missing is read as the worst. Intervals hold 95%, entities resampled, of the mean over seeds question
by question (of the AUROC and smooth ECE, which are no means: of the mean over seeds of each draw).

    behind      Brier score less that of RLCR's stated confidence, paired; p after Holm
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from hydra.experimental.callback import Callback

from eval.compare import find
from eval.grading.attempt_measures import clusters
from eval.grading.attempts import RIGHT, state
from eval.metrics.calibration import brier, smooth_ece, worst_confidence
from eval.metrics.selective_prediction import auroc
from eval.metrics.statistics import Floats, bootstrap_draws, holm, p_value, percentile_interval
from eval.results.recorded import record_sweep
from eval.results.table import Column, Row, Value
from eval.sweeps.answering.attempts import AttemptRun, lines, runs_of, systems
from eval.sweeps.shown import of_runs

COMMAND = of_runs("answering.confidence", "Put the confidences that runs state of their attempts into one table.")
COLUMNS = (
    Column("right", "right", "%", 1, "higher"),
    Column("brier", "Brier", "", 3, "lower"),
    Column("smooth_ece", "smooth ECE", "", 3, "lower"),
    Column("auroc", "AUROC", "", 3, "higher"),
    Column("behind", "Brier less RLCR's", "", 3, "lower"),
    Column("p", "p of it (Holm)", "", 3),
)
BEST = "RLCR, stated"
NOTE = (
    "Mean and sample standard deviation over seeds of tuning; intervals of 95% of that mean, entities resampled. "
    "Against right answers, of which never told questions have none."
)
Judged = tuple[Floats, Floats]  # the confidences of a run's attempts, (N,), and whether each is right, bool (N,)
Measure = Callable[[Floats, Floats, Floats | None], Floats]
MEASURES: Mapping[str, Measure] = {
    "right": lambda c, r, w: _mean(r.astype(np.float64), w),
    "brier": brier,
    "smooth_ece": smooth_ece,
    "auroc": auroc,
}


class Table(Callback):
    """Hydra's callback that ends a sweep with the table."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        paths = find([config.run_dir])
        found = rows(systems(runs_of(paths)))
        print("\n".join(lines(found, COLUMNS)))
        best = next((place for place, row in enumerate(found) if row.system == BEST), None)
        title = "Confidence in words, rewarded by its Brier score"
        record_sweep(config, paths, COLUMNS, found, title=title, note=NOTE, headline=best)


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    print("\n".join(lines(rows(systems(runs_of(find(folders)))), COLUMNS)))


def rows(found: Mapping[str, Sequence[AttemptRun]]) -> list[Row]:
    """Two rows for each system."""
    entities = clusters(next(iter(found.values()))[0].tried)
    each: dict[str, list[Judged]] = {}
    for label, group in found.items():
        each[f"{label}, stated"] = [judged(run, stated=True) for run in group]
        each[f"{label}, probability of its words"] = [judged(run, stated=False) for run in group]
    values = {
        label: {name: _over(measure, runs, entities) for name, measure in MEASURES.items()}
        for label, runs in each.items()
    }
    p_values: dict[str, float] = {}
    for label, runs in each.items():
        if label != BEST and BEST in each:
            ours, best = (np.mean([_squares(one) for one in some], axis=0) for some in (runs, each[BEST]))
            gap = ours - best
            draws = bootstrap_draws(partial(_mean, gap), entities)
            values[label]["behind"] = Value(float(gap.mean()), percentile_interval(draws))
            if (p := p_value(draws)) is not None:
                p_values[label] = p
    for label, p in holm(p_values).items():
        values[label]["p"] = Value(p)
    seeds = {label: tuple(run.seed for run in group) for label, group in found.items()}
    return [
        Row(label, {c.key: values[label].get(c.key) for c in COLUMNS}, seeds=seeds[label.rsplit(", ", 1)[0]])
        for label in each
    ]


def judged(run: AttemptRun, stated: bool) -> Judged:
    """By what it states, or by the probability of its words: of the first attempt at each question."""
    first = [(question, said[0]) for question, said in run.tried]
    right = np.array([state(question, said) == RIGHT for question, said in first])
    confidences = [
        said.confidence if stated else (min(1.0, math.exp(said.signals["answer"])) if said.answer is not None else None)
        for _, said in first
    ]
    return worst_confidence(confidences, right), right


def _over(measure: Measure, runs: Sequence[Judged], entities: Sequence[str]) -> Value | None:
    """A measure over seeds; None where one has none, as an AUROC without a right answer."""
    each = [float(measure(confidence, right, None)) for confidence, right in runs]
    if any(map(math.isnan, each)):
        return None
    draws = bootstrap_draws(lambda w: np.mean([measure(c, r, w) for c, r in runs], axis=0), entities)
    sd = float(np.std(each, ddof=1)) if len(each) > 1 else None
    return Value(float(np.mean(each)), percentile_interval(draws), sd, len(entities))


def _squares(run: Judged) -> Floats:
    found: Floats = (run[0] - run[1]) ** 2
    return found


def _mean(values: Floats, weights: Floats | None = None) -> Floats:
    if weights is None:
        return np.asarray(values.mean())
    found: Floats = weights @ values / weights.sum(-1)
    return found


if __name__ == "__main__":
    COMMAND.run(main)
