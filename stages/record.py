"""`done.json`: what was recorded at a folder's end, with the size and SHA-256 of its files, and of the record itself.

Sizes are compared each time; contents once per process, and again when a file's size, time or inode has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.atomic import write_json

DONE = "done.json"
UNREAD = ("checkpoints", "tensorboard")  # for continuing, with checksums of their own, and for looking at
Files = dict[str, dict[str, Any]]  # by name, from the folder: see `entry`

_known: dict[tuple[int, int, int, int], str] = {}  # (device, inode, size, time) -> sha256


class DamageError(ValueError):
    """A record that is not as it was written."""


def file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(folder: Path, known: Mapping[str, str] | None = None) -> Files:
    """Size and SHA-256 of each file in and below `folder` that others read.

    Args:
        known: the SHA-256 of files that were just written, to spare reading them again.
    """
    found: Files = {}
    for where, inner, names in os.walk(folder):
        at = Path(where)
        inner[:] = sorted(name for name in inner if at != folder or name not in UNREAD)
        for path in (at / name for name in sorted(names)):
            name = path.relative_to(folder).as_posix()
            if known and name in known:
                _known[_identity(path)] = known[name]
            if name != DONE:
                found[name] = entry(path)
    return found


def entry(path: Path) -> dict[str, Any]:
    """What a record says of a file."""
    return {"bytes": path.stat().st_size, "sha256": _digest(path)}


def write_record(folder: Path, record: Mapping[str, Any], files: Files) -> None:
    """Say that `folder` is finished. Raises OSError."""
    full = json.loads(json.dumps({**record, "files": files}))
    write_json(folder / DONE, full | {"sha256": _seal(full)})


def read_record(folder: Path) -> dict[str, Any] | None:
    """What was recorded, None while the folder is not finished. Raises DamageError for what was not written so."""
    try:
        record = json.loads((folder / DONE).read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise DamageError(f"not JSON ({error})") from None
    if not isinstance(record, dict) or record.pop("sha256", None) != _seal(record):
        raise DamageError("not as it was written")
    return record


def faults(folder: Path) -> dict[str, str]:
    """What is wrong with the files of a finished folder, by name; nothing where all are whole, or it is unfinished."""
    try:
        record = read_record(folder)
    except DamageError as error:
        return {DONE: str(error)}
    found = {name: _fault(folder / name, **file) for name, file in (record or {}).get("files", {}).items()}
    return {name: fault for name, fault in found.items() if fault}


def whole_record(folder: Path) -> dict[str, Any] | None:
    """What was recorded where all files are whole, else None."""
    return None if faults(folder) else read_record(folder)


def told(found: Mapping[str, str]) -> str:
    """Faults in a line."""
    name, fault = next(iter(found.items()))
    return f"{name} is {fault}" + (f", and {len(found) - 1} more" if len(found) > 1 else "")


def _fault(path: Path, bytes: int, sha256: str) -> str:
    try:
        size = path.stat().st_size
        if size != bytes:
            return f"{size:,} bytes long, not {bytes:,}"
        return "" if _digest(path) == sha256 else f"changed: its SHA-256 is not that in {DONE}"
    except FileNotFoundError:
        return "missing"


def _digest(path: Path) -> str:
    identity = _identity(path)
    if identity not in _known:
        _known[identity] = file_digest(path)
    return _known[identity]


def _identity(path: Path) -> tuple[int, int, int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _seal(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
