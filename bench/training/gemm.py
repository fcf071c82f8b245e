"""The ceiling: matrix products alone, in the model's own shapes and one large square, in float32 and bfloat16."""

from __future__ import annotations

import statistics
import time

import torch
import torch.nn.functional as F

from bench.device import memory, start
from bench.inputs import read_shape
from bench.settings import Measured, Settings, contend
from model.config import ModelConfig

SECONDS = 0.25  # of each shape
SQUARE = {"cpu": 2048, "cuda": 8192}  # the side of the large one, by device
DTYPES = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}


def measure(settings: Settings) -> Measured:
    """FLOP/s of every shape (M, N, K) by precision: a product (M, K) x (K, N) is 2 M N K operations."""
    device = start(settings)
    shapes = matmul_shapes(read_shape(settings), settings.places)
    square = SQUARE[settings.device]
    shapes["square"] = (square, square, square)
    rates = {
        precision: {name: rate(shape, dtype, device) for name, shape in shapes.items()}
        for precision, dtype in DTYPES.items()
    }
    return {"rates": rates, **memory(settings)}


def matmul_shapes(config: ModelConfig, places: int) -> dict[str, tuple[int, int, int]]:
    """The forward products of one step, (M, N, K) each."""
    inner = config.heads * config.head_dim
    return {
        "attention_in": (places, inner, config.dim),
        "attention_out": (places, config.dim, inner),
        "swiglu_in": (places, config.ffn_dim, config.dim),
        "swiglu_out": (places, config.dim, config.ffn_dim),
        "head": (places, config.vocab_size, config.dim),
    }


def rate(shape: tuple[int, int, int], dtype: torch.dtype, device: torch.device) -> float:
    """FLOP/s of the median product."""
    m, n, k = shape
    x, weight = torch.randn(m, k, device=device, dtype=dtype), torch.randn(n, k, device=device, dtype=dtype)
    times: list[float] = []
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until or len(times) < 3:
        begun = time.perf_counter()
        F.linear(x, weight)
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    return 2 * m * n * k / statistics.median(times)


if __name__ == "__main__":
    contend(measure)
