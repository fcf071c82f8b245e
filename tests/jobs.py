"""Runs as users start them, in processes of their own, killed and signalled as systems do it.

The processes fork from a server that has imported everything, so that each starts at once. A process may also strike
itself at an exact place of the code, which no signal from outside would hit reliably.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import runpy
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SMALL = (
    "model=pico",
    "corpus.documents=40",
    "corpus.heldout=4",
    "tokenizer.vocab_size=1024",
    "batch.sequences=4",
    "pretrain.tokens=10240",
    "sft.tokens=0",
    "trainer.precision=32-true",
    "trainer.compiled=false",
    "trainer.log_every=1",
    "trainer.save_every=2",
    "trainer.validate_every=3",
    "eval.citations=3",
)
CLOCKED = ("tokens_per_second", "data_wait", "seconds")
FORKS = multiprocessing.get_context("forkserver")
IMPORTED = "train.fit run hydra._internal.hydra data.storage.prepare data.readers.corpora model.hf eval.report.report"
FORKS.set_forkserver_preload([*IMPORTED.split(), "eval.answerers.lm_answerer", "eval.results.abstention_report"])


@dataclass(frozen=True)
class Strike:
    """A signal that a process sends itself when it calls `place` ("module:name.name") for the `call`-th time.

    With `value` there is no signal, but the tensor that the call returns is multiplied by it; with signum 0 it raises.
    """

    place: str
    call: int = 1
    signum: int = signal.SIGKILL
    after: bool = False  # the call, rather than before it
    value: float | None = None


@dataclass
class Job:
    """A running command and what it says."""

    folder: Path
    process: BaseProcess
    begun: float = field(default_factory=time.monotonic)

    @property
    def said(self) -> str:
        return (self.folder / "said.txt").read_text(errors="replace")

    @property
    def code(self) -> int | None:
        return self.process.exitcode

    def until(self, reached: Callable[[], Any], seconds: float = 120) -> None:
        """Wait until `reached` returns something true; the process must still be running then."""
        deadline = time.monotonic() + seconds
        while not reached():
            assert self.process.is_alive(), f"ended before it was reached:\n{self.said}"
            assert time.monotonic() < deadline, f"not reached:\n{self.said}"
            time.sleep(0.002)

    def send(self, signum: int) -> None:
        os.kill(self.process.pid or 0, signum)

    def end(self, seconds: float = 120) -> int:
        """The exit code; -9 after SIGKILL."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            raise AssertionError(f"still running after {seconds} s:\n{self.said}")
        return self.process.exitcode


def start(
    folder: Path,
    *arguments: str,
    strike: Strike | None = None,
    environment: Mapping[str, str] | None = None,
    small: Sequence[str] = SMALL,
) -> Job:
    """`python run.py` with `small` and `arguments` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "said.txt").write_text("")
    process = FORKS.Process(target=_main, args=(folder, (*small, *arguments), strike, dict(environment or {})))
    process.start()
    return Job(folder, process)


def trained(folder: Path, *arguments: str, stage: str = "pretrain", small: Sequence[str] = SMALL) -> str:
    """Start a run and let it go until `stage` is done; what it said."""
    job = start(folder, *arguments, small=small)
    try:
        job.until(lambda: list(folder.glob(f"runs/stages/{stage}-*/done.json")))
        return job.said
    finally:
        job.process.kill()
        job.end()


def copied(whole: Path, folder: Path, *stages: str) -> None:
    """Give `folder` the finished `stages` of another run, to go on from."""
    for stage in stages:
        for path in whole.glob(f"runs/stages/{stage}-*"):
            shutil.copytree(path, folder / "runs" / "stages" / path.name)


def outcome(folder: Path, stage: str = "pretrain") -> dict[str, Any]:
    """All that a training stage leaves but the time that it took: exported model, metrics, checkpoints."""
    (root,) = folder.glob(f"runs/stages/{stage}-*")
    found: dict[str, Any] = {"model": (root / "model" / "model.safetensors").read_bytes()}
    rows = [json.loads(line) for line in (root / "metrics.jsonl").read_text().splitlines()]
    found["metrics"] = [_without_clocks(row) for row in rows]
    newest = max(root.glob("checkpoints/step=*"), key=lambda path: int(path.name[5:]))
    for path in (newest, *root.glob("checkpoints/best/*")):
        name = str(path.relative_to(root))
        found[name] = (path / "tensors.safetensors").read_bytes()
        found[f"{name} state"] = _without_clocks(json.loads((path / "state.json").read_text()))
    return found


def processes(folder: Path) -> list[int]:
    """Those that work in `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            if path.readlink().is_relative_to(folder):
                found.append(int(path.parent.name))
    return found


def assert_same_end(left: Path, right: Path, stage: str = "pretrain") -> None:
    """Bitwise, and the parts that differ are named."""
    ours, theirs = outcome(left, stage), outcome(right, stage)
    assert list(ours) == list(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []


def _without_clocks(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_clocks(item) for key, item in value.items() if key not in CLOCKED}
    if isinstance(value, list):  # state.json has dictionaries as lists of pairs
        pairs = (item for item in value if not (isinstance(item, list) and item and item[0] in CLOCKED))
        return [_without_clocks(item) for item in pairs]
    return value


def _main(folder: Path, arguments: tuple[str, ...], strike: Strike | None, environment: Mapping[str, str]) -> None:
    multiprocessing.set_start_method("fork", force=True)  # of loader processes: what `python run.py` has here
    os.setpgrp()  # what is sent to the group stays with it
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore, and we inherit
    os.chdir(folder)
    os.environ.update(environment)
    said = os.open("said.txt", os.O_WRONLY | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    if strike:
        arm(strike)
    sys.argv = [str(ROOT / "run.py"), *arguments]
    runpy.run_path(sys.argv[0], run_name="__main__")


def arm(strike: Strike) -> None:
    """Wrap what is called at the place of the strike."""
    module, names = strike.place.split(":")
    owner: Any = importlib.import_module(module)
    *path, name = names.split(".")
    for part in path:
        owner = getattr(owner, part)
    original, calls = getattr(owner, name), iter(range(1, 1_000_000))

    def struck(*args: Any, **kwargs: Any) -> Any:
        now = next(calls) == strike.call
        if now and strike.value is not None:
            return original(*args, **kwargs) * strike.value
        if now and not strike.signum:
            raise OSError("struck")
        if now and not strike.after:
            os.kill(os.getpid(), strike.signum)
        result = original(*args, **kwargs)
        if now and strike.after:
            os.kill(os.getpid(), strike.signum)
        return result

    setattr(owner, name, struck)
