"""Stage directories: named by the hash of all that determines their content, so finished work is found again.

A stage is finished when it holds `done.json`, which is written last. A stage that is made in one go is made under
another name and renamed; a stage that can be continued (training) grows in place.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

log = logging.getLogger("whence")

DONE = "done.json"
FORMAT = 2  # raise it when the code changes what a stage's files mean


@dataclass(frozen=True)
class Stage:
    """A directory and what determined it.

    Attributes:
        name: prepare, pretrain, tune, attempt, second or evaluate.
        settings: plain values, all that its content depends on, keys of earlier stages among them.
        root: where stages stand.
    """

    name: str
    settings: Mapping[str, Any]
    root: Path

    @property
    def key(self) -> str:
        text = json.dumps({"format": FORMAT, "stage": self.name, **self.settings}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def folder(self) -> Path:
        return self.root / f"{self.name}-{self.key}"

    @property
    def done(self) -> dict[str, Any] | None:
        """What was recorded at its end, None while the stage is not finished."""
        path = self.folder / DONE
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def whole(self, work: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        """Make the stage with `work(folder)` unless it is there; all of it or nothing. Returns its record."""
        if rank():
            return self._awaited()
        with self._locked():
            if self.done is None:
                partial = self.root / f".{self.name}-{self.key}.partial"
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
                try:
                    begun = time.perf_counter()
                    record = work(partial)
                    self._record(partial, record | {"seconds": time.perf_counter() - begun})
                    shutil.rmtree(self.folder, ignore_errors=True)
                    partial.rename(self.folder)
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
        return self._awaited()

    def continued(self, work: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        """Make the stage with `work(folder)`, which goes on where it stood, unless it is finished.

        Every process of a job works; only the first records that the stage is done.
        """
        if rank():
            if self.done is None:
                work(self.folder)
            return self._awaited()
        with self._locked():
            if self.done is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                try:
                    self._record(self.folder, work(self.folder))
                finally:
                    if not any(self.folder.iterdir()):
                        self.folder.rmdir()  # refused before any work: nothing to continue
        return self._awaited()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Runs that need the same stage at the same time: one makes it, the others wait for it."""
        path = self.root / f".{self.name}-{self.key}.lock"
        while True:
            with open(path, "w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if not _is_at(path, file.fileno()):
                    continue  # who held it before has removed it; another run may hold a new one
                try:
                    yield
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    raise OSError(f"{error}, while {self.folder} was made: free some space") from error
                finally:
                    path.unlink(missing_ok=True)
                return

    def _awaited(self) -> dict[str, Any]:
        """The record, once the first process of the job has written it. Raises OSError when nobody is left to."""
        parent = os.getppid()
        while (record := self.done) is None:
            if os.getppid() != parent:
                raise OSError(f"the job ended before {self.folder} was done: see what its first process said")
            time.sleep(0.2)
        return record

    def _record(self, folder: Path, record: dict[str, Any]) -> None:
        full = {**record, "settings": dict(self.settings), "versions": versions(), "git": revision()}
        write_json(folder / DONE, full)


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def announced(
    stage: Stage,
    make: Callable[[Callable[[Path], dict[str, Any]]], dict[str, Any]],
    work: Callable[[Path], dict[str, Any]],
) -> dict[str, Any]:
    """`make(work)`, one of the stage's own two ways, unless it is done, and say so. Returns the stage's record."""
    if stage.done is not None:
        log.info("%-8s done already: %s", stage.name, stage.folder)
        return stage.done
    log.info("%-8s %s", stage.name, stage.folder)
    record = make(work)
    log.info("%-8s took %.0f s", stage.name, record["seconds"])
    return record


def rank() -> int:
    """Which process of a job this is, from what torchrun, SLURM or Lightning set; 0 for the first or only one."""
    return next((int(os.environ[key]) for key in ("RANK", "SLURM_PROCID", "LOCAL_RANK") if key in os.environ), 0)


def write_json(path: Path, value: Any) -> None:
    """Whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions() -> dict[str, str]:
    packages = ("torch", "lightning", "tokenizers", "datasets", "webdataset", "hydra-core", "safetensors", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def revision() -> str | None:
    """The checkout's commit, "+" when files differ from it; None outside git."""

    def git(*arguments: str) -> str:
        here = Path(__file__).parent
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
