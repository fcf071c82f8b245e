"""The loss: negative log-likelihood of each target, in float32.

Shape letters: B rows, T tokens, C width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.attention import Mask
from model.transformer import Transformer


def head_nll(head: nn.Module, x: Tensor, targets: Tensor) -> Tensor:
    """Nats (B, T) float32 of int64 targets (B, T) under hidden states (B, T, C); 0 where the target is -100."""
    logits = head(x).float()
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)


@cache
def _compiled_head_nll() -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
    """At the first use: torch's compiler takes seconds to import."""
    return torch.compile(head_nll, fullgraph=True, dynamic=False)


def compile_model(model: Transformer) -> None:
    """Compile in place, for `token_nll`: block by block, since blocks share one graph, which compiles soonest."""
    for block in model.layers:
        block.compile(fullgraph=True, dynamic=False)
    model.compiled = True


def token_nll(model: Transformer, tokens: Tensor, positions: Tensor, targets: Tensor, mask: Mask) -> Tensor:
    """Nats (B, T) float32 of int64 targets (B, T); 0 where the target is -100."""
    nll = _compiled_head_nll() if model.compiled else head_nll
    return nll(model.lm_head, model.hidden(tokens, positions, mask), targets)
