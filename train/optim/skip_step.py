"""No step on a gradient that is not finite; on request, none on a spike either. Without asking the device.

A spike is a gradient norm more than `sigmas` standard deviations above the mean of the last 128 (OLMo-core's
SkipStepOptimizer, Apache-2.0, does so with losses and norms). All of it is arithmetic on tensors that stay where they
are: the weights before the step come back through `torch.where`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

WINDOW = 128
ENOUGH = 32  # norms seen before a deviation means anything
REMEDY = "lower the learning rate, or set optimizer.skip to leave such steps out"


class Guard(nn.Module):
    """Judges every step before it is made; its state is part of the checkpoint.

    Args:
        sigmas: how far above the mean a norm is a spike; 0 skips nothing and stops at a gradient that is not finite.
    """

    norms: Tensor
    seen: Tensor
    skipped: Tensor

    def __init__(self, sigmas: float) -> None:
        super().__init__()
        self.sigmas = sigmas
        self.register_buffer("norms", torch.zeros(WINDOW))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("skipped", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def judge(self, norm: Tensor, finite: Tensor) -> Tensor:
        """Whether to make the step: bool (), of the gradient's norm and of whether the loss was finite, both ().

        Without `sigmas` this raises FloatingPointError on a CPU; a CUDA device stops at once (its kernels assert).
        """
        ok = norm.isfinite() & finite
        if not self.sigmas:
            if norm.is_cuda:
                torch._assert_async(ok, f"the loss or its gradient is not finite: {REMEDY}")
            elif not ok:
                raise FloatingPointError(f"the loss or its gradient is not finite (norm {float(norm)}): {REMEDY}")
            return ok
        count = self.seen.clamp(max=WINDOW)
        known = torch.arange(WINDOW, device=norm.device) < count
        mean = (self.norms * known).sum() / count.clamp(min=1)
        variance = ((self.norms - mean).square() * known).sum() / (count - 1).clamp(min=1)
        ok = ok & ((count < ENOUGH) | (norm <= mean + self.sigmas * variance.sqrt()))
        # A spike counts among the norms, or a new level of them would be skipped for ever; infinity would spoil them.
        here = torch.arange(WINDOW, device=norm.device) == self.seen % WINDOW
        self.norms.copy_(torch.where(here & norm.isfinite(), norm, self.norms))
        self.seen += norm.isfinite()
        self.skipped += ~ok
        return ok


@torch.no_grad()
def keep_where(ok: Tensor, parameters: Sequence[nn.Parameter], before: Sequence[Tensor]) -> None:
    """Take back what a step did to the parameters unless `ok`: bool ()."""
    for parameter, old in zip(parameters, before, strict=True):
        parameter.copy_(torch.where(ok, parameter, old))
