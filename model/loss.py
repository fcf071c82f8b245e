"""The loss: negative log-likelihood of each target, in float32.

Shape letters: B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from model.attention import Mask
from model.transformer import Transformer


def token_nll(model: Transformer, tokens: Tensor, positions: Tensor, targets: Tensor, mask: Mask) -> Tensor:
    """Nats (B, T) float32 of int64 targets (B, T); 0 where the target is -100."""
    logits = model(tokens, positions, mask).float()
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)
