"""bf16 where the hardware multiplies it faster; read off the hardware, so that every process of a job agrees.

A clock was tried first: beside other work it chose differently from one process to the next, and then stages were not
found again. Products of 512 x 512 in bf16 take a tenth of the time with AMX, under a half with AVX-512's bf16 alone,
and several times as long without either.
"""

from __future__ import annotations

from pathlib import Path

BF16, FP32 = "bf16-mixed", "32-true"
INSTRUCTIONS = {"amx_bf16", "avx512_bf16"}
PROCESSOR = Path("/proc/cpuinfo")


def fastest_precision(accelerator: str) -> str:
    """`bf16-mixed` on a GPU and on a CPU that has instructions for it, `32-true` elsewhere and where none can say."""
    if accelerator != "cpu":
        return BF16
    try:
        flags = set(PROCESSOR.read_text(encoding="utf-8").split())
    except OSError:
        return FP32
    return BF16 if flags & INSTRUCTIONS else FP32
