"""SIGKILL at any moment, then the same command: bitwise the end of a run that was never stopped.

Compared are the exported model, all metrics but clocked ones, and the newest and the best checkpoint with everything in
them: optimiser, schedule, RNG, order, counters.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from pathlib import Path

import pytest
from jobs import Strike, assert_same_end, copied, outcome, processes, start, trained
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from train.fit import read_metrics

PLACES = {  # ten steps; held-out reading and perhaps best checkpoint at 3, 6, 9, 10, checkpoints at 2, 4, 6, 8, 10
    "before any checkpoint": Strike("train.module:SourceAwareLM.configure_gradient_clipping", 2),
    "while the held-out documents are read": Strike("train.module:SourceAwareLM.heldout_bits", 1),
    "at an epoch's end": Strike("data.pipeline.stream:Stream.rows", 2),
    "with the best checkpoint written, the newest not": Strike("train.checkpoint_retention:remove_all_but", 1),
    "with the best checkpoint moved away, its successor not there": Strike("pathlib:Path.rename", 2),
    "while tensors are written": Strike("train.checkpoint:save_file", 2, after=True),
    "before the checkpoint is flushed": Strike("os:fsync", 6),
    "before older checkpoints are removed": Strike("train.checkpoint_retention:remove_all_but", 5),
    "in the last step": Strike("train.module:SourceAwareLM.configure_gradient_clipping", 2),
    "when all is trained and nothing exported": Strike("train.fsdp:whole_weights", 1),
    "while the model is exported": Strike("model.hf:save_file", 1, after=True),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    trained(folder, "sft.tokens=6144", stage="sft")
    return folder


def killed(folder: Path, strike: Strike, *arguments: str) -> None:
    job = start(folder, *arguments, strike=strike)
    assert job.end() == -signal.SIGKILL, f"not killed at {strike}:\n{job.said}"


def test_killed_again_and_again(whole: Path, tmp_path: Path) -> None:
    """One run, killed at each of the places in turn."""
    copied(whole, tmp_path, "prepare")
    for strike in PLACES.values():
        killed(tmp_path, strike)
        assert not list(tmp_path.glob("runs/stages/pretrain-*/done.json"))
        for path in tmp_path.glob("runs/stages/pretrain-*/metrics.jsonl"):
            if "step=10" not in os.listdir(path.parent / "checkpoints"):
                path.write_text(path.read_text() + '{"step": 7, "loss"')  # and a row that was not finished
    assert "pretrain continues from step=10" in trained(tmp_path)
    assert_same_end(whole, tmp_path)
    (checkpoints,) = tmp_path.glob("runs/stages/pretrain-*/checkpoints")
    assert sorted(os.listdir(checkpoints)) == ["best", "step=10", "step=8"]
    assert len(os.listdir(checkpoints / "best")) == 1


def test_killed_after_the_best_reading(whole: Path, tmp_path: Path) -> None:
    """The rate only rises, to far too much, so the first reading stays the best; the continued run has to know."""
    arguments = ("pretrain.optimizer.lr=3.0", "pretrain.optimizer.warmup=1.0", "pretrain.optimizer.decay=0.0")
    for folder in (tmp_path / "whole", tmp_path / "killed"):
        copied(whole, folder, "prepare")
    trained(tmp_path / "whole", *arguments)
    assert "checkpoints/best/step=3" in outcome(tmp_path / "whole")
    killed(tmp_path / "killed", Strike("train.module:SourceAwareLM.heldout_bits", 2), *arguments)
    trained(tmp_path / "killed", *arguments)
    assert_same_end(tmp_path / "whole", tmp_path / "killed")


def test_killed_while_tuning(whole: Path, tmp_path: Path) -> None:
    copied(whole, tmp_path, "prepare", "pretrain")
    for place in ("while the held-out documents are read", "while tensors are written", "while the model is exported"):
        killed(tmp_path, PLACES[place], "sft.tokens=6144")
    assert "sft continues from step=" in trained(tmp_path, "sft.tokens=6144", stage="sft")
    assert_same_end(whole, tmp_path, "sft")


def test_killed_in_the_middle_of_an_accumulated_step(whole: Path, tmp_path: Path) -> None:
    accumulated = ("trainer.accumulation=2", "trainer.log_every=3")  # and of what a row of metrics tells of
    for folder in (tmp_path / "whole", tmp_path / "killed"):
        copied(whole, folder, "prepare")
    trained(tmp_path / "whole", *accumulated)
    for call in (10, 11):  # the second half of step 5 (from 0), the first of step 10 (from 4)
        killed(tmp_path / "killed", Strike("train.module:SourceAwareLM.training_step", call), *accumulated)
    trained(tmp_path / "killed", *accumulated)
    assert_same_end(tmp_path / "whole", tmp_path / "killed")


def test_continued_with_another_accumulation(whole: Path, tmp_path: Path) -> None:
    """From odd steps, in more parts and in fewer: the same steps of the same rows, and an account of them all."""
    arguments = ("trainer.save_every=1", "pretrain.optimizer.name=adamw", "pretrain.optimizer.lr=0.002")
    for folder in (tmp_path / "whole", tmp_path / "killed"):
        copied(whole, folder, "prepare")
    trained(tmp_path / "whole", *arguments)
    for accumulation, call in ((1, 4), (2, 3), (4, 3)):
        strike = Strike("train.module:SourceAwareLM.configure_gradient_clipping", call)
        killed(tmp_path / "killed", strike, *arguments, f"trainer.accumulation={accumulation}")
    assert "pretrain continues from step=7" in trained(tmp_path / "killed", *arguments, "trainer.accumulation=2")
    losses, accounts = [], []
    for folder in (tmp_path / "whole", tmp_path / "killed"):
        (stage,) = folder.glob("runs/stages/pretrain-*")
        losses.append([row["loss"] for row in read_metrics(stage)])
        accounts.append(json.loads((stage / "done.json").read_text())["accounting"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert accounts[1] == accounts[0]


def flip(checkpoint: Path) -> None:
    content = bytearray((checkpoint / "tensors.safetensors").read_bytes())
    content[len(content) // 2] ^= 4
    (checkpoint / "tensors.safetensors").write_bytes(content)


def cut(checkpoint: Path) -> None:
    content = (checkpoint / "tensors.safetensors").read_bytes()
    (checkpoint / "tensors.safetensors").write_bytes(content[:-1000])


def lose(checkpoint: Path) -> None:
    (checkpoint / "manifest.json").unlink()


def test_killed_and_its_newest_checkpoint_damaged(whole: Path, tmp_path: Path) -> None:
    """Each time the damage is named and the run goes on from the checkpoint before."""
    copied(whole, tmp_path, "prepare")
    killed(tmp_path, PLACES["when all is trained and nothing exported"])
    (checkpoints,) = tmp_path.glob("runs/stages/pretrain-*/checkpoints")
    for damage in (flip, cut, lose):
        damage(checkpoints / "step=10")
        job = start(tmp_path, strike=PLACES["when all is trained and nothing exported"])
        assert job.end() == -signal.SIGKILL, job.said
        assert re.search("step=10.*(damaged|not a whole checkpoint).*trying the one before", job.said), job.said
        assert "pretrain continues from step=8" in job.said
    trained(tmp_path)
    assert_same_end(whole, tmp_path)


def test_nothing_on_disk_could_execute(whole: Path) -> None:
    """No pickle, and no zip archive, in which torch.save wraps one, in any file of a run."""
    files = [path for path in whole.glob("runs/**/*") if path.is_file() and not path.is_symlink()]
    assert {".safetensors", ".json", ".jsonl", ".tar"} <= {path.suffix for path in files}
    for path in files:
        content = path.read_bytes()
        assert not content.startswith((b"PK\x03\x04", *(bytes((0x80, version)) for version in range(2, 6)))), path
        assert path.suffix not in (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin"), path


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("arguments", [(), ("pretrain.optimizer.name=adamw", "pretrain.optimizer.skip=4")])
def test_killed_once(
    place: str, arguments: tuple[str, ...], whole: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    reference = whole
    if arguments:
        reference = tmp_path_factory.getbasetemp() / "adamw"
        if not reference.exists():
            copied(whole, reference, "prepare")
            trained(reference, *arguments)
    copied(whole, tmp_path, "prepare")
    killed(tmp_path, PLACES[place], *arguments)
    trained(tmp_path, *arguments)
    assert_same_end(reference, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_killed_from_outside_at_random(workers: int, whole: Path, tmp_path: Path) -> None:
    """As often as it takes, some time after training has begun; a third wait for a checkpoint to be under way."""
    copied(whole, tmp_path, "prepare")
    chance, kills = random.Random(workers), 0
    while True:
        job = start(tmp_path, f"trainer.workers={workers}")
        job.until(lambda job=job: "tok/s" in job.said or list(tmp_path.glob("runs/stages/pretrain-*/done.json")))
        wait = time.monotonic() + chance.uniform(0.0, 0.2 + kills / 10)  # longer and longer, however slow the machine
        writing = chance.random() < 1 / 3
        while not (done := list(tmp_path.glob("runs/stages/pretrain-*/done.json"))):
            under_way = list(tmp_path.glob("runs/stages/pretrain-*/checkpoints/.step=*"))
            if time.monotonic() > wait and (under_way or not writing):
                break
        job.process.kill()
        job.end()
        if done:
            break
        kills += 1
    assert kills > 1
    deadline = time.monotonic() + 30
    while processes(tmp_path) and time.monotonic() < deadline:  # loader processes look for their parent now and then
        time.sleep(0.2)
    assert not processes(tmp_path)
    assert_same_end(whole, tmp_path)


def test_tensorboard_shows_each_step_once(whole: Path, tmp_path: Path) -> None:
    """Killed after step 5, continued from 4: what the first try drew of step 5 is hidden behind the second's."""
    copied(whole, tmp_path, "prepare")
    killed(tmp_path, Strike("train.module:SourceAwareLM.configure_gradient_clipping", 6))
    assert "pretrain continues from step=4" in trained(tmp_path)
    (folder,) = tmp_path.glob("runs/stages/pretrain-*/tensorboard")
    events = EventAccumulator(str(folder))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == list(range(1, 11))
    rows = [json.loads(line) for line in (folder.parent / "metrics.jsonl").read_text().splitlines()]
    assert [event.value for event in events.Scalars("loss")] == pytest.approx([row["loss"] for row in rows])
