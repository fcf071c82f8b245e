"""What is not finite never reaches the weights, nor does a spike if so wished; and the device is never asked."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
from jobs import Strike, assert_same_end, copied, outcome, start, trained

from train.checkpoint import latest_checkpoint
from train.optim.skip_step import ENOUGH, WINDOW, Guard, keep_where

YES = torch.tensor(True)


def judged(guard: Guard, *norms: float) -> list[bool]:
    return [bool(guard.judge(torch.tensor(norm), YES)) for norm in norms]


def test_the_threshold_by_hand() -> None:
    """16 norms of 1 and 16 of 3: mean 2, variance 32/31; with two sigmas the line is at 2 + 2 sqrt(32/31) = 4.032."""
    line = 2 + 2 * math.sqrt(32 / 31)
    for norm, fine in ((line - 1e-4, True), (line + 1e-4, False)):
        guard = Guard(2.0)
        assert judged(guard, *[1.0, 3.0] * 16, norm) == [True] * 32 + [fine]
        assert int(guard.skipped) == (not fine)


def test_before_enough_is_known_nothing_is_a_spike() -> None:
    guard = Guard(2.0)
    assert all(judged(guard, *[1.0] * (ENOUGH - 1), 1e6))
    assert judged(guard, 1e9) == [False]


def test_only_the_last_norms_count_and_a_new_level_is_learned() -> None:
    guard = Guard(3.0)
    judged(guard, *[100.0] * WINDOW, *[1.0, 1.1] * (WINDOW // 2))
    assert judged(guard, 2.0) == [False]  # the hundreds are forgotten
    assert not all(judged(guard, *[50.0] * 20))
    assert all(judged(guard, *[50.0] * 20))


@pytest.mark.parametrize("norm", [math.nan, math.inf])
def test_what_is_not_finite_is_left_out_and_not_remembered(norm: float) -> None:
    guard = Guard(3.0)
    assert judged(guard, *[1.0, 1.1] * 20, norm, 1.05) == [True] * 40 + [False, True]
    assert bool(guard.judge(torch.tensor(1.05), ~YES)) is False  # the loss was not finite
    assert int(guard.skipped) == 2
    assert guard.norms.isfinite().all()


def test_its_state_is_in_the_checkpoint() -> None:
    one, two = Guard(3.0), Guard(3.0)
    judged(one, *[1.0, 1.1] * 20, 9.0)
    two.load_state_dict(one.state_dict())
    assert int(two.skipped) == 1
    assert judged(one, 1.2, 1.3, 9.0) == judged(two, 1.2, 1.3, 9.0)


@pytest.mark.parametrize(("norm", "finite"), [(math.nan, True), (math.inf, True), (1.0, False)])
def test_without_skipping_it_stops(norm: float, finite: bool) -> None:
    guard = Guard(0.0)
    assert guard.judge(torch.tensor(1.0), YES)
    with pytest.raises(FloatingPointError, match=r"not finite.*optimizer\.skip"):
        guard.judge(torch.tensor(norm), torch.tensor(finite))


def test_the_device_is_never_asked() -> None:
    """On the meta device nothing has a value, so any `if`, `.item()` or copy to the host would raise."""
    guard = Guard(3.0).to("meta")
    weight = torch.nn.Parameter(torch.ones(3, device="meta"))
    ok = guard.judge(torch.ones((), device="meta"), torch.ones((), dtype=torch.bool, device="meta"))
    keep_where(ok, [weight], [weight.detach().clone()])
    with pytest.raises(RuntimeError, match="meta"):
        bool(ok)  # so the device would have noticed


def test_weights_come_back_unless_the_step_was_fine() -> None:
    weight, before = torch.nn.Parameter(torch.full((3,), torch.nan)), torch.arange(3.0)
    keep_where(~YES, [weight], [before])
    assert torch.equal(weight.detach(), before)
    weight.data += 1
    keep_where(YES, [weight], [before])
    assert torch.equal(weight.detach(), before + 1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    trained(folder)
    return folder


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_run_stops_with_its_last_checkpoint_whole(whole: Path, tmp_path: Path, accumulation: int, value: str) -> None:
    """In step 5 of 10, in the first microbatch of it; no metrics are written at this step."""
    copied(whole, tmp_path, "prepare")
    arguments = (f"trainer.accumulation={accumulation}", "trainer.log_every=100", "trainer.validate_every=0")
    strike = Strike("train.objectives:hidden_nll", 4 * accumulation + 1, value=float(value))
    job = start(tmp_path, *arguments, strike=strike)
    assert job.end() == 2, job.said
    assert len(re.findall(r"^error: .*not finite.*optimizer\.skip.*$", job.said, re.MULTILINE)) == 1
    assert "Traceback" not in job.said
    (checkpoints,) = tmp_path.glob("runs/stages/pretrain-*/checkpoints")
    assert latest_checkpoint(checkpoints, pytest.fail) == checkpoints / "step=4"
    assert not list(tmp_path.glob("runs/stages/pretrain-*/model"))
    if accumulation == 1:  # and from there on it is as if nothing had been
        trained(tmp_path)
        assert outcome(tmp_path)["model"] == outcome(whole)["model"]


def test_a_run_leaves_steps_out_and_counts_them(whole: Path, tmp_path: Path) -> None:
    arguments = ("pretrain.optimizer.skip=5", "trainer.validate_every=0", "trainer.save_every=1")
    for folder in (tmp_path / "whole", tmp_path / "killed"):
        copied(whole, folder, "prepare")
    spoilt = Strike("train.objectives:hidden_nll", 5, value=math.nan)
    job = start(tmp_path / "whole", *arguments, strike=spoilt)
    job.until(lambda: list(tmp_path.glob("whole/runs/stages/pretrain-*/done.json")))
    job.process.kill()
    rows = outcome(tmp_path / "whole")["metrics"]
    assert [row["skipped"] for row in rows] == [0] * 4 + [1] * 6
    assert all(math.isfinite(row["loss"]) for row in rows[5:])
    # Killed after the step that was left out: the count goes on from the checkpoint.
    job = start(tmp_path / "killed", *arguments, strike=spoilt)
    job.until(lambda: list(tmp_path.glob("killed/runs/stages/pretrain-*/checkpoints/step=[67]")))
    job.process.kill()
    job.end()
    trained(tmp_path / "killed", *arguments)
    assert_same_end(tmp_path / "whole", tmp_path / "killed")
