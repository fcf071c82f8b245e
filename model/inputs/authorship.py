"""Who wrote it: a mark on each token, SELF for what the model wrote itself and WORLD for everything else.

What it reads is news about the world; what it wrote itself is not, and a plain language model can't tell the two apart.
The embedding of a token of its own is

    x_t = E[token] + E_self          of all others  x_t = E[token]

E_self begins at zero, so that until it is trained a mark changes nothing, and WORLD stays what the model was trained on
before there were marks. It has to be learnt on the model's own samples (data/pipeline/questions/own_texts.py). When it
generates, what it reads back is marked by itself; whether a text that it is given is marked is up to whoever gives it,
so the same words can be read with the mark and without.

Shape letters: B rows, T tokens, C width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WORLD, SELF = 0, 1


class AuthorMark(nn.Module):
    """The embedding of marks: a row of zeros that is never learnt, and E_self."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        # from_pretrained, since a new Embedding would draw random numbers that the rest of the model then lacks
        self.embed_author = nn.Embedding.from_pretrained(torch.zeros(2, dim), freeze=False, padding_idx=WORLD)

    def forward(self, own: Tensor) -> Tensor:
        """What is added (B, T, C) where bool (B, T) says which tokens are the model's own."""
        found: Tensor = self.embed_author(own.long())
        return found
