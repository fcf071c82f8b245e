"""The shape of a model, checked when it is made."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class ModelConfig:
    """A decoder-only transformer, shaped as Hugging Face's Qwen3 (`model.hf` maps one onto the other).

    Attributes:
        dim: width of the residual stream.
        layers, heads, kv_heads, head_dim: of the attention; `kv_heads` divides `heads`.
        hidden: inner width of the SwiGLU.
        tied: share the embedding with the output layer.
        theta: base of the rotary positions.
        vocab_size: 0 means "as the tokenizer has it", rounded up to a multiple of 64.
    """

    dim: int = 256
    layers: int = 4
    heads: int = 4
    kv_heads: int = 4
    head_dim: int = 64
    hidden: int = 704
    tied: bool = True
    theta: float = 10000.0
    norm_eps: float = 1e-6
    vocab_size: int = 0

    def check(self) -> None:
        """Raises ValueError, naming the key, for a shape that can't be built."""
        for key in ("dim", "layers", "heads", "kv_heads", "head_dim", "hidden", "vocab_size"):
            if getattr(self, key) < 1:
                raise ValueError(f"model.{key}={getattr(self, key)} must be at least 1")
        if self.heads % self.kv_heads:
            raise ValueError(f"model.kv_heads={self.kv_heads} does not divide model.heads={self.heads}")
        if not (math.isfinite(self.theta) and self.theta > 0):
            raise ValueError(f"model.theta={self.theta} must be a number above 0")
        if not (math.isfinite(self.norm_eps) and self.norm_eps >= 0):
            raise ValueError(f"model.norm_eps={self.norm_eps} must be a number, 0 or more")
        if self.head_dim % 2:
            raise ValueError(f"model.head_dim={self.head_dim} must be even (rotary positions turn pairs)")
