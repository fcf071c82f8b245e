"""Several sources as one: the items of each in turn, some of them visited more often than others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from data.pipeline.sample import Sample
from data.pipeline.sources import Source


class Concatenated:
    """Every source `times` over in an epoch, each visit drawn anew.

    Args:
        sources: each with how often its items come in an epoch, at least once. Those without items are left out.
    """

    def __init__(self, sources: Sequence[tuple[Source, int]]) -> None:
        self.parts = [(source, times, turn) for source, times in sources if len(source) for turn in range(times)]
        self.sizes = [size for source, _, _ in self.parts for size in source.sizes]
        self.begins = [0, *accumulate(len(source) for source, _, _ in self.parts)]

    def __len__(self) -> int:
        return self.begins[-1]

    def render(self, index: int, epoch: int, cooldown: bool, judged: bool = True) -> list[Sample]:
        part = next(i for i in range(len(self.parts)) if index < self.begins[i + 1])
        source, times, turn = self.parts[part]
        return source.render(index - self.begins[part], epoch * times + turn, cooldown, judged)
