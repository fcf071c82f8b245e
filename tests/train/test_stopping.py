"""Asked to stop, a run finishes its step, keeps it, says so and ends; the same command ends as if never stopped."""

from __future__ import annotations

import os
import re
import signal
import stat
from pathlib import Path

import pytest
from jobs import Job, Strike, assert_same_end, copied, start, trained

import train.stopping
from train.stopping import Stopping

CLIP = "train.module:SourceAwareLM.configure_gradient_clipping"
TERM, INT, USR1 = signal.SIGTERM, signal.SIGINT, signal.SIGUSR1
SLURM = {
    "SLURM_JOB_ID": "4711",
    "SLURM_JOB_NAME": "whence",
    "SLURM_NTASKS": "1",
    "SLURM_NTASKS_PER_NODE": "1",
    "SLURM_NNODES": "1",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    trained(folder)
    return folder


def assert_stopped(job: Job, signum: int, step: int) -> None:
    """It ended as one that was stopped after `step`, with that step's checkpoint the newest and nothing half done."""
    assert job.end() == 128 + signum, job.said
    lines = re.findall("^stopped: .*$", job.said, re.MULTILINE)
    assert lines == [f"stopped: pretrain stopped at step {step} of 10; the same command continues"], job.said
    assert "Traceback" not in job.said
    names = [path.name for path in job.folder.glob("runs/stages/pretrain-*/checkpoints/step=*")]
    assert max(int(name[5:]) for name in names) == step
    assert not list(job.folder.glob("runs/stages/pretrain-*/checkpoints/**/.*"))
    assert not list(job.folder.glob("runs/stages/pretrain-*/done.json"))
    assert not list(job.folder.glob("runs/stages/.*"))


def test_stopped_again_and_again(whole: Path, tmp_path: Path) -> None:
    copied(whole, tmp_path, "prepare")
    for place, call, signum, step in (
        (CLIP, 3, TERM, 3),  # in the middle of a step: it is finished
        ("train.module:SourceAwareLM.heldout_bits", 1, INT, 6),
        ("train.checkpoint:save_file", 1, TERM, 9),  # step 8's checkpoint is whole, too
        ("train.checkpoint_retention:remove_all_but", 2, TERM, 0),  # during the last checkpoint: there is no step left
        ("train.fsdp:whole_weights", 1, TERM, 0),
    ):
        job = start(tmp_path, strike=Strike(place, call, signum))
        if step:
            assert_stopped(job, signum, step)
        else:
            assert job.end() == 128 + signum, job.said
            assert "stopped by SIGTERM" in job.said
    trained(tmp_path)
    assert_same_end(whole, tmp_path)


def test_stopped_at_the_last_step(whole: Path, tmp_path: Path) -> None:
    copied(whole, tmp_path, "prepare")
    assert_stopped(start(tmp_path, strike=Strike(CLIP, 10, TERM)), TERM, 10)
    trained(tmp_path)
    assert_same_end(whole, tmp_path)


def test_stopped_in_the_middle_of_an_accumulated_step(whole: Path, tmp_path: Path) -> None:
    strike = Strike("train.module:SourceAwareLM.training_step", 7, TERM)  # the first half of step 4
    copied(whole, tmp_path, "prepare")
    assert_stopped(start(tmp_path, "trainer.accumulation=2", strike=strike), TERM, 4)


@pytest.mark.parametrize("signum", [TERM, INT])
def test_the_whole_group_is_told(whole: Path, tmp_path: Path, signum: int) -> None:
    """As a terminal and SLURM do: the loader's processes as well, which must not die before the step is done."""
    copied(whole, tmp_path, "prepare")
    job = start(tmp_path, "trainer.workers=2")
    job.until(lambda: any(len(p.read_text().splitlines()) >= 2 for p in tmp_path.glob("runs/stages/*/metrics.jsonl")))
    os.killpg(job.process.pid or 0, signum)
    assert job.end() == 128 + signum, job.said
    assert job.said.count(": stopping after this step") == 1
    assert job.said.count("stopped: ") == 1
    assert "Traceback" not in job.said
    trained(tmp_path)  # the number of loader processes changes nothing
    assert_same_end(whole, tmp_path)


def test_slurm_warns_and_gets_the_job_back(whole: Path, tmp_path: Path) -> None:
    copied(whole, tmp_path, "prepare")
    control = tmp_path / "bin" / "scontrol"
    control.parent.mkdir()
    control.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked.txt\nls -d {tmp_path}/runs/stages/*/checkpoints/s*\n')
    control.chmod(control.stat().st_mode | stat.S_IEXEC)
    slurm = {**SLURM, "PATH": f"{control.parent}:{os.environ['PATH']}"}
    assert_stopped(start(tmp_path, strike=Strike(CLIP, 3, USR1), environment=slurm), USR1, 3)
    asked = tmp_path / "asked.txt"
    assert asked.read_text() == "requeue 4711\n"
    array = {"SLURM_ARRAY_JOB_ID": "47", "SLURM_ARRAY_TASK_ID": "3"}
    assert_stopped(start(tmp_path, strike=Strike(CLIP, 2, USR1), environment=slurm | array), USR1, 5)
    assert asked.read_text() == "requeue 4711\nrequeue 47_3\n"
    assert_stopped(start(tmp_path, strike=Strike(CLIP, 2, TERM), environment=slurm), TERM, 7)  # cancelled: not again
    control.write_text("#!/bin/sh\necho no such job >&2\nexit 1\n")
    job = start(tmp_path, strike=Strike(CLIP, 1, USR1), environment=slurm)
    assert_stopped(job, USR1, 8)
    assert "scontrol requeue 4711 failed: no such job" in job.said
    assert asked.read_text() == "requeue 4711\nrequeue 47_3\n"
    trained(tmp_path)
    assert_same_end(whole, tmp_path)


@pytest.mark.parametrize("signum", [TERM, INT])
@pytest.mark.parametrize(
    ("place", "stage"),
    [
        ("data.pipeline.tokenizer:build_tokenizer", "prepare"),
        ("eval.answerers.lm_answerer:LMAnswerer.answer", "answer"),
    ],
)
def test_other_stages_leave_nothing_half_done(whole: Path, tmp_path: Path, place: str, stage: str, signum: int) -> None:
    if stage == "answer":
        copied(whole, tmp_path, "prepare", "pretrain")
    job = start(tmp_path, strike=Strike(place, 1, signum))
    assert job.end() == 128 + signum, job.said
    assert len(re.findall("^stopped.*the same command continues$", job.said, re.MULTILINE)) == 1
    assert "Traceback" not in job.said
    assert not list(tmp_path.glob(f"runs/stages/*{stage}*"))
    assert not list(tmp_path.glob("runs/stages/.*"))


def test_control_c_while_training_is_set_up(whole: Path, tmp_path: Path) -> None:
    copied(whole, tmp_path, "prepare")
    job = start(tmp_path, strike=Strike("train.module:SourceAwareLM.on_fit_start", 1, INT))
    assert job.end() == 130, job.said
    assert job.said.count("stopped; the same command continues") == 1


@pytest.mark.parametrize("signum", [INT])
def test_asked_twice_means_now(whole: Path, tmp_path: Path, signum: int) -> None:
    copied(whole, tmp_path, "prepare")
    first = Strike("train.module:SourceAwareLM.training_step", 2, signum)
    long_steps = ("trainer.save_every=1000", "batch.seq_len=2048", "pretrain.tokens=81920")
    job = start(tmp_path, *long_steps, strike=first)
    job.until(lambda: ": stopping after this step" in job.said)
    job.send(signum)
    assert job.end() == 128 + signum, job.said
    assert not list(tmp_path.glob("runs/stages/pretrain-*/checkpoints/step=*"))


def test_asked_again_in_vain_a_run_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nothing that never ends a step can ignore SIGTERM."""
    clock = [100.0]
    monkeypatch.setattr(train.stopping.time, "monotonic", lambda: clock[0])
    stopping = Stopping(every=1)
    stopping._note(signal.SIGTERM, None)
    clock[0] += 1
    stopping._note(signal.SIGTERM, None)  # a system that tells the group and the process: still the same request
    clock[0] += train.stopping.PATIENCE
    with pytest.raises(SystemExit, match="143"):
        stopping._note(signal.SIGTERM, None)
