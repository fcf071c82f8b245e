"""Order and chance as pure functions: nothing here has state, so a run can continue anywhere.

`hash_key` hashes integer keys to 64 random bits (the finaliser of SplitMix64: Steele, Lea & Flood, OOPSLA 2014), and
`Permutation` is a keyed bijection of range(n), evaluated point by point (a Feistel network over the next power of four,
walked until it lands inside: Black & Rogaway, CT-RSA 2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDS = 4
GOLDEN = 0x9E3779B97F4A7C15
MASK = 2**64 - 1


def hash_key(*keys: ArrayLike) -> NDArray[np.uint64]:
    """64 random bits for each tuple of integer keys (arrays broadcast): uint64."""
    state: int | NDArray[np.uint64] = GOLDEN
    for key in keys:
        if isinstance(state, int) and (isinstance(key, int) or np.ndim(key) == 0):  # plain integers: ten times as fast
            z = ((state ^ (int(key) & MASK)) + GOLDEN) & MASK  # type: ignore[arg-type]  # a number, so int() takes it
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
            state = z ^ (z >> 31)
        else:  # arrays wrap around by themselves
            w = (np.asarray(state, dtype=np.uint64) ^ np.asarray(key).astype(np.uint64)) + np.uint64(GOLDEN)
            w = (w ^ (w >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            w = (w ^ (w >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = w ^ (w >> np.uint64(31))
    return np.asarray(state, dtype=np.uint64)


def uniform(*keys: ArrayLike) -> NDArray[np.float64]:
    """A number in [0, 1) for each tuple of integer keys."""
    return (hash_key(*keys) >> np.uint64(11)).astype(np.float64) * 2.0**-53


@dataclass(frozen=True, slots=True)
class Permutation:
    """A bijection of range(`size`) chosen by `key`; `permutation(i)` costs O(1) and no memory."""

    size: int
    key: int

    def __call__(self, index: ArrayLike) -> NDArray[np.int64]:
        """Where each index in [0, size) goes: int64, the shape of `index`. Raises IndexError outside."""
        value = np.asarray(index).astype(np.uint64)  # a negative index becomes a huge one
        if value.size and int(value.max()) >= self.size:
            raise IndexError(f"index {index!r} is outside range({self.size})")
        half = max(1, ((max(self.size, 2) - 1).bit_length() + 1) // 2)
        value = self._rounds(value, half)
        while (outside := value >= self.size).any():
            value = np.where(outside, self._rounds(value, half), value)
        return value.astype(np.int64)

    def _rounds(self, value: NDArray[np.uint64], half: int) -> NDArray[np.uint64]:
        low_bits = np.uint64((1 << half) - 1)
        left, right = value >> np.uint64(half), value & low_bits
        for i in range(ROUNDS):
            left, right = right, left ^ (hash_key(self.key, i, right) & low_bits)
        return (left << np.uint64(half)) | right
