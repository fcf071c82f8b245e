"""The shape of a model, checked when it is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from configs.keys import Range, Section, at_least, key


@dataclass
class ModelConfig(Section):
    """A decoder-only transformer, shaped as Hugging Face's Qwen3 (`model.hf` maps one onto the other)."""

    section: ClassVar[str] = "model"

    dim: int = key(256, "width of the residual stream", at_least(1))
    layers: int = key(4, "blocks of attention and SwiGLU", at_least(1))
    heads: int = key(4, "query heads of the attention", at_least(1))
    kv_heads: int = key(4, "key and value heads; they divide heads", at_least(1))
    head_dim: int = key(64, "width of a head; even", at_least(1))
    ffn_dim: int = key(704, "inner width of the SwiGLU", at_least(1))
    tied: bool = key(True, "share the embedding with the output layer")
    theta: float = key(10000.0, "base of the rotary positions", at_least(1))
    norm_eps: float = key(1e-6, "of RMSNorm", Range("above 0 and at most 1", lambda value: 0 < value <= 1))
    vocab_size: int = key(0, "0 for the tokenizer's, rounded up to a multiple of 64", at_least(0))

    def contradictions(self, path: str) -> Iterator[str]:
        if self.heads % self.kv_heads:
            yield f"{path}.kv_heads={self.kv_heads} does not divide {path}.heads={self.heads}"
        if self.head_dim % 2:
            yield f"{path}.head_dim={self.head_dim} must be even (rotary positions turn pairs)"

    def parameters(self, vocabulary: int) -> int:
        """How many weights it has with so many tokens."""
        attention = 2 * self.dim * (self.heads + self.kv_heads) * self.head_dim + 2 * self.head_dim
        block = attention + 3 * self.dim * self.ffn_dim + 2 * self.dim
        return self.layers * block + self.dim + self.dim * vocabulary * (1 if self.tied else 2)
