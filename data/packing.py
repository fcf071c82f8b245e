"""Packing: samples into rows of fixed length, best-fit decreasing (Johnson et al., 1974), never cropping.

Shape letters: R rows of T tokens.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.tags import IGNORE, Sample


def pack(lengths: Sequence[int], row: int) -> list[list[int]]:
    """Which samples share a row: each index exactly once, no row over `row` tokens.

    Deterministic. Raises ValueError when a sample is longer than a row.
    """
    rows: list[list[int]] = []
    space: list[tuple[int, int]] = []  # (room left, row), sorted
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        length = lengths[index]
        if length > row:
            raise ValueError(f"a sample of {length} tokens does not fit a row of {row}")
        at = bisect_left(space, (length, -1))
        if at == len(space):
            rows.append([])
            room, target = row, len(rows) - 1
        else:
            room, target = space.pop(at)
        rows[target].append(index)
        if room > length:
            insort(space, (room - length, target))
    return rows


@dataclass(frozen=True, slots=True)
class Batch:
    """Packed rows; all tensors are (R, T).

    Attributes:
        tokens: int64 inputs, `pad` where a row has room left.
        targets: int64, `IGNORE` where nothing is predicted.
        positions: int64 rotary positions, from 0 in each sample.
        doc: int32, which sample of its row a token belongs to; -1 for padding.
        span: int32, which sentence of its sample.
        note: bool, part of a footnote.
        kind: int8 kind of the target.
    """

    tokens: Tensor
    targets: Tensor
    positions: Tensor
    doc: Tensor
    span: Tensor
    note: Tensor
    kind: Tensor


def collate(rows: Sequence[Sequence[Sample]], length: int, pad: int) -> Batch:
    """Lay samples side by side in rows of `length` tokens."""
    shape = (len(rows), length)
    tokens = np.full(shape, pad, dtype=np.int64)
    targets = np.full(shape, IGNORE, dtype=np.int64)
    positions, doc = np.zeros(shape, dtype=np.int64), np.full(shape, -1, dtype=np.int32)
    span, note = np.full(shape, -1, dtype=np.int32), np.zeros(shape, dtype=np.bool_)
    kind = np.zeros(shape, dtype=np.int8)
    for r, samples in enumerate(rows):
        start = 0
        for d, sample in enumerate(samples):
            here = (r, slice(start, start + len(sample)))
            tokens[here], targets[here], positions[here] = sample.tokens, sample.targets, sample.positions
            doc[here], span[here], note[here], kind[here] = d, sample.span, sample.note, sample.kind
            start += len(sample)
    return Batch(*(torch.from_numpy(array) for array in (tokens, targets, positions, doc, span, note, kind)))
