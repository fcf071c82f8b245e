"""Low-rank adapters (LoRA; Hu et al. 2022, arXiv 2106.09685): a checkpoint goes on while nearly all of it stands still.

    y = W x + (alpha / r) B A x        W (out, in) frozen; A (r, in) drawn, B (out, r) zero at first

So at first nothing changes, and what is kept beside the weights for training (gradient and moments) is kept for A and B
only. Tokens that the checkpoint did not know have rows of their own to learn, in the embedding and in the output layer,
which no low-rank addition would give them: these rows are trained as they are, those of known tokens are frozen.

At the end of a training all of it is merged, and the model is one like any other; a training after it begins with new
adapters (as in ReLoRA, Lialin et al. 2023, arXiv 2307.05695, whose restarts these are at the stages of a run).

Shape letters: K known tokens, N new ones, C width, r rank.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.transformer import Transformer
from train.config import LoRAConfig


class Adapted(nn.Module):
    """A linear layer, frozen, and what is added to it."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base, self.scale = base, alpha / rank
        self.down = nn.Parameter(base.weight.new_empty(rank, base.in_features))
        self.up = nn.Parameter(base.weight.new_zeros(base.out_features, rank))
        nn.init.normal_(self.down, std=1 / math.sqrt(base.in_features))

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.base(x) + self.scale * F.linear(F.linear(x, self.down), self.up)
        return added

    def merged(self) -> nn.Linear:
        self.base.weight += self.scale * self.up @ self.down
        return self.base


class GrownEmbedding(nn.Module):
    """An embedding of K known tokens, frozen, and N new ones behind them."""

    def __init__(self, base: nn.Embedding, new: nn.Parameter) -> None:
        super().__init__()
        self.base, self.new = base, new

    @property
    def weight(self) -> Tensor:
        """All rows (K + N, C), for what reads an embedding as a matrix while a model is adapted."""
        return torch.cat((self.base.weight, self.new))

    def forward(self, tokens: Tensor) -> Tensor:
        known = len(self.base.weight)
        old = self.base(tokens.clamp(max=known - 1))
        return torch.where((tokens < known)[..., None], old, F.embedding((tokens - known).clamp(min=0), self.new))


class GrownHead(nn.Module):
    """The same for the output layer."""

    def __init__(self, base: nn.Linear, new: nn.Parameter) -> None:
        super().__init__()
        self.base, self.new = base, new

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.base(x), F.linear(x, self.new)), -1)


def add_adapters(model: Transformer, config: LoRAConfig, known: int) -> int:
    """Freeze the model in place but for adapters and the rows of new tokens; how many parameters are trained.

    Args:
        known: rows of the vocabulary, from the first on, that are frozen: at least 1, and fewer than there are.
    """
    model.requires_grad_(False)
    for parent in list(model.layers.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Linear) and name in config.targets:
                setattr(parent, name, Adapted(layer, config.rank, config.alpha))
    embedding, head = model.embed_tokens, model.lm_head
    embedding.weight, new = _parted(embedding.weight, known)
    head.weight, further = (embedding.weight, new) if model.config.tied else _parted(head.weight, known)
    model.embed_tokens, model.lm_head = GrownEmbedding(embedding, new), GrownHead(head, further)  # type: ignore[assignment]
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@torch.no_grad()
def merge_adapters(model: Transformer) -> None:
    """Make of an adapted model, in place, one without adapters that says the same."""
    for parent in list(model.layers.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, Adapted):
                setattr(parent, name, layer.merged())
    for name in ("embed_tokens", "lm_head"):
        grown = getattr(model, name)
        grown.base.weight = nn.Parameter(torch.cat((grown.base.weight, grown.new)))
        setattr(model, name, grown.base)
    if model.config.tied:
        model.lm_head.weight = model.embed_tokens.weight
    model.requires_grad_(True)


def _parted(weight: Tensor, known: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Known rows, frozen, and new ones, each in memory of its own."""
    return nn.Parameter(weight[:known].clone(), requires_grad=False), nn.Parameter(weight[known:].clone())
