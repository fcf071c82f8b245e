"""A stage: found finished and whole, or made.

A stage that is made in one go is made under another name and renamed; a stage that can be continued (training) grows in
place. One that is damaged is removed first, or, where the exported model alone is, exported again from its checkpoints.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock

from data.atomic import atomic_folder, remove_folder
from stages.environment import rank, revision, versions
from stages.record import DONE, digests, faults, told, whole_record, write_record
from stages.uses import begin_use, end_use

log = logging.getLogger("whence")

FORMAT = 4  # raise it when the code changes what a stage's files mean
EXPORTED = "model/"  # what continuing a finished training writes again


@dataclass(frozen=True)
class Stage:
    """A directory and what determined it.

    Attributes:
        name: prepare, pretrain, sft, rollout1, abstention_sft1, answer, signals, probe_membership and so on.
        settings: plain values, all that its content depends on, keys of earlier stages among them.
        root: where stages stand.
        run: directory of the run that it is made for, which is noted as using it; None for none.
    """

    name: str
    settings: Mapping[str, Any]
    root: Path
    run: Path | None = None

    @property
    def key(self) -> str:
        text = json.dumps({"format": FORMAT, "stage": self.name, **self.settings}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def folder(self) -> Path:
        return self.root / f"{self.name}-{self.key}"

    @property
    def done(self) -> dict[str, Any] | None:
        """What was recorded at its end, None while the stage is not finished or its files are not whole."""
        return whole_record(self.folder)

    def whole(self, work: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        """Make the stage with `work(folder)` unless it is there; all of it or nothing. Returns its record."""
        if rank():
            return self._awaited()
        with self._locked():
            if self.done is None:
                with atomic_folder(self.folder) as partial:
                    begun = time.perf_counter()
                    record = work(partial)
                    self._record(partial, record | {"seconds": time.perf_counter() - begun})
            if self.run:
                begin_use(self.run, self.folder)
        return self._awaited()

    def continued(self, work: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        """Make the stage with `work(folder)`, which goes on where it stood, unless it is finished.

        Every process of a job works; only the first records that the stage is done.
        """
        if rank():
            self._until(lambda: not faults(self.folder))  # which the first process removes
            if self.done is None:
                work(self.folder)
            return self._awaited()
        with self._locked():
            self._mend()
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.run:
                begin_use(self.run, self.folder)
            if self.done is None:
                try:
                    self._record(self.folder, work(self.folder))
                finally:
                    if not any(self.folder.iterdir()):  # refused before any work: nothing to continue
                        self.folder.rmdir()
                        if self.run:
                            end_use(self.run, self.folder)
        return self._awaited()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Runs that need the same stage at the same time: one makes it, the others wait for it."""
        with stage_lock(self.folder) as lock:
            try:
                yield
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                raise OSError(f"{error}, while {self.folder} was made: free some space") from error
            finally:
                Path(lock.lock_file).unlink(missing_ok=True)

    def _mend(self) -> None:
        if found := faults(self.folder):
            if all(name.startswith(EXPORTED) for name in found):
                shutil.rmtree(self.folder / EXPORTED, ignore_errors=True)
                (self.folder / DONE).unlink()
            else:
                remove_folder(self.folder)

    def _awaited(self) -> dict[str, Any]:
        """The record, once the first process of the job has written it. Raises OSError when nobody is left to."""
        self._until(lambda: self.done is not None)
        record = self.done
        assert record is not None
        return record

    def _until(self, reached: Callable[[], bool]) -> None:
        parent = os.getppid()
        while not reached():
            if os.getppid() != parent:
                raise OSError(f"the job ended before {self.folder} was done: see what its first process said")
            time.sleep(0.2)

    def _record(self, folder: Path, record: Mapping[str, Any]) -> None:
        """`record` may hold the SHA-256 of files that were just written, as "sha256" by name."""
        known = record.get("sha256", {})
        full = {key: value for key, value in record.items() if key != "sha256"}
        full |= {"settings": dict(self.settings), "versions": versions(), "git": revision()}
        write_record(folder, full, digests(folder, known))


def stage_lock(folder: Path) -> BaseFileLock:
    """Held while a stage is made or removed; free again when its holder dies.

    Its file is removed by the holder: filelock sees that a file it waited for is no longer there and takes a new one.
    """
    return FileLock(folder.with_name(f".{folder.name}.lock"), fallback_to_soft=False)


def announced(
    stage: Stage,
    make: Callable[[Callable[[Path], dict[str, Any]]], dict[str, Any]],
    work: Callable[[Path], dict[str, Any]],
) -> dict[str, Any]:
    """`make(work)`, one of the stage's own two ways, which does nothing if it is done; says so. Returns its record."""
    if found := faults(stage.folder):
        log.warning("%s is damaged: %s; it is made anew", stage.folder, told(found))
    finished = stage.done is not None
    log.info("%-8s done already: %s" if finished else "%-8s %s", stage.name, stage.folder)
    record = make(work)
    if not finished:
        log.info("%-8s took %.0f s", stage.name, record["seconds"])
    return record
