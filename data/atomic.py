"""Files, folders and links that are whole or not there at all, whatever happens while they are written.

Each is made under another name beside its place and renamed; a failure removes it and leaves what was there before.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """A file open for writing, as text in UTF-8 or with mode "wb", which takes the place of `path` at the end."""
    partial = path.with_name(path.name + ".partial")  # that of a process that was killed is overwritten
    try:
        with open(partial, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, flush: bool = False) -> Iterator[Path]:
    """An empty folder to write into, which takes the place of `path` at the end.

    Args:
        flush: have all of it on disk before it is there under its name, so that not even a power cut can leave less.
    """
    settle(path)
    partial, old = path.with_name(f".{path.name}.partial"), path.with_name(f".{path.name}.old")
    try:
        partial.mkdir(parents=True)
        yield partial
        if flush:
            for written in (*sorted(partial.iterdir()), partial):
                _sync(written)
        if path.exists():
            path.rename(old)
            partial.rename(path)
            shutil.rmtree(old)
        else:
            partial.rename(path)
        if flush:
            _sync(path.parent)
    except BaseException:
        settle(path)
        raise


def settle(path: Path) -> None:
    """Finish or undo what `atomic_folder(path)` left that failed or was killed; several processes may do so at once."""
    partial, old = path.with_name(f".{path.name}.partial"), path.with_name(f".{path.name}.old")
    if old.exists() and not path.exists():
        with suppress(FileNotFoundError):
            old.rename(path)
    for left in (old, partial):
        shutil.rmtree(left, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder, out of sight first, so that nobody ever finds half of it."""
    removed = path.with_name(f".{path.name}.removed")
    shutil.rmtree(removed, ignore_errors=True)
    path.rename(removed)
    shutil.rmtree(removed)


def atomic_link(link: Path, target: Path) -> None:
    """A symbolic link from one folder to another, relative, so that both can be moved together."""
    partial = link.with_name(f".{link.name}.partial")
    partial.unlink(missing_ok=True)
    # Resolved, since ".." of a link is the parent of what it leads to.
    partial.symlink_to(os.path.relpath(target.resolve(), link.parent.resolve()), target_is_directory=True)
    os.replace(partial, link)


def write_json(path: Path, value: Any) -> None:
    """Whole or not at all."""
    with atomic_file(path) as file:
        file.write(json.dumps(value, indent=1) + "\n")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
