"""On a full disk a run ends with one clear line and loses nothing; with room again the same command ends as ever."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from jobs import Job, Strike, assert_same_end, copied, start, trained

from run import _thread_failed
from train.checkpoint import latest_checkpoint

SIZE = 48 * 2**20


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    trained(folder)
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 48 MiB in memory."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(tmp_path)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """Take up all room on the disk but `leave` bytes."""
    ballast = folder / "ballast"
    space = os.statvfs(folder)
    with open(ballast, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize - leave)
    return ballast


def assert_refused(job: Job, *said: str) -> None:
    assert job.end() == 2, job.said
    (line,) = re.findall("^error: .*$", job.said, re.MULTILINE)
    for part in ("No space left on device", *said):
        assert part in line
    assert_no_traceback(job)


def assert_no_traceback(job: Job) -> None:
    assert "Traceback" not in job.said
    assert "Exception in thread" not in job.said


def test_while_a_checkpoint_is_written(whole: Path, small_disk: Path) -> None:
    copied(whole, small_disk, "prepare")
    start(small_disk, strike=Strike("train.module:SourceAwareLM.heldout_bits", 2)).end()
    checkpoints = next(small_disk.glob("runs/stages/pretrain-*")) / "checkpoints"
    ballast = fill(small_disk, leave=2**20)
    assert_refused(start(small_disk), "checkpoint", "/step=", "those before it are kept")
    assert latest_checkpoint(checkpoints, pytest.fail) == checkpoints / "step=4"
    assert not list(checkpoints.glob("**/.*"))
    ballast.unlink()
    assert "continues from step=4" in trained(small_disk)
    assert_same_end(whole, small_disk)


def test_while_metrics_are_written(whole: Path, small_disk: Path) -> None:
    copied(whole, small_disk, "prepare")
    start(small_disk, strike=Strike("train.module:SourceAwareLM.heldout_bits", 2)).end()
    ballast = fill(small_disk, leave=0)
    assert_refused(start(small_disk), "pretrain-")
    ballast.unlink()
    trained(small_disk)
    assert_same_end(whole, small_disk)


def test_while_the_model_is_exported(whole: Path, small_disk: Path) -> None:
    copied(whole, small_disk, "prepare")
    start(small_disk, strike=Strike("train.fsdp:whole_weights", 1)).end()
    ballast = fill(small_disk, leave=2**20)
    assert_refused(start(small_disk), "/model can't be written")
    (stage,) = small_disk.glob("runs/stages/pretrain-*")
    assert not list(stage.glob("*model*"))
    assert not list(stage.glob(".*"))
    assert not list(stage.glob("done.json*"))
    ballast.unlink()
    trained(small_disk)
    assert_same_end(whole, small_disk)


def test_when_the_thread_of_tensorboard_finds_it_first(whole: Path, tmp_path: Path) -> None:
    copied(whole, tmp_path, "prepare")
    job = start(tmp_path, strike=Strike("tensorboard.summary.writer.record_writer:RecordWriter.write", 3, 0))
    assert job.end() == 2, job.said
    assert re.findall("^error: .*$", job.said, re.MULTILINE) == ["error: struck"]
    assert_no_traceback(job)


@pytest.mark.parametrize(("error", "told"), [(OSError("no room"), False), (ValueError("a mistake"), True)])
def test_only_mistakes_of_a_thread_are_traced(
    error: Exception, told: bool, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    _thread_failed(threading.ExceptHookArgs((type(error), error, None, threading.current_thread())))
    assert ("a background thread stopped: no room" in caplog.text) is not told
    assert ("Exception in thread" in capsys.readouterr().err) is told


@pytest.mark.parametrize("stage", ["prepare", "answer"])
def test_while_another_stage_is_made(whole: Path, small_disk: Path, stage: str) -> None:
    if stage == "answer":
        copied(whole, small_disk, "prepare", "pretrain")
    (small_disk / "said.txt").write_text("")
    (small_disk / "runs" / "run").mkdir(parents=True)
    fill(small_disk, leave=5 * 4096)
    assert_refused(start(small_disk), f"{stage}-")
    assert not list(small_disk.glob(f"runs/stages/*{stage}*"))
    assert not list(small_disk.glob("runs/stages/.*"))
