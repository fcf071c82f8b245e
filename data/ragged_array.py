"""Many short arrays in one: a million of them cost their bytes, not a million objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

CHUNK = 65_536  # arrays held as objects at once


class Ragged(Sequence[NDArray[np.int32]]):
    """A sequence of int32 arrays of any lengths; items are views.

    Attributes:
        flat: all of them one behind the other.
        ends: where each ends, int64; one more than there are arrays, the first is 0.
    """

    def __init__(self, arrays: Iterable[NDArray[np.int32]]) -> None:
        rest = iter(arrays)
        flat: list[NDArray[np.int32]] = [np.zeros(0, dtype=np.int32)]
        sizes: list[NDArray[np.int64]] = [np.zeros(1, dtype=np.int64)]
        while chunk := list(islice(rest, CHUNK)):
            flat.append(np.concatenate(chunk))
            sizes.append(np.array([len(array) for array in chunk], dtype=np.int64))
        self.flat = np.concatenate(flat)
        self.ends = np.cumsum(np.concatenate(sizes))

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # one or several, as for any sequence
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            assert step == 1, "neighbours only"
            ends = self.ends[start : stop + 1].tolist()
            return [self.flat[a:b] for a, b in pairwise(ends)]
        index = range(len(self))[index]
        return self.flat[self.ends[index] : self.ends[index + 1]]

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        ends = self.ends.tolist()
        return (self.flat[start:end] for start, end in pairwise(ends))

    @property
    def nbytes(self) -> int:
        return int(self.flat.nbytes + self.ends.nbytes)
