"""A run with loader processes ends like one without, whoever fails."""

from __future__ import annotations

import math
import multiprocessing
import re
import signal
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from jobs import Job, Strike, copied, processes, start, trained

from train.loading import ended
from train.module import SourceAwareLM


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    trained(folder, stage="prepare")
    return folder


def assert_refused(job: Job, words: str) -> None:
    """Exit code 2, one line with `words`, and nobody left."""
    assert job.end(60) == 2, job.said
    lines = re.findall("^error: .*$", job.said, re.MULTILINE)
    assert len(lines) == 1, job.said
    assert re.search(words, lines[0]), lines
    assert "Traceback" not in job.said
    assert_nobody_left(job.folder)


def assert_nobody_left(folder: Path) -> None:
    deadline = time.monotonic() + 20
    while processes(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes(folder)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_data_that_can_not_be_read(prepared: Path, tmp_path: Path, workers: int) -> None:
    """A shard goes bad after the run has looked at it, as on a failing disk."""
    copied(prepared, tmp_path, "prepare")
    job = start(tmp_path, f"trainer.workers={workers}", strike=Strike("data.storage.store:Store.read", 1, signum=0))
    assert_refused(job, "struck")


def test_a_loader_process_that_is_killed(prepared: Path, tmp_path: Path) -> None:
    copied(prepared, tmp_path, "prepare")
    job = start(tmp_path, "trainer.workers=2", strike=Strike("data.pipeline.stream:Stream.rows", 1))
    assert_refused(job, r"pretrain lost a loader process \(DataLoader worker \(pid.*fewer trainer\.workers")


def test_a_mistake_of_ours_in_a_loader_process(prepared: Path, tmp_path: Path) -> None:
    """It is shown with its traceback, and the run ends all the same."""
    copied(prepared, tmp_path, "prepare")
    job = start(tmp_path, "trainer.workers=2", strike=Strike("data.pipeline.stream:Stream.rows", 1, value=2.0))
    assert job.end(60) == 1, job.said
    assert "TypeError" in job.said
    assert_nobody_left(tmp_path)


def test_the_training_fails_and_its_loader_processes_end(prepared: Path, tmp_path: Path) -> None:
    copied(prepared, tmp_path, "prepare")
    nan = Strike("train.objectives:hidden_nll", 3, value=math.nan)
    assert_refused(start(tmp_path, "trainer.workers=2", strike=nan), "not finite")


@pytest.mark.parametrize(
    ("step", "stopping", "fine"), [(0, False, False), (4, False, False), (4, True, True), (5, False, True)]
)
def test_a_stream_that_ends_before_its_plan_is_not_begun_again(step: int, stopping: bool, fine: bool) -> None:
    trainer = SimpleNamespace(global_step=step, should_stop=stopping)
    module = cast(SourceAwareLM, SimpleNamespace(trainer=trainer, plan=SimpleNamespace(steps=5)))
    with nullcontext() if fine else pytest.raises(RuntimeError, match=f"ended at step {step} of 5"):
        SourceAwareLM.on_train_epoch_end(module)


def _deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1000)


def test_a_process_that_is_busy_and_deaf_is_killed() -> None:
    other = multiprocessing.get_context("fork").Process(target=_deaf, daemon=True)
    other.start()
    deaf = multiprocessing.get_context("fork").Process(target=_deaf, daemon=True)
    with ended():
        deaf.start()
    try:
        deaf.join(10)
        assert deaf.exitcode == -signal.SIGKILL
        assert other.is_alive(), "that was there before"
    finally:  # or pytest would wait for them
        deaf.kill()
        other.kill()
