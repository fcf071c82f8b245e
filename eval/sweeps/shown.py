"""What a probe found in the runs of a sweep, on the terminal: the rows of its table, seeds together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eval.compare import Run, find, grouped
from eval.results.results import read_results
from eval.results.table import Column, Row, figure


def shown(
    folders: Sequence[str],
    probe: str,
    columns: Sequence[Column],
    rows: Callable[[Sequence[Sequence[Run]]], list[Row]],
) -> list[Row]:
    """Print what `rows` makes of those runs in and below the folders that have a result of the probe, and return it."""
    groups, warnings = grouped([Run(path, read_results(path)) for path in find(folders)])
    found = rows([group for group in groups if group[0].results["probes"].get(probe)])
    for row in found:
        said = (f"{column.title} {figure(row.values[column.key], column)}" for column in columns)
        print(f"{row.system} ({len(row.seeds)} seeds): {', '.join(said)}")
    for warning in warnings:
        print(f"Warning: {warning}")
    return found
