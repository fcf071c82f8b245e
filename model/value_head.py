"""The value head of advantage-weighted regression: how good a text is going to be, read off each hidden state.

Only training has it: it is in checkpoints, and not in the model that is exported.

Shape letters: R rows of T tokens, C width.
"""

from __future__ import annotations

from torch import Tensor, nn


class ValueHead(nn.Module):
    """A linear reading, .5 everywhere at first."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Float32 (R, T) in (0, 1) of hidden states (R, T, C)."""
        read: Tensor = self.linear(hidden)
        return read.squeeze(-1).float().sigmoid()
