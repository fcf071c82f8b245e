"""The loss: negative log-likelihood of each target, in float32.

Shape letters: B rows, T tokens, C width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.attention import Mask
from model.transformer import Transformer


def head_nll(head: nn.Module, x: Tensor, targets: Tensor) -> Tensor:
    """Nats (B, T) float32 of int64 targets (B, T) under hidden states (B, T, C); 0 where the target is -100."""
    logits = head(x).float()
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)


def head_nll_beside(head: nn.Module, x: Tensor, targets: Tensor, other: int) -> tuple[Tensor, Tensor, Tensor]:
    """`head_nll`; in the place of each target the nats of the token `other`; and, without gradient, of the likeliest.

    All from one sum over the vocabulary, which costs more than anything else here.
    """
    logits = head(x).float()
    total = logits.logsumexp(-1)
    said = logits.gather(-1, targets.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    nll = torch.where(targets < 0, 0.0, total - said)
    return nll, total - logits[..., other], (total - logits.amax(-1)).detach()


@cache
def _compiled(nll: Callable[..., Any]) -> Callable[..., Any]:
    """At the first use: torch's compiler takes seconds to import."""
    return torch.compile(nll, fullgraph=True, dynamic=False)


def compile_model(model: Transformer) -> None:
    """Compile in place, for `token_nll`: block by block, since blocks share one graph, which compiles soonest."""
    for block in model.layers:
        block.compile(fullgraph=True, dynamic=False)
    model.compiled = True


def token_nll(model: Transformer, tokens: Tensor, positions: Tensor, targets: Tensor, mask: Mask) -> Tensor:
    """Nats (B, T) float32 of int64 targets (B, T); 0 where the target is -100."""
    return hidden_nll(model, model.hidden(tokens, positions, mask), targets)


def hidden_nll(model: Transformer, hidden: Tensor, targets: Tensor) -> Tensor:
    """`token_nll` from hidden states (B, T, C)."""
    found: Tensor = (_compiled(head_nll) if model.compiled else head_nll)(model.lm_head, hidden, targets)
    return found


def hidden_nll_beside(model: Transformer, hidden: Tensor, targets: Tensor, other: int) -> tuple[Tensor, Tensor, Tensor]:
    """`head_nll_beside` from hidden states (B, T, C)."""
    beside = _compiled(head_nll_beside) if model.compiled else head_nll_beside
    found: tuple[Tensor, Tensor, Tensor] = beside(model.lm_head, hidden, targets, other)
    return found
