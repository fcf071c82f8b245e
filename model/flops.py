"""Floating-point operations of training on one token, and the share of a device's peak that they come to (MFU).

PaLM's count (Chowdhery et al., 2022, arXiv 2204.02311, appendix B) is 6 N + 12 L H D T for a token in a row of T:

    a multiplication and an addition by each of N parameters forward, and twice that backward
    the same for a query's products with T keys, and for its weighted sum of T values

N are the parameters of matrix products: an embedding is looked up, but the output layer multiplies, whether they share
weights or not. Under a causal mask a query sees (T + 1) / 2 keys on average, which is the second count.

Shape letters: L layers, H query heads, D head width, T tokens of a row, N parameters.
"""

from __future__ import annotations

from model.config import ModelConfig

# Dense bf16 FLOP/s: half of what NVIDIA's data sheets give "with sparsity". An entry applies to a device whose name has
# all its words, the first one that does; "NVIDIA H200" and "NVIDIA H100 80GB HBM3" are the SXM modules.
PEAKS: tuple[tuple[tuple[str, ...], float], ...] = (
    (("H200", "NVL"), 835.5e12),  # data sheet of the H200: 1,671 TFLOP/s with sparsity
    (("H200",), 989e12),  # the same: 1,979
    (("H100", "NVL"), 835.5e12),  # data sheet of the H100: 1,671
    (("H100", "PCIe"), 756e12),  # product brief of the H100 PCIe: 1,513
    (("H100",), 989e12),  # data sheet of the H100: 1,979
    (("A100",), 312e12),  # data sheet of the A100: 624
    (("L40S",), 362e12),  # data sheet of the L40S: 733
    (("L4",), 121e12),  # data sheet of the L4: 242
)


def matmul_parameters(config: ModelConfig) -> int:
    """Parameters that multiply every token: all but the embedding's and the norms'."""
    attention = 2 * config.dim * (config.heads + config.kv_heads) * config.head_dim
    return config.layers * (attention + 3 * config.dim * config.ffn_dim) + config.dim * config.vocab_size


def flops_per_token(config: ModelConfig, keys: float) -> float:
    """Forward and backward, when a query sees `keys` keys: the row's length as PaLM counts, `causal_keys` exactly."""
    return 6 * matmul_parameters(config) + 12 * config.layers * config.heads * config.head_dim * keys


def causal_keys(row: int) -> float:
    """Keys that a query sees on average in a row of `row` tokens under a causal mask, itself included."""
    return (row + 1) / 2


def peak_flops(device: str) -> float | None:
    """The device's dense bf16 FLOP/s by its name as CUDA gives it; None for one not in the table, never a guess."""
    words = device.replace("-", " ").split()
    if "MIG" in words:  # a slice of a card
        return None
    return next((peak for key, peak in PEAKS if all(word in words for word in key)), None)


def mfu(config: ModelConfig, tokens_per_second: float, keys: float, device: str) -> float | None:
    """The share of the device's peak that training at this speed uses; None when the peak is not known."""
    peak = peak_flops(device)
    return None if peak is None else flops_per_token(config, keys) * tokens_per_second / peak
