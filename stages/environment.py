"""What a stage was made by: which process of a job, which libraries, which revision of the code."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path


def rank() -> int:
    """Which process of a job this is, from what torchrun, SLURM or Lightning set; 0 for the first or only one."""
    return next((int(os.environ[key]) for key in ("RANK", "SLURM_PROCID", "LOCAL_RANK") if key in os.environ), 0)


def versions() -> dict[str, str]:
    packages = ("torch", "lightning", "tokenizers", "datasets", "webdataset", "hydra-core", "safetensors", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def machine() -> str:
    """This machine in a line: processor, cores, GPUs, torch and Python."""
    import torch

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    parts = [names[0] if names else platform.processor() or platform.machine(), f"{os.cpu_count()} cores"]
    parts += [f"{gpus.count(name)} x {name}" for name in dict.fromkeys(gpus)]
    return ", ".join([*parts, f"torch {version('torch')}", f"Python {platform.python_version()}"])


def revision() -> str | None:
    """The checkout's commit, "+" when files differ from it; None outside git."""

    def git(*arguments: str) -> str:
        here = Path(__file__).parent
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
