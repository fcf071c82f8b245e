"""The shape of a model, checked when it is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from configs.keys import Range, Section, at_least, key, one_of
from model.families import FAMILIES, Family

SOURCES = (
    "own",
    "off",
    "shuffled",
    "constant",
    "oracle",
)  # of surprisal that is fed back; see model/inputs/surprisal.py


@dataclass
class ModelConfig(Section):
    """A decoder-only transformer (`model.hf_config` maps it onto config.json); not used with `init`."""

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
    family: str = key("qwen3", "where its norms and biases stand (model/families.py)", one_of(*FAMILIES))
    window: int = key(0, "tokens of a row at most, for olmo3, whose layers look back no further; else 0", at_least(0))
    rope: str = key("default", "how rotary positions are stretched", one_of("default", "linear", "llama3"))
    rope_factor: float = key(1.0, "how far", at_least(1))
    rope_low: float = key(1.0, "llama3: of wavelengths, relative to rope_trained, that are stretched", at_least(0))
    rope_high: float = key(4.0, "llama3: of wavelengths that are kept; those between in part", at_least(0))
    rope_trained: int = key(8192, "llama3: positions before stretching", at_least(1))

    @property
    def form(self) -> Family:
        return FAMILIES[self.family]

    def contradictions(self, path: str) -> Iterator[str]:
        if self.heads % self.kv_heads:
            yield f"{path}.kv_heads={self.kv_heads} does not divide {path}.heads={self.heads}"
        if self.head_dim % 2:
            yield f"{path}.head_dim={self.head_dim} must be even (rotary positions turn pairs)"
        if self.form.windowed != bool(self.window):
            yield f"{path}.window={self.window}: must be {'above 0' if self.form.windowed else '0'} for {self.family}"
        if self.form.windowed and self.rope != "default":  # transformers stretches the layers without a window only
            yield f"{path}.rope={self.rope}: must be default for {self.family}"
        if self.rope == "llama3" and self.rope_low >= self.rope_high:
            yield f"{path}.rope_low={self.rope_low} must be below {path}.rope_high={self.rope_high}"

    def parameters(self, vocabulary: int) -> int:
        """How many weights it has with so many tokens."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        attention = 2 * self.dim * (queries + keys)
        attention += {"head": 2 * self.head_dim, "width": queries + keys, "": 0}[self.form.qk_norm]
        attention += (queries + 2 * keys) * self.form.qkv_bias
        block = attention + 3 * self.dim * self.ffn_dim + 2 * self.dim
        return self.layers * block + self.dim + self.dim * vocabulary * (1 if self.tied else 2)
