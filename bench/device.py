"""The device of a contender: threads, autocast, waiting, and memory. PyTorch only, for any environment."""

from __future__ import annotations

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
