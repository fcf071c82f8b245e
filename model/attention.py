"""Who may look at whom, behind one interface: SDPA with a mask, or compiled flex attention on a GPU.

A query sees a key when both are in the same sample of the row, the key is not later, and

    the query is text:        the key is text
    the query is a footnote:  the key is of its own sentence (its text, or the footnote itself)

`visible` is that rule, once; both implementations are made from it.

Shape letters: B rows, T queries, S keys, H query heads, G key-value heads, D head width.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

Mask = Tensor | BlockMask | None


@cache
def _compiled(function: Callable[..., Any], dynamic: bool | None) -> Callable[..., Any]:
    """At the first use: torch's compiler takes seconds to import, and what runs on a CPU needs none of this."""
    return torch.compile(function, dynamic=dynamic)


def visible(later: Tensor, same_doc: Tensor, same_span: Tensor, query_note: Tensor, key_note: Tensor) -> Tensor:
    """The rule, elementwise on bool tensors that broadcast."""
    return ~later & same_doc & torch.where(query_note, same_span, ~key_note)


def dense_mask(doc: Tensor, span: Tensor, note: Tensor) -> Tensor:
    """The rule as a bool tensor (B, 1, T, T), true where a query (dim 2) sees a key (dim 3).

    Args:
        doc, span: (B, T) integers; note: (B, T) bool. Padding has doc -1 and sees padding only.
    """
    steps = torch.arange(doc.shape[1], device=doc.device)
    mask = visible(
        steps[:, None] < steps[None, :],
        doc[:, :, None] == doc[:, None, :],
        span[:, :, None] == span[:, None, :],
        note[:, :, None],
        note[:, None, :],
    )
    return mask[:, None]


def block_mask(doc: Tensor, span: Tensor, note: Tensor) -> BlockMask:
    """The rule as flex attention's block-sparse mask; arguments as for `dense_mask`."""

    def rule(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return visible(q < k, doc[b, q] == doc[b, k], span[b, q] == span[b, k], note[b, q], note[b, k])

    rows, length = doc.shape
    create = _compiled(create_block_mask, None) if doc.is_cuda else create_block_mask
    return create(rule, rows, None, length, length, device=str(doc.device))


def training_mask(doc: Tensor, span: Tensor, note: Tensor) -> Mask:
    """The mask in the form that is fastest where the tensors are."""
    return block_mask(doc, span, note) if doc.is_cuda else dense_mask(doc, span, note)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Mask) -> Tensor:
    """Scaled dot-product attention: (B, H, T, D) queries on (B, G, S, D) keys and values to (B, H, T, D).

    `mask` is a bool tensor that broadcasts to (B, H, T, S), a BlockMask, or None for plain causal attention.
    """
    grouped = query.shape[1] != key.shape[1]
    if isinstance(mask, BlockMask):
        # In a block that is compiled, it is compiled with the block.
        alone = query.is_cuda and not torch.compiler.is_compiling()
        attention: Any = _compiled(flex_attention, False) if alone else flex_attention
        return attention(query, key, value, block_mask=mask, enable_gqa=grouped)
    if mask is not None and query.device.type == "cpu" and torch.is_grad_enabled():
        return explicit(query, key, value, mask)
    if query.device.type == "cpu" and value.dtype == torch.bfloat16:  # where the fused kernel takes 5 times float32's
        y = attend(query.float(), key.float(), value.float(), mask)
        return y.to(value.dtype)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None, enable_gqa=grouped)


def explicit(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """`attend` written out, with the softmax in float32.

    For training on a CPU: compiled, its backward pass runs several times faster than that of the fused kernel there.
    """
    if query.shape[1] != key.shape[1]:
        key, value = (x.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for x in (key, value))
    scores = (query @ key.transpose(-2, -1)).float() * query.shape[-1] ** -0.5
    weights = scores.masked_fill(~mask, float("-inf")).softmax(-1)
    return weights.to(value.dtype) @ value
