"""The directory of a run: checked before any work, removed where a run failed before there was any to keep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stages import rank
from stages.record import DONE
from stages.uses import BEGUN, forget_prepared

RESULTS = "results.json"
# What Hydra and tables leave beside the runs of a sweep.
OF_SWEEPS = ("multirun.yaml", "abstention.md", "table.json", "faithful_items.json", "repeats.svg")


def check_run_dir(name: str, run_dir: Path, stages_dir: Path) -> None:
    """Raises ValueError for a name that leads out of the folder of runs, and for a directory that is no run's."""
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(f"name={name} is no name of a folder: choose one without '.' and '..' as parts")
    if run_dir.resolve().is_relative_to(stages_dir.resolve()):
        raise ValueError(f"run_dir={run_dir} is where the stages of all runs stand: choose another name or run_dir")
    if run_dir.is_dir() and (foreign := _foreign(run_dir, stages_dir)):
        raise ValueError(f"run_dir={run_dir} holds {foreign.name}, which is no run's: choose a new or empty folder")


@contextmanager
def writable(*folders: Path) -> Iterator[None]:
    """Make folders, and if the work fails, remove those of them that were made here and are still empty.

    Raises OSError, naming the folder, where one can't be written to.
    """
    made = [f for folder in folders for f in (folder, *folder.parents) if not f.exists()]
    try:
        for folder in folders:
            _make(folder)
        yield
    except BaseException:
        if not rank():
            for folder in folders:
                forget_prepared(folder)
            for folder in made:
                with suppress(OSError):
                    folder.rmdir()
        raise


def _foreign(folder: Path, stages_dir: Path) -> Path | None:
    """The first entry of a directory that no run or sweep made, or that stands where a run needs to put a link."""
    own = _is_run(folder)
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.name.startswith("."):
            continue
        if not path.is_dir():
            if not own and path.name not in OF_SWEEPS:
                return path
        elif own:
            if path.name == "model" or ((path / DONE).exists() and not _is_run(path)):
                return path
        elif any(path.iterdir()) and not _is_run(path) and not stages_dir.resolve().is_relative_to(path.resolve()):
            return path
    return None


def _is_run(folder: Path) -> bool:
    return (folder / RESULTS).exists() or (folder / BEGUN).exists()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OSError(
            f"{folder} can't be written to ({error.strerror}): choose another run_dir or stages_dir"
        ) from None
