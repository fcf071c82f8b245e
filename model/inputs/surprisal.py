"""Surprisal fed back: how unlikely each token was to the model itself is a part of what the model reads.

Two passes with the same weights. The first reads the tokens alone, without gradient; with p its distributions,

    u_t = -log p(x_t | x_<t)          h_t = entropy of p(. | x_<t)          nats, both known once x_t is read
    second pass:  the embedding of x_t  +  E_u[bucket(u_t)]  +  E_h[bucket(h_t)]

so that what predicts x_t+1 has seen u_t, never u_t+1: training stays parallel and causal. E_u and E_h begin at zero,
where the second pass is the first. Reading with a cache keeps both passes, so the values are exactly those of training.
Token by token, "before" is what the token sees one position earlier: also across a footnote, and in a branch of a trie.

The source of what is fed is one of `SOURCES`; all but the first two are controls:

    own        the token's own values
    off        nothing: the first pass
    shuffled   those of the token at the same place of another row, half the batch away; a row that is alone has nothing
    constant   one bucket for every token: what more parameters are worth by themselves
    oracle     one bit, told from outside: whether the corpus answers the question. A ceiling, and no system

Buckets are for a model's own text as for others', but mean the opposite there: in a text a surprising token is news, in
one's own words it is a slip. Only training on both tells them apart.

Shape letters: B rows, T new tokens, S slots read so far (with the new ones), C width, V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_mask

from model.attention import Mask
from model.config import SOURCES

EDGES = (0.1, 0.3, 0.7, 1.5, 3.0, 5.0, 8.0)  # nats; a value on an edge belongs below it
NOTHING, LEAST, MOST = 0, 1, len(EDGES) + 1  # bucket of what has no value; buckets of values
PRIME = 2_147_483_647


class Told(NamedTuple):
    """What training says besides the text: bool (B, 1) rows that are fed; bool (B, T), what an oracle knows."""

    fed: Tensor
    known: Tensor | None


def bucket(nats: Tensor) -> Tensor:
    """Which of the buckets 1 to 8 each value is in, int64 of the same shape."""
    return torch.bucketize(nats, torch.tensor(EDGES, device=nats.device, dtype=nats.dtype)) + LEAST


def before(positions: Tensor, slots: Tensor, mask: Mask) -> Tensor:
    """The slot of the token before each: the one that it sees one position earlier. int64 (B, T), -1 for none.

    Args:
        positions: int64 (B, T), of the new tokens.
        slots: int64 (B, S), of all that were read.
        mask: as `model.attention.attend` takes it.
    """
    (rows, new), size = positions.shape, slots.shape[1]
    if isinstance(mask, BlockMask):
        seen = create_mask(mask.mask_mod, rows, None, new, size, device=str(positions.device))[:, 0]
    elif mask is None:
        seen = torch.ones(1, new, size, dtype=torch.bool, device=positions.device).tril(size - new)
    else:
        seen = mask[:, 0]
    found = seen & (slots[:, None, :] == positions[:, :, None] - 1)
    return torch.where(found.any(-1), found.to(torch.uint8).argmax(-1), -1)


def surprise(logits: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Surprisal of int64 tokens (B, T) and entropy, float32 (B, T) in nats, under logits (B, T, V)."""
    scores = logits.float().log_softmax(-1)
    surprisal = -scores.gather(-1, tokens[..., None])[..., 0]
    return surprisal, -(scores.exp() * scores).sum(-1)


def kept(tokens: Tensor, dropout: float) -> Tensor:
    """Which rows of int64 tokens (B, T) are fed in training: bool (B, 1), all but about a share `dropout`.

    A pure function of the row, so that no order, number of processes or second try changes it. What is not fed is how
    the first pass reads, which has to stay as good as a model that has no second.
    """
    places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
    drawn = (tokens * places).sum(1) % PRIME * 1_103_515_245 % PRIME
    return (drawn >= dropout * PRIME)[:, None]


class SurprisalFeedback(nn.Module):
    """The two tables of embeddings, and where their buckets come from.

    Attributes:
        source: one of `SOURCES`; may be set anew to ask what the values are worth.
        dropout: share of rows of training that are not fed, for `kept`.
    """

    def __init__(self, dim: int, source: str = "own") -> None:
        super().__init__()
        if source not in SOURCES:
            raise ValueError(f"the source of surprisal is {source!r}, not one of {', '.join(SOURCES)}")
        self.source, self.dropout = source, 0.0
        # from_pretrained, since a new Embedding would draw random numbers that the rest of the model then lacks
        self.embed_surprisal, self.embed_entropy = (
            nn.Embedding.from_pretrained(torch.zeros(MOST + 1, dim), freeze=False, padding_idx=NOTHING)
            for _ in range(2)
        )

    @property
    def reads(self) -> bool:
        """Whether a first pass is needed."""
        return self.source in ("own", "shuffled")

    @property
    def paired(self) -> bool:
        """Whether what a row is fed hangs on the rows beside it."""
        return self.source == "shuffled"

    def embed(self, surprisal: Tensor, entropy: Tensor) -> Tensor:
        """What is added (B, T, C) for buckets (B, T) of a first pass."""
        if self.paired:
            rows = len(surprisal)
            if rows == 1:
                surprisal, entropy = torch.full_like(surprisal, NOTHING), torch.full_like(entropy, NOTHING)
            surprisal, entropy = surprisal.roll(rows // 2, 0), entropy.roll(rows // 2, 0)
        found: Tensor = self.embed_surprisal(surprisal) + self.embed_entropy(entropy)
        return found

    def embed_told(self, tokens: Tensor, known: Tensor | None) -> Tensor:
        """What is added (B, T, C) by a source without a first pass; `known`: bool (B, T) or (B, 1), for the oracle."""
        buckets = torch.full_like(tokens, NOTHING)
        if self.source == "constant":
            buckets = torch.full_like(tokens, LEAST)
        elif self.source == "oracle" and known is not None:
            buckets = torch.where(known, MOST, LEAST).expand_as(tokens)
        found: Tensor = self.embed_surprisal(buckets)
        return found
