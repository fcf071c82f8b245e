"""What the tables of sweeps have in common on the command line: which arguments they take, and how rows are printed."""

from __future__ import annotations

from collections.abc import Sequence

from eval.arguments import Command
from eval.results.table import Column, Row, figure


def of_runs(module: str, summary: str) -> Command:
    """The command of a table: the module below eval.sweeps that makes it, and folders of runs."""
    return Command(f"python -m eval.sweeps.{module}", summary, required={}, optional={}, text="DIR...")


def print_rows(rows: Sequence[Row], columns: Sequence[Column], counted: str = "") -> None:
    """A line for each row, with how many seeds (or runs, as `counted` says) it is of where that is not one of each."""
    for row in rows:
        said = (f"{column.title} {figure(row.values.get(column.key), column)}" for column in columns)
        print(f"{row.system}{f' ({len(row.seeds)} {counted})' if counted else ''}: {', '.join(said)}")
