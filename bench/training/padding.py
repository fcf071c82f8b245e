"""Plain documents as most people feed them: one a row, filled up to the longest of the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

IGNORE = -100


def read_rows(path: Path) -> list[np.ndarray]:
    """The documents of a table as `bench.inputs.fill` writes it."""
    return [row[row >= 0] for row in np.load(path)]


def batch_size(places: int, rows: Sequence[np.ndarray]) -> int:
    """The most rows that fit into `places` whatever their length: that many of the longest."""
    return max(1, places // max(map(len, rows)))


def pad(rows: Sequence[np.ndarray], filler: int) -> dict[str, Tensor]:
    """int64 (rows, longest of them): input_ids, attention_mask, and labels that ignore the filling."""
    width = max(map(len, rows))
    tokens = torch.full((len(rows), width), filler)
    mask = torch.zeros_like(tokens)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = torch.as_tensor(row.astype(np.int64))
        mask[index, : len(row)] = 1
    return {"input_ids": tokens, "attention_mask": mask, "labels": tokens.masked_fill(mask == 0, IGNORE)}


def batches(rows: Sequence[np.ndarray], size: int, filler: int, seed: int) -> Iterator[dict[str, Tensor]]:
    """Endless: a new order each epoch, whole batches only."""
    if len(rows) < size:
        raise ValueError(f"{len(rows)} documents do not fill a batch of {size}: raise documents or lower rows")
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(rows), generator=generator).tolist()
        for at in range(0, len(order) - size + 1, size):
            yield pad([rows[index] for index in order[at : at + size]], filler)
