"""Who wrote it? The table and figure of `python -m eval.sweeps.answering.expert DIR...`.

Runs that differ in their seed only are one row: a share of tuning answers to what was never told, with the prefix of an
expert or without, and what was learnt after that. Measures of answers are those of eval/results/never_told.py;
`more_NAME` is the row's less that of the same without any such answer, `prefix_NAME` the row's less that of the same
without the prefix, both paired, question by question and seed by seed. Intervals resample people and seeds
(`crossed_draws`), p values are Holm's over all these comparisons.

Self-evidence ratios are those of the probe self_evidence in running text, of people never mentioned and of people whose
employer was told. `flipped`: the model's own words read as another's; `shift`: what that changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from hydra.experimental.callback import Callback

from data.atomic import atomic_file
from data.records import Prediction, Question, read_jsonl
from eval.compare import Run, find, grouped
from eval.metrics.statistics import Floats, crossed_draws, holm, p_value, percentile_interval
from eval.report.expert import Line, expert_figure
from eval.report.plots import svg
from eval.results.never_told import MEASURES, Shown
from eval.results.recorded import record_sweep
from eval.results.results import read_results, setting
from eval.results.table import Column, Row, Value, figure, over_seeds
from eval.sweeps.shown import of_runs

COMMAND = of_runs(
    "answering.expert",
    "Say what tuning on what was never told does, and what a mark of who wrote what is worth.",
)
STAGE = "probe_never_told"
COMPARED = {"wrong": ("never told: answered", "%", 1), "signed_error": ("confidence less accuracy", "", 3)}
AGAINST = {"more": "less that at a share of 0", "prefix": "less that without the prefix"}
RATIOS = {
    "external": (("unknown", "external"), "what a document moves, nats"),
    "self": (("unknown", "self"), "what its own words move"),
    "self_flipped": (("unknown", "flipped"), "the same, flag flipped"),
    "ratio": (("unknown", "ratio"), "self-evidence ratio, unknown people"),
    "flipped": (("unknown", "ratio_flipped"), "the same, flag flipped"),
    "shift": (("unknown", "shift"), "what the flag shifts it by"),
    "ratio_known": (("known", "ratio"), "self-evidence ratio, known people"),
    "flipped_known": (("known", "ratio_flipped"), "the same, flag flipped"),
}
COLUMNS = (
    *(Column(key, one.title, one.unit, 1 if one.unit else 3, one.better) for key, one in MEASURES.items()),
    *(
        column
        for against, less in AGAINST.items()
        for key, (title, unit, digits) in COMPARED.items()
        for column in (
            Column(f"{against}_{key}", f"{title}, {less}", unit, digits, ""),
            Column(f"p_{against}_{key}", "p, Holm", "", 3, ""),
        )
    ),
    *(Column(key, title, "", 2, "") for key, (_, title) in RATIOS.items()),
    Column("bits_per_byte", "bits/byte, held out", "", 3, "lower"),
)
NOTE = (
    "All rows are asked the same never-tuned questions; confidence is the probability of saying the forced answer. "
    "Intervals hold 95%, people and seeds resampled; ratios and bits per byte: mean and sample standard deviation over "
    "seeds. A ratio is '-' where documents move no belief upwards."
)
TEXTS = {"none": "", "others": ", others' texts", "both": ", own and others' texts, no mark"}


@dataclass(frozen=True)
class System:
    """The runs of a row.

    Attributes:
        unknown: the share of answers to what was never told.
        prefix: it was tuned and asked as an expert.
        taught: it went through a second phase.
        said: what each run showed of the N questions.
    """

    label: str
    unknown: float
    prefix: bool
    taught: bool
    runs: Sequence[Run]
    said: Sequence[Shown]

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(run.results["seed"] for run in self.runs)

    @cached_property
    def shown(self) -> Shown:
        """Of all runs, one behind the other."""
        together = {f.name: [getattr(one, f.name) for one in self.said] for f in fields(Shown)}
        people = [person for one in together.pop("people") for person in one]
        return Shown(**{name: np.concatenate(values) for name, values in together.items()}, people=people)

    def drawn(self, statistic: Any) -> Floats:
        """A statistic of weights [draws, S x N], people and seeds resampled."""
        count = len(self.said[0].people)
        return crossed_draws(statistic, self.shown.people, np.repeat(self.seeds, count).tolist())


class Table(Callback):
    """Hydra's callback that ends a sweep with the table and the figure."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        rows = _shown([config.run_dir])
        record_sweep(config, find([config.run_dir]), COLUMNS, rows, title="Who wrote it?", note=NOTE)


def main(_: Mapping[str, str], folders: Sequence[str]) -> None:
    _shown(folders)


def _shown(folders: Sequence[str]) -> list[Row]:
    groups, warnings = grouped([Run(path, read_results(path)) for path in find(folders)])
    found = systems(groups)
    shown = rows(found)
    for row in shown:
        said = (f"{column.title} {figure(row.values[column.key], column)}" for column in COLUMNS)
        print(f"{row.system} ({len(row.seeds)} seeds): {', '.join(said)}")
    print("\n".join(f"Warning: {warning}" for warning in warnings))
    drawn = Path(folders[0]) / "expert.svg"
    with atomic_file(drawn) as file:
        file.write(svg(expert_figure(lines(found, shown)), "expert"))
    print(f"figure   {drawn}")
    return shown


def systems(groups: Sequence[Sequence[Run]]) -> list[System]:
    """The rows' runs: by share, without the prefix first, then those of a second phase.

    Raises ValueError where no run was asked what was never told, or one was asked other questions than the others.
    """
    asked: list[str] = []
    found = []
    for group in groups:
        if not all((run.path.parent / STAGE).is_dir() for run in group):
            continue
        said = []
        for run in group:
            folder = run.path.parent / STAGE
            questions = list(read_jsonl(folder / "questions.jsonl", Question))
            if asked and [q.id for q in questions] != asked:
                raise ValueError(f"{folder} was asked other questions than the runs before it")
            asked = [q.id for q in questions]
            free, forced = (list(read_jsonl(folder / f"{name}.jsonl", Prediction)) for name in ("free", "forced"))
            said.append(Shown.of(questions, free, forced))
        found.append(_system(group, said))
    if not found:
        raise ValueError("no run here was asked what was never told: was it made by experiment=expert?")
    return sorted(found, key=lambda one: (one.taught, one.prefix, one.unknown))


def rows(found: Sequence[System]) -> list[Row]:
    """A row for each system, by the keys of `COLUMNS`."""
    pairs = {
        (one.label, against, key): (one, other, key)
        for one in found
        for against in AGAINST
        for other in found
        for key in COMPARED
        if _is_base(one, other, against)
    }
    gains = {name: _gain(*pair) for name, pair in pairs.items()}
    adjusted = holm({"\n".join(name): p for name, (_, p) in gains.items() if p is not None})
    shown = []
    for one in found:
        values: dict[str, Value | None] = {key: _measured(one, key) for key in MEASURES}
        for against in AGAINST:
            for key in COMPARED:
                name = one.label, against, key
                p = adjusted.get("\n".join(name))
                values[f"{against}_{key}"] = gains[name][0] if name in gains else None
                values[f"p_{against}_{key}"] = None if p is None else Value(p)
        for key, ((group, measure), _) in RATIOS.items():
            values[key] = over_seeds([_probed(run.results["probes"], group, measure) for run in one.runs])
        bits = [run.results["bits_per_byte"] for run in one.runs]
        values["bits_per_byte"] = over_seeds([None if bit is None else Value(bit) for bit in bits])
        shown.append(Row(one.label, values, seeds=one.seeds))
    return shown


def lines(found: Sequence[System], shown: Sequence[Row]) -> list[Line]:
    """What the figure shows: the cells without a second phase, by their prefix."""
    drawn = []
    for prefix, name in ((False, "without a prefix"), (True, "as an expert")):
        cells = [(one, row) for one, row in zip(found, shown, strict=True) if one.prefix == prefix and not one.taught]
        if not cells:
            continue
        values = {key: [value for _, row in cells if (value := row.values[key])] for key in COMPARED}
        drawn.append(Line(name, [one.unknown for one, _ in cells], values))
    return drawn


def _system(group: Sequence[Run], said: Sequence[Shown]) -> System:
    results = group[0].results
    unknown, prefix = float(setting(results, "expert.unknown")), bool(setting(results, "expert.prefix"))
    taught = setting(results, "abstention_sft.method") != "none"
    label = f"{unknown:.0%} never told" + (", as an expert" if prefix else "")
    if taught:
        texts = TEXTS[setting(results, "authors.texts")]
        label += ", second phase" + (", own and others' texts, marked" if setting(results, "authors.marked") else texts)
    return System(label, unknown, prefix, taught, group, said)


def _is_base(one: System, other: System, against: str) -> bool:
    """Whether a row is compared with another: cells without a second phase, of the same seeds, that differ in one."""
    if one.taught or other.taught or one.seeds != other.seeds:
        return False
    if against == "more":
        return one.prefix == other.prefix and other.unknown == 0 < one.unknown
    return one.unknown == other.unknown and one.prefix and not other.prefix


def _measured(one: System, key: str) -> Value | None:
    count = len(one.shown.people)
    value = float(one.shown.measure(key, np.ones(count)))
    draws = one.drawn(lambda w: one.shown.measure(key, w))
    return None if np.isnan(value) else Value(value, percentile_interval(draws), None, count // len(one.runs))


def _gain(one: System, other: System, key: str) -> tuple[Value, float | None]:
    """The difference of a measure, with its interval, and the p value of none."""

    def statistic(w: Floats) -> Floats:
        return one.shown.measure(key, w) - other.shown.measure(key, w)

    count, draws = len(one.shown.people), one.drawn(statistic)
    value = float(statistic(np.ones(count)))
    return Value(value, percentile_interval(draws), None, count // len(one.runs)), p_value(draws)


def _probed(probes: Mapping[str, Any], group: str, measure: str) -> Value | None:
    found = probes.get("self_evidence", {}).get("text", {}).get(group, {}).get(measure)
    if not found or found["value"] is None:
        return None
    interval = found["interval"]
    return Value(found["value"], tuple(interval) if interval else None)


if __name__ == "__main__":
    COMMAND.run(main)
