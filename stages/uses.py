"""Which runs use which stages: the links in the runs' directories.

A run that is not finished has its links in `.begun`, so that those of an earlier run in the same directory lead to what
its results were made from until there are new ones. Runs that lie elsewhere than beside the stages are listed in a
file, `runs.txt`, beside those.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from data.atomic import atomic_link

BEGUN, ELSEWHERE = ".begun", "runs.txt"


def begin_use(run: Path, stage: Path) -> None:
    """Note that the run in directory `run` uses the stage in folder `stage`, as long as the directory is there."""
    (run / BEGUN).mkdir(parents=True, exist_ok=True)
    atomic_link(run / BEGUN / stage.name, stage)
    known, here = stage.parent / ELSEWHERE, str(run.resolve())
    if not run.resolve().is_relative_to(stage.parent.parent.resolve()) and here not in _lines(known):
        with open(known, "a", encoding="utf-8") as file:
            file.write(here + "\n")


def end_use(run: Path, stage: Path) -> None:
    """Undo `begin_use`."""
    (run / BEGUN / stage.name).unlink(missing_ok=True)


def forget_prepared(run: Path) -> None:
    """Undo what a run that came no further than its corpus has begun."""
    if (run / BEGUN).is_dir() and all(path.name.startswith("prepare-") for path in (run / BEGUN).iterdir()):
        shutil.rmtree(run / BEGUN)


def publish_uses(run: Path, stages: dict[str, Path]) -> None:
    """Link the stages of a finished run by name, and them only. `forget_begun` ends it."""
    for name, folder in stages.items():
        atomic_link(run / name, folder)
    for path in links(run, next(iter(stages.values())).parent):
        if path.parent == run and path.name not in stages:
            path.unlink()


def forget_begun(run: Path) -> None:
    """Undo `begin_use` of all stages: the last thing that is done to a run, or it would not be known for one before."""
    shutil.rmtree(run / BEGUN, ignore_errors=True)


def runs_below(folder: Path, root: Path) -> list[Path]:
    """The directories in and below `folder`, and of those listed with the stages in `root`, that link to a stage."""
    below = [Path(at) for start in (folder, *map(Path, _lines(root / ELSEWHERE))) for at in _folders(start, root)]
    return list(dict.fromkeys(run for run in below if any(links(run, root))))


def users(runs: Iterable[Path], root: Path) -> dict[str, list[Path]]:
    """The runs that use each stage in `root`, by the name of its folder."""
    found: dict[str, list[Path]] = {}
    for run in runs:
        for name in dict.fromkeys(link.resolve().name for link in links(run, root)):
            found.setdefault(name, []).append(run)
    return found


def links(run: Path, root: Path) -> Iterator[Path]:
    """The links from a run's directory to stages in `root`."""
    home = root.resolve()
    for folder in (run, run / BEGUN):
        if folder.is_dir():
            yield from (p for p in sorted(folder.iterdir()) if p.is_symlink() and p.resolve().parent == home)


def _folders(start: Path, root: Path) -> Iterator[str]:
    home = root.resolve()
    for at, inner, _ in os.walk(start):
        inner[:] = sorted(n for n in inner if not n.startswith(".") and (Path(at) / n).resolve() != home)
        yield at


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
