"""The device of a contender: its name, threads, autocast, waiting, and memory. PyTorch only, for any environment."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch

from bench.settings import BF16, Clock, Settings, peak_memory


def start(settings: Settings, tuned: bool = True) -> torch.device:
    """Apply what the settings say of the device; `tuned` also what everyone sets who looks for speed."""
    torch.set_num_threads(settings.threads)
    if tuned:
        torch.set_float32_matmul_precision("high")
    torch.manual_seed(settings.seed)
    return torch.device(settings.device)


def make_clock(settings: Settings) -> Clock:
    return Clock(settings, torch.cuda.synchronize if settings.device == "cuda" else lambda: None)


def autocast(settings: Settings) -> torch.autocast:
    return torch.autocast(settings.device, torch.bfloat16, enabled=settings.precision == BF16)


def memory(settings: Settings) -> dict[str, Any]:
    """The most that was held: on a GPU in tensors, else in the whole process; and what it was measured with."""
    on_gpu = settings.device == "cuda"
    return {
        "peak_bytes": torch.cuda.max_memory_allocated() if on_gpu else peak_memory(),
        "torch": torch.__version__,
    }


def machine(device: str) -> dict[str, Any]:
    """Where it is measured: the device's name, the system, its cores, and bytes of main memory."""
    return {
        "device": device_name(device),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def device_name(device: str) -> str:
    """As the machine calls it."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
