"""All identifiers of a corpus as a prefix tree, held in one sorted table.

A node is a range of rows that share their first `depth` tokens, so the tree costs no more memory than the identifiers:
4 bytes x length x documents. Every identifier ends in the closing mark, so none is a prefix of another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]


class Node(NamedTuple):
    """Rows [low, high) of the table agree on `depth` tokens."""

    low: int
    high: int
    depth: int


@dataclass(frozen=True)
class Trie:
    """Identifiers, sorted.

    Attributes:
        table: int32 (identifiers, longest + 1), each row an identifier, the closing mark, and -1 to fill.
        order: which of the given identifiers each row is, int64 (identifiers,).
    """

    table: NDArray[np.int32]
    order: NDArray[np.int64]

    @classmethod
    def build(cls, identifiers: Sequence[Tokens], end: int) -> Trie:
        """Of token arrays without the closing mark `end`; equal ones are kept once, the first of them."""
        if not identifiers:
            raise ValueError("no identifiers to cite")
        table = np.full((len(identifiers), max(map(len, identifiers)) + 1), -1, dtype=np.int32)
        for row, tokens in enumerate(identifiers):
            table[row, : len(tokens)] = tokens
            table[row, len(tokens)] = end
        table, order = np.unique(table, axis=0, return_index=True)
        return cls(table, order)

    @property
    def root(self) -> Node:
        return Node(0, len(self.table), 0)

    def prefix(self, node: Node) -> Tokens:
        """The tokens that lead to `node`, int32 (depth,)."""
        return self.table[node.low, : node.depth]

    def children(self, node: Node) -> tuple[Tokens, list[Node]]:
        """The tokens that may follow and the nodes they lead to."""
        column = self.table[node.low : node.high, node.depth]
        starts = np.concatenate(([0], np.flatnonzero(np.diff(column)) + 1, [len(column)]))
        nodes = [Node(node.low + int(a), node.low + int(b), node.depth + 1) for a, b in pairwise(starts)]
        return column[starts[:-1]], nodes

    def leaf(self, node: Node, end: int) -> int | None:
        """The index of the identifier that is complete at `node`, None inside the tree."""
        return int(self.order[node.low]) if node.depth and self.table[node.low, node.depth - 1] == end else None

    def find(self, tokens: Sequence[int]) -> int | None:
        """The index of the identifier spelled by `tokens` (closing mark included), None if there is none."""
        row = np.full(self.table.shape[1], -1, dtype=np.int32)
        if len(tokens) > len(row):
            return None
        row[: len(tokens)] = tokens
        low, high = 0, len(self.table)
        for depth, token in enumerate(row):
            column = self.table[low:high, depth]
            low, high = low + int(np.searchsorted(column, token)), low + int(np.searchsorted(column, token, "right"))
        return int(self.order[low]) if low < high else None
