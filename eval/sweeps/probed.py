"""What the probes options and biographies found in the runs of a sweep, as further tables of it; seeds together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.compare import Run
from eval.results.recorded import SEEDS, record_sweep
from eval.results.table import Column, Row, Value, over_seeds
from eval.sweeps.probe_table import found_value

OPTIONS = (
    Column("accuracy", "right", "%", 1, "higher"),
    Column("ece", "smooth ECE", "", 3, "lower"),
    Column("ece_temperature", "after one temperature", "", 3, "lower"),
    Column("none", "none chosen where right", "%", 1, "higher"),
    Column("none_wrong", "none chosen where wrong", "%", 1, "lower"),
)
COMPOUNDING = (
    Column("observed", "all right", "%", 1, "higher"),
    Column("independent", "if claims were independent", "%", 1, ""),
    Column("excess", "excess", "%", 1, ""),
    Column("law", "(1 - e)^n", "%", 1, ""),
)
LONG_FORM = (
    Column("right.chain", "claims right after its own", "%", 1, "higher"),
    Column("right.corrected", "after the right ones", "%", 1, "higher"),
    Column("right.alone", "alone", "%", 1, "higher"),
    Column("snowball", "right after an error, less right after none", "%", 1, ""),
    Column("snowball_corrected", "the same claims after right ones", "%", 1, ""),
    Column("ece_m", "ECE-M", "", 3, "lower"),
    Column("selective_f1", "Selective-F1 at .5", "", 3, "higher"),
    Column("correlation", "correlation", "", 3, "higher"),
    Column("claim_ece", "smooth ECE of claims", "", 3, "lower"),
)
CHOICES = {
    "answers.of_4": "four answers",
    "answers.with_none": "answers, or none of these",
    "sources.of_4": "four sources",
    "sources.with_none": "sources, or none of these",
}


def record_probes(config: Any, runs: Sequence[Run], seeds: tuple[int, ...]) -> None:
    """Write the tables of those probes that the runs were made with; `config` as Hydra's callbacks get it."""
    probes = [run.results["probes"] for run in runs]
    paths = [run.path for run in runs]
    if all(found.get("options") for found in probes):
        rows = options_rows([found["options"] for found in probes], seeds)
        record_sweep(config, paths, OPTIONS, rows, title="Multiple choice, by likelihood", part="options")
    if all(found.get("biographies") for found in probes):
        said = [found["biographies"] for found in probes]
        note = f"Given the statement form. {SEEDS}"
        title = "Do errors compound in biographies?"
        record_sweep(
            config, paths, COMPOUNDING, compounding_rows(said, seeds), title=title, note=note, part="compounding"
        )
        title = "Whole biographies: claims, and the confidence of the whole"
        record_sweep(config, paths, LONG_FORM, long_form_rows(said, seeds), title=title, note=note, part="long_form")


def options_rows(found: Sequence[Mapping[str, Any]], seeds: tuple[int, ...]) -> list[Row]:
    """A row for each kind of choice that all runs were given."""
    rows = []
    for kind, name in CHOICES.items():
        if all(f"{kind}.accuracy" in one for one in found):
            rows.append(Row(name, {c.key: _over(found, f"{kind}.{c.key}") for c in OPTIONS}, seeds=seeds))
    return rows


def compounding_rows(found: Sequence[Mapping[str, Any]], seeds: tuple[int, ...]) -> list[Row]:
    """A row for each number of claims that all runs have enough biographies of."""
    rows, n = [], 2
    while all(f"claims.{n}.observed" in one for one in found):
        values = {c.key: _over(found, f"claims.{n}.{c.key}") for c in COMPOUNDING}
        rows.append(Row(f"the first {n} claims", values, given=True, seeds=seeds))
        n += 1
    return rows


def long_form_rows(found: Sequence[Mapping[str, Any]], seeds: tuple[int, ...]) -> list[Row]:
    values = {column.key: _over(found, column.key) for column in LONG_FORM}
    return [Row("biographies", values, given=True, seeds=seeds)]


def _over(found: Sequence[Mapping[str, Any]], key: str) -> Value | None:
    """A figure of a probe over the seeds; None where a seed lacks it."""
    return over_seeds([found_value(one.get(key)) for one in found])
