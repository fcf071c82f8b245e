"""Sources as one: every item in its turn, drawn anew each time that it comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from data.pipeline.concatenated import Concatenated


@dataclass
class Named:
    name: str
    sizes: list[int]

    def __len__(self) -> int:
        return sum(self.sizes)

    def render(self, index: int, epoch: int, cooldown: bool, judged: bool = True) -> list[Any]:
        return [(self.name, index, epoch)]


def test_items_come_as_often_as_is_said_and_never_in_the_same_visit() -> None:
    both = Concatenated([(Named("a", [2, 1]), 2), (Named("none", []), 1), (Named("b", [2]), 1)])
    assert both.sizes == [2, 1, 2, 1, 2] and len(both) == 8
    visits = [both.render(i, epoch, False)[0] for epoch in range(2) for i in range(len(both))]
    assert visits[:8] == [*(("a", i, visit) for visit in (0, 1) for i in range(3)), ("b", 0, 0), ("b", 1, 0)]
    assert len(set(visits)) == 16
