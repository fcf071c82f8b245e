"""Rotary positions (Su et al., 2021, arXiv 2104.09864), and how Llama's kin stretch them to longer texts.

Shape letters: B rows, T tokens, H heads, D head width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from model.config import ModelConfig


def frequencies(config: ModelConfig, device: torch.device | None = None) -> Tensor:
    """Radians a position (D/2,) that each pair of a head turns by, float32.

    `linear` divides all by the factor (Chen et al., 2023, arXiv 2306.15595). `llama3` divides those of wavelengths
    above rope_trained / rope_low, keeps those below rope_trained / rope_high, and goes from one to the other between
    (Grattafiori et al., 2024, arXiv 2407.21783; the formula is that of their released code).
    """
    powers = torch.arange(0, config.head_dim, 2, device=device, dtype=torch.float32) / config.head_dim
    plain = config.theta**-powers
    if config.rope == "default":
        return plain
    if config.rope == "linear":
        return plain / config.rope_factor
    turns = config.rope_trained * plain / (2 * math.pi)  # in the positions that were trained on
    kept = ((turns - config.rope_low) / (config.rope_high - config.rope_low)).clamp(0, 1)
    return (1 - kept) * plain / config.rope_factor + kept * plain


def rotary_tables(positions: Tensor, frequencies: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (B, 1, T, D) of the angles at integer positions (B, T), in float32."""
    angles = positions[:, None, :, None].float() * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
    """Turn (B, H, T, D) vectors by their positions' angles, in the half-split layout."""
    cos, sin = tables
    left, right = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-right, left), dim=-1) * sin).to(x.dtype)
