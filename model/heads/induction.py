"""Induction heads look for what stood before, and say what came next (Olsson et al. 2022, arXiv 2209.11895).

All scores are of one fixed batch: a mark, then a run of random tokens four times over.

    prefix_matching  attention from a token to those behind its earlier copies, mean over repeats 2 to 4; in [0, 1]
    previous_token   attention from a token to the one before it; in [0, 1]
    copying          of the logits that a head raises among the run's tokens where it looks at one of them, the share of
                     that token itself, as 2 share - 1; in [-1, 1]
    in_context       nats a token of the last repeat less those of the first: below 0 where the context helps

Theirs of the last is the loss at the 500th token less that at the 50th; texts here are too short for it.

Shape letters: B rows, T tokens, L layers, H heads, R tokens of a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from model.heads.patterns import attention_patterns, head_outputs
from model.transformer import Transformer

RUN, REPEATS, ROWS = 25, 4, 8


class Scores(NamedTuple):
    """Of each head, float32 (L, H), and of the model, nats; see the module docstring."""

    prefix_matching: Tensor
    previous_token: Tensor
    copying: Tensor
    in_context: float


def repeated_runs(words: Sequence[int], mark: int, seed: int = 0, rows: int = ROWS) -> Tensor:
    """Random runs of distinct words, each four times behind a mark: int64 (rows, 1 + 4 R).

    The first and the last 4% of the words are left out: a trained vocabulary is ordered by frequency.

    Raises ValueError for fewer words than a run needs.
    """
    ends = len(words) // 25
    kept = sorted(words)[ends : len(words) - ends]
    if len(kept) < RUN:
        raise ValueError(f"{len(words)} words are too few to draw a run of {RUN} from")
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.stack([torch.randperm(len(kept), generator=generator)[:RUN] for _ in range(rows)])
    runs = torch.tensor(kept)[drawn]
    return torch.cat((torch.full((rows, 1), mark), runs.repeat(1, REPEATS)), dim=1)


@torch.no_grad()
def induction_scores(model: Transformer, tokens: Tensor) -> Scores:
    """The scores on `repeated_runs`; the model must not be compiled."""
    device = model.embed_tokens.weight.device
    tokens = tokens.to(device)
    length = tokens.shape[1]
    positions = torch.arange(length, device=device).expand_as(tokens)
    mask = torch.ones(length, length, dtype=torch.bool, device=device).tril()[None, None]
    patterns = attention_patterns(model, tokens, positions, mask)
    logits = model(tokens, positions, mask)
    nll = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), tokens[:, 1:].flatten(), reduction="none"
    ).view(len(tokens), REPEATS, RUN)
    return Scores(
        torch.stack([prefix_matching(pattern) for pattern in patterns]),
        torch.stack([previous_token(pattern) for pattern in patterns]),
        torch.stack([copying(model, layer, tokens[:, 1 : 1 + RUN]) for layer in range(len(patterns))]),
        float(nll[:, -1].mean() - nll[:, 0].mean()),
    )


def prefix_matching(pattern: Tensor) -> Tensor:
    """(H,) from a pattern (B, H, 1 + 4 R, 1 + 4 R)."""
    length = pattern.shape[-1]
    query = torch.arange(1 + RUN, length, device=pattern.device)
    found = torch.zeros(pattern.shape[1], device=pattern.device)
    for back in range(1, REPEATS):
        here = query[query - back * RUN >= 1]
        found += pattern[:, :, here, here - back * RUN + 1].sum(-1).mean(0)
    return found / len(query)


def previous_token(pattern: Tensor) -> Tensor:
    """(H,) from a pattern (B, H, T, T): of all tokens but the first."""
    return pattern.diagonal(offset=-1, dim1=-2, dim2=-1).mean((0, 2))


def copying(model: Transformer, layer: int, runs: Tensor) -> Tensor:
    """(H,) of runs int64 (B, R); a head that raises none of a run's logits has -1."""
    found = []
    for run in runs:
        logits = head_outputs(model, layer, run)  # (H, R, V)
        raised = (logits - logits.mean(-1, keepdim=True))[..., run].clamp(min=0)  # (H, R, R)
        own = raised.diagonal(dim1=-2, dim2=-1)
        share = torch.where(raised.sum(-1) > 0, own / raised.sum(-1).clamp(min=1e-30), 0.0)
        found.append(2 * share.mean(-1) - 1)
    return torch.stack(found).mean(0)
