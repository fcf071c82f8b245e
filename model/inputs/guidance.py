"""Classifier-free guidance between two tokens of a prompt: how much more likely is a word under the one?

    l = l_away + w (l_towards - l_away)

are the logits of the next token, where l_towards are those behind the prompt as it is, and l_away those behind the same
prompt with another token in the one's place (Sanchez et al. 2023, arXiv 2306.17806, equation 7, where nothing stands in
its place). A weight of 1 is the prompt as it is, 0 the other; beyond 1 what the one makes likelier counts more than the
model would have it.

The output layer is linear, so that states are mixed in place of logits, and whatever reads or writes with the model is
guided without knowing it. Two passes take twice the time.

Shape letters: B rows, T tokens, C width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Guidance:
    """From the token `away` to the token `towards`, by a weight of 0 or more."""

    towards: int
    away: int
    weight: float

    def instead(self, prompt: Tensor) -> Tensor:
        """Tokens (B, T) of a prompt with the other token in the one's place."""
        return torch.where(prompt == self.towards, self.away, prompt)

    def mixed(self, towards: Tensor, away: Tensor) -> Tensor:
        """States (B, T, C) whose logits are those of the equation above."""
        return away + self.weight * (towards - away)
