"""Muon (Jordan et al., 2024), with the number format of its iteration left open.

`torch.optim.Muon` orthogonalises in bf16 whatever the rest is computed in. A CPU without bf16 takes some hundred times
as long for that, and bf16's rounding turns the last bit of a sum into a tenth of a later loss, so that no float32
training could be compared between machines. In bf16 the two are the same, bit for bit (a test says so).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration, Jordan et al.
ITERATIONS = 5
TINY = 1e-7


class Muon(Optimizer):
    """Momentum (Nesterov's), orthogonalised, for matrices.

    The learning rate is scaled to AdamW's update size: 0.2 sqrt(max(rows, columns))
    (Liu et al., 2025, arXiv 2502.16982).

    Args:
        dtype: of the iteration.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float, weight_decay: float, momentum: float, dtype: torch.dtype
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                average = state["momentum_buffer"].lerp_(parameter.grad, 1 - group["momentum"])
                update = orthogonalise(parameter.grad.lerp(average, group["momentum"]), self.dtype)
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update, alpha=-group["lr"] * 0.2 * math.sqrt(max(parameter.shape)))
        return loss


def orthogonalise(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """About U V^T of a matrix U S V^T, by Newton-Schulz iterations in `dtype`: singular values near 1."""
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.to(dtype)
    x = x.T if tall else x
    x = x / x.norm().clamp(min=TINY)  # no singular value above 1
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
