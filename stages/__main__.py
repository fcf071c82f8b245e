"""What stands in runs/stages, whether it is whole, and what no run needs any more.

python -m stages list | verify | clean
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from data.atomic import remove_folder, settle
from stages.record import DONE, faults, told
from stages.stage import stage_lock
from stages.uses import BEGUN, links, runs_below, users

NAME = re.compile(r"[a-z_]+\d*-[0-9a-f]{12}")
LEFT = re.compile(rf"\.{NAME.pattern}\.(partial|old|removed|lock)")  # by what was killed


@dataclass(frozen=True)
class Place:
    """Where runs and stages stand."""

    runs: Path
    root: Path

    def stages(self) -> list[Path]:
        return sorted(path for path in self.root.iterdir() if path.is_dir() and NAME.fullmatch(path.name))

    def users(self) -> dict[str, list[Path]]:
        """The runs that use each stage, by the name of its folder."""
        return users(runs_below(self.runs, self.root), self.root)


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    place = Place(Path(given.runs), Path(given.stages or Path(given.runs) / "stages"))
    try:
        if not place.root.is_dir():
            raise ValueError(f"{place.root} is no folder of stages: give --runs or --stages")
        if given.command == "list":
            return show(place)
        if given.command == "verify":
            return verify(place, Path(given.run) if given.run else None)
        return clean(place, dry=given.dry_run, sure=given.yes)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def show(place: Place) -> int:
    """Print each stage with its size, age and users."""
    used, sizes = place.users(), {folder: _size(folder) for folder in place.stages()}
    width = max((len(folder.name) for folder in sizes), default=0)
    for folder, size in sizes.items():
        state = "" if (folder / DONE).exists() else "  (not finished)"
        by = ", ".join(map(str, used.get(folder.name, ()))) or "used by no run"
        print(f"{folder.name:<{width}}  {_megabytes(size)}  {_age(folder):>8}  {by}{state}")
    unused = sum(size for folder, size in sizes.items() if folder.name not in used)
    total = f"{len(sizes)} stages of{_megabytes(sum(sizes.values()))}"
    print(f"{total}, used by no run{_megabytes(unused)}")
    return 0


def verify(place: Place, run: Path | None) -> int:
    """Print of each stage, or of a run and its stages, whether its files are as they were; 1 where some are not."""
    folders = place.stages()
    if run is not None:
        folders = [run, *dict.fromkeys(link.resolve() for link in links(run, place.root))]
        if len(folders) == 1 and not (run / DONE).exists():
            raise ValueError(f"{run} is no directory of a run with stages in {place.root}")
    damaged = 0
    for folder in folders:
        found = faults(folder)
        damaged += bool(found)
        state = "whole" if (folder / DONE).exists() else "not finished"
        print(f"{folder}: " + (f"DAMAGED, {told(found)}" if found else state), flush=True)
    if damaged:
        print(f"{damaged} damaged: the run.py command that made it makes it anew")
    return int(damaged > 0)


def clean(place: Place, dry: bool, sure: bool) -> int:
    """Remove stages that no run uses, what killed runs left, and empty directories of runs. 1 where it may not."""
    used = place.users()
    unused = [folder for folder in place.stages() if folder.name not in used and _free(folder)]
    left = [path for path in _left(place.root) if _free(_stage_of(path))]
    empty = _empty(place)
    for path in (*unused, *left, *empty):
        print(f"{_megabytes(_size(path))}  {path}")
    if not (unused or left or empty):
        print("nothing to remove")
    elif dry:
        print("nothing was removed (--dry-run)")
    elif sure or _agreed():
        for folder in unused:
            with _holding(folder) as held:
                if held and folder.name not in place.users():  # nor by a run that has begun meanwhile
                    remove_folder(folder)
        for path in left:
            with _holding(_stage_of(path)) as held:
                if held:
                    settle(_stage_of(path))
                    shutil.rmtree(path, ignore_errors=True)
        for folder in empty:
            with suppress(OSError):  # it is empty no more
                shutil.rmtree(folder / BEGUN, ignore_errors=True)
                folder.rmdir()
    else:
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m stages", description=__doc__.splitlines()[0])
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--runs", default="runs", metavar="DIR", help="where the runs stand (runs)")
    shared.add_argument("--stages", metavar="DIR", help="stages_dir of the runs (stages in the folder of runs)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", parents=[shared], help="each stage, its size and age, and the runs that use it")
    one = commands.add_parser("verify", parents=[shared], help="compare all files with their SHA-256")
    one.add_argument("run", nargs="?", help="the directory of a run, to verify it and its stages (all stages)")
    some = commands.add_parser("clean", parents=[shared], help="remove stages that no run uses, and empty runs")
    some.add_argument("--dry-run", action="store_true", help="say what would be removed")
    some.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise ValueError("nothing was removed: give --yes to remove all of this without being asked")
    return input("Remove all of this? [y/N] ").strip().lower() in ("y", "yes")


@contextmanager
def _holding(stage: Path) -> Iterator[bool]:
    """Whether the stage's lock could be had; then nobody makes it or links to it meanwhile."""
    lock = stage_lock(stage)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _free(stage: Path) -> bool:
    with _holding(stage) as held:
        return held


def _left(root: Path) -> list[Path]:
    """What killed processes left: half a stage, one on its way out, the file of a lock."""
    return sorted(path for path in root.iterdir() if LEFT.fullmatch(path.name))


def _stage_of(left: Path) -> Path:
    return left.with_name(left.stem[1:])


def _empty(place: Place) -> list[Path]:
    """Directories of runs with nothing in them but links that lead nowhere, inner ones first."""
    found: list[Path] = []
    for at, _, _ in os.walk(place.runs, topdown=False):
        folder = Path(at)
        inside = folder.resolve().is_relative_to(place.root.resolve()) or BEGUN in folder.parts
        if not inside and folder != place.runs and all(p in found or _nothing(p) for p in folder.iterdir()):
            found.append(folder)
    return found


def _nothing(path: Path) -> bool:
    return path.name == BEGUN and not any(link.exists() for link in path.iterdir())


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.lstat().st_size
    return sum((Path(at) / name).lstat().st_size for at, _, names in os.walk(path) for name in names)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:10,.1f} MB"


def _age(folder: Path) -> str:
    record = folder / DONE
    minutes = (time.time() - (record if record.exists() else folder).stat().st_mtime) / 60
    if minutes < 60:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 60 / 24:.0f} days"


if __name__ == "__main__":
    sys.exit(main())
