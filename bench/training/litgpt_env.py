"""An environment of its own for litgpt, whose pinned dependencies clash with ours."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from bench.launch import foreign_environment, say

LITGPT = "litgpt==0.5.13"


def litgpt_python(folder: Path) -> Path:
    """The interpreter of the environment in the benchmark's `folder`, whether it has been made or not."""
    return folder.resolve() / "litgpt-env" / "bin" / "python"


def make_litgpt_environment(folder: Path) -> None:
    """litgpt with the same torch where they agree; what can't be installed fails when it is launched."""
    python = litgpt_python(folder)
    environment = python.parents[1]
    done = environment / "installed"
    if done.exists() and done.read_text(encoding="utf-8") == LITGPT:
        return
    say(f"litgpt: installing {LITGPT} into {environment}")
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    for packages in ([LITGPT, f"torch=={version('torch')}"], [LITGPT]):
        install = [str(python), "-m", "pip", "install", "--quiet", *packages]
        if subprocess.run(install, capture_output=True, env=foreign_environment()).returncode == 0:
            done.write_text(LITGPT, encoding="utf-8")
            return
    say("litgpt: the installation failed")
