"""Two revisions are told apart by what they train, through the front door alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.golden_losses import ROOT, Trace
from bench.loss_compare import differences, main

# A revision that shares nothing with this one but the front door: its arguments and the files that it leaves.
FRONT_DOOR = """
import json, pathlib, sys
import numpy as np
from safetensors.numpy import save_file

given = dict(word.split("=", 1) for word in sys.argv[1:])
if "fail" in given:
    sys.exit("error: fail=" + given["fail"])
RATE = 0.5
stage = pathlib.Path(given["stages_dir"]) / "pretrain-1"
(stage / "model").mkdir(parents=True)
losses = [1.0 + RATE**step for step in range(1, 6)]
rows = [json.dumps({"step": step, "loss": loss}) for step, loss in enumerate(losses, start=1)]
(stage / "metrics.jsonl").write_text("\\n".join(rows) + "\\n")
save_file({"head": np.ones(2, np.float32), "norm": np.ones(3, np.float32)}, stage / "model" / "model.safetensors")
(stage / "done.json").write_text("{}")
"""
TINY = (
    "experiment=tiny",
    "corpus.documents=40",
    "corpus.heldout=4",
    "batch.sequences=4",
    "pretrain.tokens=4096",
    "sft.tokens=2048",
)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def edit(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text()
    assert text.count(old) == 1
    (folder / file).write_text(text.replace(old, new))


def repository(folder: Path) -> Path:
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "first")
    return folder


@pytest.fixture
def small(tmp_path, monkeypatch) -> Path:
    (tmp_path / "run.py").write_text(FRONT_DOOR)
    monkeypatch.chdir(tmp_path)
    return repository(tmp_path)


def test_a_revision_is_identical_to_itself_and_nothing_is_left_behind(small, capsys):
    assert main(["HEAD"]) == 0
    assert "identical over 5 steps of pretrain" in capsys.readouterr().out
    assert git(small, "status", "--porcelain", "--ignored") == ""
    assert git(small, "worktree", "list").count("\n") == 0


def test_uncommitted_changes_and_new_files_count_as_the_working_tree(small, capsys):
    (small / "rate.py").write_text("RATE = 0.25\n")
    edit(small, "run.py", "RATE = 0.5\n", "from rate import RATE\n")
    assert main(["HEAD"]) == 1
    assert "losses differ from step 1 on: 1.5 in A, 1.25 in B" in capsys.readouterr().out
    assert main(["HEAD", "HEAD"]) == 0


def test_the_first_step_that_differs_between_two_commits_is_told(small, capsys):
    edit(small, "run.py", "1.0 + RATE**step", "1.0 + RATE**step + (step == 4) * 2**-50")
    git(small, "commit", "--all", "--quiet", "--message", "second")
    assert main(["HEAD~1", "HEAD"]) == 1
    assert f"losses differ from step 4 on: 1.0625 in A, {1.0625 + 2**-50!r} in B" in capsys.readouterr().out


def test_weights_that_differ_under_identical_losses_are_told(small, capsys):
    edit(small, "run.py", '"norm": np.ones', '"norm": -np.ones')
    assert main(["HEAD"]) == 1
    assert "all 5 losses are identical, but the final weights differ, first in norm" in capsys.readouterr().out


def test_overrides_reach_both_runs_and_a_failing_run_is_an_error(small, capsys):
    assert main(["HEAD", "fail=now"]) == 2
    said = capsys.readouterr().err
    assert "the run of HEAD failed (exit code 1)" in said
    assert "fail=now" in said


def test_a_run_that_skips_steps_can_not_be_compared(small, capsys):
    edit(small, "run.py", "start=1)]", "start=1) if step != 3]")
    assert main(["HEAD"]) == 2
    assert "trainer.log_every=1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "'nowhere' is no commit"),
        (["--", "--help"], "'--help' is no commit"),
        (["HEAD~1"], "'HEAD~1' is no commit"),
    ],
)
def test_bad_revisions_are_named(small, capsys, arguments, said):
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required"),
        (["pretrain.tokens=1"], "not 0"),
        (["HEAD", "HEAD", "HEAD"], "not 3"),
        (["--output=x", "HEAD"], "--output=x"),
    ],
)
def test_what_is_no_comparison_is_told_with_the_usage(capsys, arguments, said):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert "usage" in told and said in told


def test_outside_a_checkout_and_without_a_front_door_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert main(["HEAD"]) == 2
    assert "not a git repository" in capsys.readouterr().err
    (tmp_path / "readme.txt").write_text("something else\n")
    repository(tmp_path)
    assert main(["HEAD"]) == 2
    assert "HEAD has no run.py" in capsys.readouterr().err


def test_stages_and_steps_that_one_side_lacks_are_differences():
    long, short = Trace((2.0, 1.0), {}, {"w": "0"}), Trace((2.0,), {}, {"w": "0"})
    assert differences({"pretrain": long}, {"pretrain": long}) == []
    assert differences({"pretrain": long, "tune": short}, {"pretrain": long}) == ["tune: only A has this stage"]
    assert differences({"pretrain": long}, {"pretrain": short}) == ["pretrain: 2 steps in A, 1 in B"]
    assert differences({"pretrain": long}, {"pretrain": Trace((2.0, 1.0), {}, {"w": "0", "v": "1"})}) != []
    broken = [{"tune": Trace((float("nan"),), {}, {})} for _ in range(2)]
    assert differences(*broken) != []  # they prove nothing


@pytest.mark.slow
def test_this_checkout_as_a_revision_and_with_one_number_changed(tmp_path, monkeypatch, capsys):
    for name in ("configs", "data", "eval", "model", "stages", "steps", "train"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "run.py", tmp_path / "run.py")
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    monkeypatch.chdir(repository(tmp_path))
    assert main(["HEAD", *TINY]) == 0
    assert "identical over 4 steps of pretrain, 2 steps of tune" in capsys.readouterr().out
    edit(tmp_path, "train/optim/optimizer.py", "(step + 1) / up", "(step + 2) / up")
    assert main(["HEAD", *TINY, "pretrain.optimizer.warmup=0.5"]) == 1
    assert "pretrain: losses differ from step 2 on" in capsys.readouterr().out
