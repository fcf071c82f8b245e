"""Families of checkpoints: what the models of one `model_type` of Hugging Face have that others have not.

There is one transformer (`model.transformer`); a family is how it is set. All of them have RMSNorm, rotary positions,
grouped-query attention and SwiGLU, and their tensors have the same names here and there. To add a family is to add an
entry here, and to `model.transformer` what no entry can say yet; tests/model/test_families.py compares each with
transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Family:
    """What a `model_type` stands for.

    Attributes:
        architecture: the class of transformers.
        qk_norm: RMSNorm of queries and keys: "head", each head by itself; "width", all heads as one vector; "", none.
        norm_after: norms follow attention and SwiGLU, within the residual branch, in place of preceding them.
        qkv_bias: queries, keys and values have biases.
        windowed: of four layers three look back no further than `model.window`.
        absent: what keys mean that a config.json lacks, where transformers has a value for them.
    """

    architecture: str
    qk_norm: str = ""
    norm_after: bool = False
    qkv_bias: bool = False
    windowed: bool = False
    absent: Mapping[str, Any] = field(default_factory=dict)


FAMILIES: Mapping[str, Family] = {
    "qwen3": Family("Qwen3ForCausalLM", qk_norm="head", absent={"head_dim": 128}),
    "qwen2": Family("Qwen2ForCausalLM", qkv_bias=True),
    "llama": Family("LlamaForCausalLM", absent={"rope_theta": 10000.0}),  # SmolLM2, TinyLlama, Llama 2 and 3
    "olmo2": Family("Olmo2ForCausalLM", qk_norm="width", norm_after=True),
    "olmo3": Family("Olmo3ForCausalLM", qk_norm="width", norm_after=True, windowed=True),
}
REFUSED: Mapping[str, str] = {  # model types that one might expect here, and what stands against them
    "gpt_neox": "its blocks differ: LayerNorm with biases, attention beside the MLP, positions on a part of each head",
    "olmo": "its LayerNorm has no weights",
}


def window_layers(layers: int) -> list[str]:
    """OLMo-3's kinds of layers as transformers names them: every fourth sees everything."""
    return ["full_attention" if (layer + 1) % 4 == 0 else "sliding_attention" for layer in range(layers)]
