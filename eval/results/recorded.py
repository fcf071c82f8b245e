"""The end of an experiment's command: its table beside what it made, as table.json, and on record.

On record, as docs/results/NAME.json under the working directory, is what the experiment measures as it stands: no key
was overridden but those of where it ran and where its input lies. Anything else is an ablation or a trial, and stays in
its own directory.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

from eval.results.results import read_results
from eval.results.run_table import knowing_table, run_table
from eval.results.table import Column, Row, Table, read_table, write_table
from stages.environment import machine

FILE, KNOWING, RECORD = "table.json", "table_abstention.json", Path("docs") / "results"
INPUTS = ("init", "corpus.path")  # where a user's files lie, which an experiment can't know
PLACES = ("launcher", "trainer", "hydra/launcher", "hydra.launcher", "hydra.mode")  # where it ran, not what
SWEEP, ONE_RUN = "hydra.mode=MULTIRUN", "hydra.mode=RUN"  # Hydra adds them itself: the first for -m


@dataclass(frozen=True)
class CommandLine:
    """What was typed after `python run.py`.

    Attributes:
        task: overrides of keys and groups.
        hydra: overrides of Hydra's own.
        of_sweep: it belongs to an experiment that is a sweep, of which one run is a part.
    """

    task: Sequence[str]
    hydra: Sequence[str] = ()
    of_sweep: bool = False

    @classmethod
    def of(cls, hydra: Any) -> CommandLine:
        """Of the `hydra` part of a composed configuration."""
        return cls(list(hydra.overrides.task), list(hydra.overrides.hydra), bool(hydra.sweeper.get("params")))

    @property
    def text(self) -> str:
        sweep = ["-m"] if SWEEP in self.hydra else []
        implied = (SWEEP,) if self.of_sweep else (SWEEP, ONE_RUN)
        own = [override for override in self.hydra if override not in implied]
        return shlex.join(["python", "run.py", *sweep, *self.task, *own])

    @property
    def experiment(self) -> str | None:
        """The experiment that was run as it stands; None where there is none, or more was said of it."""
        said = [o for o in (*self.task, *self.hydra) if not _is_place(o)]
        found = re.fullmatch(r"experiment=(\w+)", said[0]) if len(said) == 1 else None
        return found[1] if found else None


def record_run(results: Mapping[str, Any], folder: Path) -> None:
    """Write the table of a run into its directory, and onto the record where the run is a whole experiment."""
    typed = CommandLine.of(HydraConfig.get()) if HydraConfig.initialized() else None  # None: called from Python
    told = (results, typed.text if typed else None, machine(), _today())
    experiment = typed.experiment if typed and not typed.of_sweep else None
    _write(run_table(*told), folder, experiment)
    if knowing := knowing_table(*told):
        _write(knowing, folder, experiment and f"{experiment}_abstention", KNOWING)


SEEDS = "Mean and sample standard deviation over seeds; of a single run an interval of 95%, entities resampled."


def record_sweep(
    config: Any,
    runs: Sequence[Path],
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    title: str = "",
    note: str = SEEDS,
    headline: int | None = None,
    part: str = "",
) -> None:
    """Write the table of a sweep into its directory, and onto the record where it is the experiment's own.

    Args:
        config: as Hydra's callbacks get it.
        runs: the results.json of each run; the machines are those of the tables beside them.
        headline: the row that is the result; None for the one of the best joint that is given nothing.
        part: what a further table of the same sweep is of, which its name ends with.
    """
    typed, folder = CommandLine.of(config.hydra), Path(config.run_dir)
    beside = [path.with_name(FILE) for path in runs]
    joint = [(row.values.get("joint"), -i) for i, row in enumerate(rows) if not row.given]
    best = max(((value.value, i) for value, i in joint if value), default=None)
    table = Table(
        name=f"{config.name}_{part}" if part else config.name,
        title=title or f"The runs of {config.name}, seeds together",
        command=typed.text,
        revision=_joined(read_results(path).get("git") for path in runs),
        machine=_joined(read_table(path).machine for path in beside if path.exists()) or machine(),
        date=_today(),
        columns=columns,
        rows=rows,
        note=note,
        headline=headline if headline is not None else -best[1] if best else None,
    )
    experiment = typed.experiment
    if part:
        _write(table, folder, experiment and f"{experiment}_{part}", f"table_{part}.json")
    else:
        _write(table, folder, experiment)


def _write(table: Table, folder: Path, experiment: str | None, file: str = FILE) -> None:
    write_table(folder / file, table)
    print(f"table    {folder / file}")
    if experiment:
        RECORD.mkdir(parents=True, exist_ok=True)
        write_table(RECORD / f"{experiment}.json", replace(table, name=experiment))
        print(f"record   {RECORD / experiment}.json (make results puts it on the pages)")


def _is_place(override: str) -> bool:
    key = override.partition("=")[0].lstrip("+~")
    return any(key == place or key.startswith(f"{place}.") for place in (*PLACES, *INPUTS))


def _joined(found: Iterable[str | None]) -> str | None:
    """Each of them once; None where there is none."""
    return ", ".join(dict.fromkeys(one for one in found if one)) or None


def _today() -> str:
    return date.today().isoformat()
