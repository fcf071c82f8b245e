"""Which items are trained on together: blocks of whole shards, so that a block needs only its shards.

In each epoch the shards are put into a random order and cut into blocks of about equal numbers of items. That is a
pure function of (sizes, block, seed, epoch) and every item is in one block of every epoch; items in memory count as
shards of one, so that for them the order is a permutation of all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.stateless_rng import Permutation, hash_key


class Blocks:
    """The blocks of every epoch.

    Args:
        sizes: items of each shard.
        block: items of a block, about: a block is less than half a block and one shard away from it.
    """

    def __init__(self, sizes: Sequence[int] | NDArray[np.int64], block: int, seed: int) -> None:
        self.sizes, self.seed = np.asarray(sizes, dtype=np.int64), seed
        self.ends = np.cumsum(self.sizes)
        self.number = max(1, round(int(self.sizes.sum()) / block))
        self._latest: tuple[int, list[NDArray[np.int64]]] = (-1, [])

    def count(self, epoch: int) -> int:
        """Blocks in an epoch: the same for all epochs unless shards are larger than blocks."""
        return len(self._layout(epoch))

    def shards(self, epoch: int, block: int) -> NDArray[np.int64]:
        """The shards of a block, ascending."""
        return np.sort(self._layout(epoch)[block])

    def items(self, epoch: int, block: int) -> NDArray[np.int64]:
        """The items of a block, ascending, and so shard by shard."""
        here = self.shards(epoch, block)
        return np.concatenate([np.arange(self.ends[s] - self.sizes[s], self.ends[s]) for s in here])

    def _layout(self, epoch: int) -> list[NDArray[np.int64]]:
        latest = self._latest
        if latest[0] != epoch:
            order = Permutation(len(self.sizes), int(hash_key(self.seed, epoch)))(np.arange(len(self.sizes)))
            sizes = self.sizes[order]
            group = (np.cumsum(sizes) - sizes) * self.number // max(1, int(sizes.sum()))
            self._latest = latest = (epoch, np.split(order, np.flatnonzero(np.diff(group)) + 1))
        return latest[1]
