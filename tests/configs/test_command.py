"""The command line: one line for what is wrong, help on every key, and a folder for each run of a sweep."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from composing import CONFIGS, ROOT, composed
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from configs.command import Slurm, one_job, sweep_folder
from configs.schema import register


def test_runs_of_a_sweep_have_a_folder_each() -> None:
    assert sweep_folder(["experiment=tiny", "seed=1", "tags=end", "stages_dir=/s", "launcher=x"], "runs/tiny") == (
        "seed=1,tags=end"
    )
    assert sweep_folder(["experiment=tiny", "name=x"], "runs/x") != sweep_folder(
        ["experiment=demo", "name=x"], "runs/x"
    )
    a, b, c = (
        sweep_folder(["corpus=files", f"corpus.path={path}"], "r") for path in ("a.jsonl", "x/a.jsonl", "x_a.jsonl")
    )
    assert a == "corpus.path=a.jsonl,corpus=files"
    assert len({a, b, c}) == 3
    assert "/" not in b
    long = [sweep_folder([f"name={'n' * 300}{end}"], "r") for end in "ab"]
    assert max(map(len, long)) <= 200
    assert long[0] != long[1]


def test_a_job_of_a_sweep_starts_others_by_its_own_arguments() -> None:
    """By what Lightning adds its own words to: no flag, no values of other jobs, and where this one stands."""
    arguments = one_job(["experiment=tiny", "seed=1", "trainer.devices=2"], "runs/x/seed=1,trainer.devices=2")
    assert arguments[:3] == ["experiment=tiny", "seed=1", "trainer.devices=2"]
    config = composed(*arguments)
    assert (config.seed, config.run_dir) == (1, "runs/x/seed=1,trainer.devices=2")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["eval.batch=0"], "error: eval.batch=0: must be at least 1"),
        (
            ["pretrain.token=5"],
            "error: unknown key pretrain.token; did you mean pretrain.tokens? (python run.py --help",
        ),
        (["corpus=null"], "error: Config group override must be"),
    ],
)
def test_the_command_says_one_line_and_leaves_nothing(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(said)
    assert not list(tmp_path.iterdir())


def test_the_command_helps_with_every_key(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "run.py"), "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0
    assert re.search(r"^  eval\.batch=256 +questions side by side \[at least 1\]$", done.stdout, re.MULTILINE)
    assert "launcher: ray, submitit_local, submitit_slurm" in done.stdout


def test_slurm_jobs_are_refused_where_there_is_no_slurm(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="2"):
        Slurm().on_multirun_start(config=OmegaConf.create())
    assert capsys.readouterr().err == "error: launcher=submitit_slurm: there is no SLURM here (no srun); leave it out\n"
    register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("config", overrides=["launcher=submitit_slurm"], return_hydra_config=True)
    assert config.hydra.callbacks.slurm._target_ == "configs.command.Slurm"
