"""Muon for the matrices, AdamW for the rest, seen by Lightning as one optimiser with one learning rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from train.config import OptimizerConfig
from train.optim.muon import Muon


class Together(Optimizer):
    """Several optimisers over disjoint parameters that step as one and share one state and one list of groups."""

    def __init__(self, parts: Iterable[Optimizer]) -> None:
        self.parts = list(parts)
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        self._share()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        groups = iter(self.param_groups)
        for part in self.parts:
            part.param_groups = [next(groups) for _ in part.param_groups]
            part.state = self.state


def build_optimizer(
    model: nn.Module,
    config: OptimizerConfig,
    dtype: torch.dtype = torch.bfloat16,
    beside: nn.Module | None = None,
) -> Optimizer:
    """Matrices inside the blocks go to Muon; embeddings, output layer and norms to AdamW, norms without decay.

    What is frozen is left out.

    Args:
        dtype: that Muon orthogonalises in.
        beside: what is trained with the model but is no part of it; it goes to AdamW, without decay.
    """
    config.check()
    inner: list[Tensor] = []
    outer: list[Tensor] = []
    vectors: list[Tensor] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.ndim < 2:
            vectors.append(parameter)
        else:
            (outer if "embed_" in name or "lm_head" in name else inner).append(parameter)
    vectors += [] if beside is None else list(beside.parameters())
    matrices = outer if config.name == "muon" else outer + inner
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    adamw = AdamW(
        groups,
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        weight_decay=config.weight_decay,
        fused=True,
    )
    if config.name == "adamw":
        return adamw
    muon = Muon(inner, config.lr, config.weight_decay, config.momentum, dtype)
    return Together([muon, adamw])


def rate(step: int, steps: int, config: OptimizerConfig) -> float:
    """Share of the peak rate at `step` of `steps`: linear up, constant, linear down to 0 (trapezoid)."""
    up = max(1, round(config.warmup * steps))
    down = max(1, round(config.decay * steps))
    return min(1.0, (step + 1) / up, (steps - step) / down)
