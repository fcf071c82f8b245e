"""Packing: samples into rows of fixed length, best-fit decreasing (Johnson et al., 1974), never cropping.

Shape letters: R rows of T tokens.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.pipeline.sample import IGNORE, Sample, assemble


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
        weight: float32, of the target in the loss; 0 where nothing is predicted.
        objective: int8, label of the target, which an objective of train/objectives may go by.
        score: float32, of the target: how good the sentence is that it stands in, from 0 to 1.
        own: bool, a token that the model wrote itself.
    """

    tokens: Tensor
    targets: Tensor
    positions: Tensor
    doc: Tensor
    span: Tensor
    note: Tensor
    kind: Tensor
    weight: Tensor
    objective: Tensor
    score: Tensor
    own: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(getattr(self, name).to(device, non_blocking=True) for name in Batch.__slots__))


def collate(rows: Sequence[Sequence[Sample]], length: int, pad: int) -> Batch:
    """Lay samples side by side in rows of `length` tokens."""
    samples = [sample for row in rows for sample in row]
    laid = assemble([sample.parts for sample in samples], samples[0].end_src)
    used = [sum(map(len, row)) for row in rows]
    assert max(used) <= length, "a row is over-full"
    at = np.concatenate([np.arange(size) + number * length for number, size in enumerate(used)])
    number = np.array([number for row in rows for number in range(len(row))])[laid.sample]

    def spread(values: NDArray, empty: int, dtype: type) -> Tensor:
        places: NDArray = np.full(len(rows) * length, empty, dtype=dtype)
        places[at] = values
        return torch.from_numpy(places.reshape(len(rows), length))

    return Batch(
        tokens=spread(laid.tokens, pad, np.int64),
        targets=spread(laid.targets, IGNORE, np.int64),
        positions=spread(laid.positions, 0, np.int64),
        doc=spread(number, -1, np.int32),
        span=spread(laid.span, -1, np.int32),
        note=spread(laid.note, False, np.bool_),
        kind=spread(laid.kind, 0, np.int8),
        weight=spread(laid.weight, 0, np.float32),
        objective=spread(laid.objective, 0, np.int8),
        score=spread(laid.score, 0, np.float32),
        own=spread(laid.own, False, np.bool_),
    )
