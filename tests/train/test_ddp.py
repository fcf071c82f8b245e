"""Several processes learn what one learns, however they are launched, and end together when one of them dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from jobs import ROOT, SMALL, processes
from safetensors.torch import load_file

ADAMW = ("pretrain.optimizer.name=adamw", "pretrain.optimizer.lr=0.002")
# Muon rounds to bf16 and so blows up differences in the order of sums: AdamW where losses are compared.
DDP = ("trainer.strategy=ddp", "trainer.devices=2")
FSDP = ("trainer.strategy=fsdp", "trainer.devices=2")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(ROOT / "run.py"))
OURS = (sys.executable, str(ROOT / "run.py"))
STEP = "train.module:SourceAwareLM.configure_gradient_clipping"
STRUCK = (sys.executable, str(ROOT / "tests" / "struck.py"))

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where processes run, none of which may be left at the end of a test."""
    yield tmp_path
    left = processes(tmp_path)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not left, "processes were left behind"


def launch(folder: Path, *arguments: str, by: tuple[str, ...] = OURS, **environment: str) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    with open(folder / "said.txt", "wb") as said:
        return subprocess.Popen(
            [*by, *SMALL, *arguments],
            cwd=folder,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            start_new_session=True,
        )


def finished(folder: Path, *arguments: str, by: tuple[str, ...] = OURS) -> list[float]:
    """The losses of a run that goes well."""
    assert launch(folder, *arguments, by=by).wait(300) == 0, (folder / "said.txt").read_text()
    (path,) = folder.glob("runs/stages/pretrain-*/metrics.jsonl")
    return [json.loads(line)["loss"] for line in path.read_text().splitlines()]


def until(folder: Path, pattern: str, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not list(folder.glob(pattern)):
        assert process.poll() is None and time.monotonic() < deadline, (folder / "said.txt").read_text()
        time.sleep(0.01)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """A single process's run."""
    folder = tmp_path_factory.mktemp("one")
    losses = finished(folder, *ADAMW)
    assert len(losses) == 10
    return folder, losses


def assert_same_model(left: Path, right: Path) -> None:
    ours, theirs = (load_file(next(f.glob("runs/stages/pretrain-*/model/model.safetensors"))) for f in (left, right))
    assert ours.keys() == theirs.keys()
    for name in ours:
        # AdamW divides by the root of a tiny second moment at first, which blows up the last bit of a sum.
        assert (ours[name] - theirs[name]).abs().max() < 1e-3, name


@pytest.mark.parametrize(
    ("by", "arguments"),
    [
        (OURS, ("trainer.accumulation=2",)),
        (OURS, DDP),
        (OURS, (*DDP, "trainer.accumulation=2")),
        (TORCHRUN, DDP),
        (TORCHRUN, FSDP),
        (OURS, (*FSDP, "pretrain.optimizer.skip=6")),
    ],
)
def test_losses_and_model_of_one_process(
    one: tuple[Path, list[float]], folder: Path, by: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    assert finished(folder, *ADAMW, *arguments, by=by) == pytest.approx(one[1], rel=1e-4)
    assert_same_model(one[0], folder)


@pytest.mark.parametrize("arguments", [DDP, FSDP])
def test_a_value_head_learns_what_it_learns_in_one_process(folder: Path, arguments: tuple[str, ...]) -> None:
    """It is a module beside the model, with gradients and a state of its own, through a kill as well."""
    valued = (*ADAMW, "objective=awr")
    alone = finished(folder / "one", *valued)
    process = launch(folder / "two", *valued, *arguments)
    until(folder / "two", "runs/stages/pretrain-*/checkpoints/step=[46]", process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert finished(folder / "two", *valued, *arguments) == pytest.approx(alone, rel=1e-4)
    assert "continues from step=" in (folder / "two" / "said.txt").read_text()
    assert_same_model(folder / "one", folder / "two")


def test_sharded_muon_is_muon(folder: Path) -> None:
    """Its updates are of whole matrices, which no rank has; before they have added up, losses are those of one."""
    alone, sharded = finished(folder / "one"), finished(folder / "two", *FSDP)
    assert sharded[:4] == pytest.approx(alone[:4], rel=2e-3)
    assert sharded == pytest.approx(alone, rel=0.05)


@pytest.mark.parametrize("arguments", [DDP, FSDP])
def test_killed_and_continued(one: tuple[Path, list[float]], folder: Path, arguments: tuple[str, ...]) -> None:
    process = launch(folder, *ADAMW, *arguments)
    until(folder, "runs/stages/pretrain-*/checkpoints/step=[46]", process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert finished(folder, *ADAMW, *arguments) == pytest.approx(one[1], rel=1e-4)
    assert "continues from step=" in (folder / "said.txt").read_text()
    assert_same_model(one[0], folder)


def test_continued_on_another_number_of_devices(one: tuple[Path, list[float]], folder: Path) -> None:
    """From an odd step of two to one that accumulates, and from there to two again."""
    places = (([0, STEP, 4, 9], DDP), ([0, STEP, 3, 9], ("trainer.accumulation=2",)))
    for strike, arguments in places:
        process = launch(folder, *ADAMW, *arguments, "trainer.save_every=1", by=STRUCK, STRIKE=json.dumps(strike))
        assert process.wait(120) == -signal.SIGKILL, (folder / "said.txt").read_text()
        deadline = time.monotonic() + 30
        while processes(folder) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert finished(folder, *ADAMW, *DDP, "trainer.save_every=1") == pytest.approx(one[1], rel=1e-4)
    assert "continues from step=5" in (folder / "said.txt").read_text()
    assert_same_model(one[0], folder)


@pytest.mark.parametrize("by", [OURS, TORCHRUN])
def test_stopped_and_continued(one: tuple[Path, list[float]], folder: Path, by: tuple[str, ...]) -> None:
    """SIGTERM to the process that was launched: all ranks stop after the same step, its checkpoint written."""
    process = launch(folder, *ADAMW, *DDP, by=by)
    until(folder, "runs/stages/pretrain-*/checkpoints/step=4", process)
    process.send_signal(signal.SIGTERM)
    code, said = process.wait(60), (folder / "said.txt").read_text()
    assert code == (143 if by is OURS else 1), said
    assert said.count("stopped: pretrain stopped at step") >= 1
    assert finished(folder, *ADAMW, *DDP) == pytest.approx(one[1], rel=1e-4)
    assert "continues from step=" in (folder / "said.txt").read_text()


def test_a_sweep_of_parallel_runs(folder: Path) -> None:
    process = launch(folder, *ADAMW, *DDP, "seed=0,1", by=(*OURS, "-m"))
    assert process.wait(300) == 0, (folder / "said.txt").read_text()
    assert len(list(folder.glob("runs/run/*/results.json"))) == 2


@pytest.mark.parametrize("by", ["lightning", "torchrun"])
@pytest.mark.parametrize(
    ("rank", "place", "signum"),
    [
        (1, STEP, 9),
        (0, STEP, 9),
        (1, STEP, 0),  # an exception
        (0, "train.checkpoint:save_file", 9),
        (0, "model.hf:save_file", 9),  # the other rank waits for the stage to be done
        (0, "model.hf:save_file", 0),
    ],
)
def test_a_rank_that_dies_ends_the_job(folder: Path, rank: int, place: str, signum: int, by: str) -> None:
    launcher = STRUCK if by == "lightning" else (*TORCHRUN[:-1], STRUCK[1])
    process = launch(
        folder, *ADAMW, *DDP, by=launcher, STRIKE=json.dumps([rank, place, 2 if place == STEP else 1, signum])
    )
    until(folder, "runs/stages/pretrain-*/metrics.jsonl", process)
    assert process.wait(60) != 0
    begun = time.monotonic()
    while processes(folder) and time.monotonic() < begun + 30:
        time.sleep(0.1)
    said = (folder / "said.txt").read_text()
    assert not processes(folder), said
    assert any(
        words in said
        for words in ("lost another process of the job", "the job ended before", "terminated with code", "exitcode")
    ), said
    if place == STEP and signum:
        assert "error: pretrain lost another process of the job" in said
    assert not list(folder.glob("runs/stages/pretrain-*/done.json"))


@pytest.mark.slow
def test_a_sweep_of_jobs_of_two_processes_with_its_flag_last(tmp_path: Path) -> None:
    """Each job has processes of its own: the first one's group and arguments are not the second's."""
    small = ("corpus.documents=24", "corpus.heldout=2", "pretrain.tokens=4096", "sft.tokens=0", "rewriting.fraction=0")
    two = ("trainer.accelerator=cpu", "trainer.devices=2", "trainer.strategy=ddp", "trainer.precision=32-true")
    command = [sys.executable, str(ROOT / "run.py"), "experiment=tiny", *small, *two, "seed=0,1", "--multirun"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("runs/tiny/*/results.json"))) == 2
    assert done.stderr.count("GLOBAL_RANK: 1, MEMBER: 2/2") >= 2
