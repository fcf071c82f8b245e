"""bf16 where it measures faster: with hardware for it a product takes a fraction of the time, without a multiple."""

from __future__ import annotations

import time

import torch

BF16, FP32 = "bf16-mixed", "32-true"


def fastest_precision(accelerator: str) -> str:
    """`bf16-mixed` on a GPU, and on a CPU that multiplies bf16 matrices clearly faster than float32 ones."""
    if accelerator != "cpu":
        return BF16
    return BF16 if 1.2 * _seconds(torch.bfloat16) < _seconds(torch.float32) else FP32


def _seconds(dtype: torch.dtype, size: int = 512, repeats: int = 5) -> float:
    """The quickest of a few products: what else the machine does only slows some of them."""
    x = torch.ones(size, size, dtype=dtype)
    x @ x
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        x @ x
        times.append(time.perf_counter() - begun)
    return min(times)
