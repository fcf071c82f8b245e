"""What a probe found in the runs of a sweep, in one table: at the end of the sweep, and as a command."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from hydra.experimental.callback import Callback

from eval.compare import Run, find, grouped
from eval.results.recorded import SEEDS, record_sweep
from eval.results.results import read_results
from eval.results.table import Column, Row, Value
from eval.sweeps.shown import print_rows


class ProbeTable(Callback, ABC):
    """Hydra's callback that ends a sweep with the table; a subclass says of which probe.

    Attributes:
        title, note: of the table on record.
    """

    probe: ClassVar[str]
    columns: ClassVar[Sequence[Column]]
    title: ClassVar[str]
    note: ClassVar[str] = SEEDS

    @staticmethod
    @abstractmethod
    def rows(groups: Sequence[Sequence[Run]]) -> list[Row]:
        """Of groups of runs that have a result, and differ in the seed only. Raises ValueError where there are none."""

    @staticmethod
    @abstractmethod
    def headline(rows: Sequence[Row]) -> int | None:
        """Which of the rows is the result; None for none of them."""

    def on_multirun_end(self, config: Any, **_: Any) -> None:
        found, runs = self.show([config.run_dir]), find([config.run_dir])
        best = self.headline(found)
        record_sweep(config, runs, self.columns, found, title=self.title, note=self.note, headline=best)

    @classmethod
    def show(cls, folders: Sequence[str]) -> list[Row]:
        """Print the rows of those runs in and below the folders that have a result of the probe, and return them."""
        groups, warnings = grouped([Run(path, read_results(path)) for path in find(folders)])
        found = cls.rows([group for group in groups if group[0].results["probes"].get(cls.probe)])
        print_rows(found, cls.columns, "seeds")
        for warning in warnings:
            print(f"Warning: {warning}")
        return found

    @classmethod
    def main(cls, _: Mapping[str, str], folders: Sequence[str]) -> None:
        """The command."""
        cls.show(folders)


def found_value(found: Mapping[str, Any] | None) -> Value | None:
    """A figure of a probe, {"value", "interval"} and perhaps "n", as that of a table; None for none."""
    if not found or found["value"] is None:
        return None
    interval = found["interval"]
    return Value(found["value"], tuple(interval) if interval else None, None, found.get("n"))
