"""What each attention head looks at, and the model with some of them silenced.

Shape letters: B rows, T tokens, H query heads, G key-value heads, D head width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from model.transformer import Transformer

Head = tuple[int, int]  # layer and head, from 0


@torch.no_grad()
def attention_patterns(model: Transformer, tokens: Tensor, positions: Tensor, mask: Tensor) -> list[Tensor]:
    """Of each layer how much each token looks at each: float32 (B, H, T, T), queries first; rows sum to 1.

    Args:
        tokens, positions: int64 (B, T); mask: bool, broadcasts to (B, H, T, T). The model must not be compiled.
    """
    found: list[Tensor] = []

    def look(attention: Any, inputs: tuple[Any, ...]) -> None:
        query, key, _ = attention.project(inputs[0], inputs[1])
        key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
        scores = (query @ key.transpose(-2, -1)).float() * query.shape[-1] ** -0.5
        found.append(scores.masked_fill(~mask, float("-inf")).softmax(-1))

    with ExitStack() as hooks:
        for block in model.layers:
            handle = block.self_attn.register_forward_pre_hook(look)  # type: ignore[union-attr]
            hooks.callback(handle.remove)
        model.hidden(tokens, positions, mask)
    return found


@contextmanager
def silenced(model: Transformer, heads: Sequence[Head]) -> Iterator[None]:
    """The model with what these heads write set to 0, as long as the context lasts; it must not be compiled.

    Later layers' patterns change with it: this is zero ablation, not the pattern-preserving one of Olsson et al. 2022.
    In the last layer, where there is nothing later, both are the same.
    """
    width = model.config.head_dim

    def silence(chosen: Sequence[int]) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            kept = inputs[0].clone()
            for head in chosen:
                kept[..., head * width : (head + 1) * width] = 0
            return (kept,)

        return hook

    with ExitStack() as hooks:
        for layer, block in enumerate(model.layers):
            if chosen := [head for at, head in heads if at == layer]:
                output: nn.Linear = block.self_attn.o_proj  # type: ignore[union-attr, assignment]
                hooks.callback(output.register_forward_pre_hook(silence(chosen)).remove)
        yield


def head_outputs(model: Transformer, layer: int, tokens: Tensor) -> Tensor:
    """Logits (H, N, V), float32, that each head of a layer writes where it looks at one of N tokens alone.

    The direct path: the token's embedding through the layer's norm, values and output of the head, then the final norm
    without its division, which is the same for all logits, and the output layer. Positions play no part in it. For
    families with the norm before attention.
    """
    block, config = model.layers[layer], model.config
    attention: Any = block.self_attn
    x = block.input_layernorm(model.embed_tokens(tokens))  # type: ignore[operator]
    value = attention.v_proj(x).view(len(tokens), config.kv_heads, config.head_dim)
    value = value.repeat_interleave(config.heads // config.kv_heads, dim=1)  # (N, H, D)
    output = attention.o_proj.weight.view(config.dim, config.heads, config.head_dim)
    written = torch.einsum("nhd,chd->hnc", value, output) * model.norm.weight
    return model.lm_head(written).float()
