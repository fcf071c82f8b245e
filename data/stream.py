"""The training stream: from sources to an endless, resumable sequence of packed microbatches.

Epochs are cut into blocks, each block is rendered, packed and its rows are put into a random order. All of that is a
pure function of (seed, epoch, block); rank, world size, accumulation and worker count only slice the rows of a step:

    step  = `rows` consecutive rows of the stream
    microbatch m of the step = rows [m * size, (m + 1) * size),  m = accumulation index * world size + rank

The state of a run is therefore a `Cursor`, which every microbatch carries: where the stream stands after its step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from data.order import Permutation, mix
from data.packing import Batch, collate, pack
from data.sources import Source
from data.tags import IGNORE, Sample

Row = list[Sample]


class Cursor(NamedTuple):
    """The next row to train on: `row` of `block` of `epoch`; `step` steps are done."""

    step: int = 0
    epoch: int = 0
    block: int = 0
    row: int = 0


START = Cursor()


@dataclass(frozen=True, slots=True)
class Plan:
    """How the stream is laid out.

    Attributes:
        row: tokens in a row (T).
        rows: rows in an optimiser step, over all ranks and accumulation.
        steps: steps of the whole run.
        share: of the tokens, that come from the second source.
        cooldown: last share of the run in which documents come without tags.
        block: items of the first source that are packed together.
        seed: of the order.
    """

    row: int
    rows: int
    steps: int
    share: float = 0.0
    cooldown: float = 0.0
    block: int = 4096
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.share < 1.0:
            raise ValueError(f"the share of the second source is {self.share}, not in [0, 1)")


@dataclass(frozen=True, slots=True)
class Microbatch:
    """What one rank sees at once.

    Attributes:
        batch: its rows.
        step_targets: targets of the whole step, over ranks and accumulation: the loss is divided by it.
        cursor: where the stream stands once this step is done.
    """

    batch: Batch
    step_targets: int
    cursor: Cursor

    def to(self, device: torch.device) -> Microbatch:
        moved = Batch(*(getattr(self.batch, name).to(device, non_blocking=True) for name in Batch.__slots__))
        return replace(self, batch=moved)


class Stream(IterableDataset[Microbatch]):
    """Microbatches of one rank, from `start` to the end of the plan.

    Raises ValueError when the rows of a step don't divide among ranks and accumulation, or a source is empty.
    """

    def __init__(
        self,
        first: Source,
        second: Source | None,
        plan: Plan,
        pad: int,
        start: Cursor = START,
        rank: int = 0,
        world: int = 1,
        accumulation: int = 1,
    ) -> None:
        if plan.rows % (world * accumulation):
            raise ValueError(
                f"{plan.rows} rows a step do not divide among {world} devices x {accumulation} accumulation steps"
            )
        if not len(first) or (plan.share and not (second and len(second))):
            raise ValueError("there is nothing to train on: a source is empty")
        self.first, self.second, self.plan, self.pad, self.start = first, second, plan, pad, start
        self.rank, self.world, self.accumulation = rank, world, accumulation

    def __iter__(self) -> Iterator[Microbatch]:
        worker = get_worker_info()
        workers, mine = (worker.num_workers, worker.id) if worker else (1, 0)
        size = self.plan.rows // (self.world * self.accumulation)
        count = 0
        for rows, cursor in self._steps():
            targets = sum(int((sample.targets != IGNORE).sum()) for row in rows for sample in row)
            for part in range(self.accumulation):
                if count % workers == mine:
                    at = (part * self.world + self.rank) * size
                    yield Microbatch(collate(rows[at : at + size], self.plan.row, self.pad), targets, cursor)
                count += 1

    def _steps(self) -> Iterator[tuple[list[Row], Cursor]]:
        step, epoch, block, skip = self.start
        blocks = -(-len(self.first) // self.plan.block)
        rows: list[Row] = []
        tagged = round((1 - self.plan.cooldown) * self.plan.steps) * self.plan.rows
        while step < self.plan.steps:
            begun = step * self.plan.rows + len(rows) - skip
            packed = self.rows(epoch, block, tagged - begun)
            for index in range(skip, len(packed)):
                rows.append(packed[index])
                if len(rows) == self.plan.rows:
                    step += 1
                    yield rows, Cursor(step, epoch, block, index + 1)
                    rows = []
                    if step == self.plan.steps:
                        return
            skip = 0
            epoch, block = (epoch, block + 1) if block + 1 < blocks else (epoch + 1, 0)

    def rows(self, epoch: int, block: int, tagged: int) -> list[Row]:
        """The packed rows of one block in training order: a pure function of (seed, epoch, block) and of `tagged`.

        From row `tagged` on, documents come without tags. In the one block where that changes half-way, they keep the
        places that they have with tags, so that no document is shown twice or left out.
        """
        plan, key = self.plan, int(mix(self.plan.seed, epoch))
        here = np.arange(block * plan.block, min((block + 1) * plan.block, len(self.first)))
        items = [int(index) for index in Permutation(len(self.first), key)(here)]
        samples = self._render(items, epoch, cooldown=tagged <= 0)
        if plan.share:
            samples += self._draw(sum(map(len, samples)) * plan.share / (1 - plan.share), epoch, block, tagged <= 0)
        packed = pack([len(sample) for sample in samples], plan.row)
        order = Permutation(len(packed), int(mix(key, block)))(np.arange(len(packed)))
        cooled = samples
        if 0 < tagged < len(packed):
            cooled = self._render(items, epoch, cooldown=True)
            cooled += samples[len(cooled) :]
        return [[(samples if row < tagged else cooled)[i] for i in packed[at]] for row, at in enumerate(order)]

    def _render(self, items: list[int], epoch: int, cooldown: bool) -> list[Sample]:
        return [sample for index in items for sample in self.first.render(index, epoch, cooldown)]

    def _draw(self, tokens: float, epoch: int, block: int, cooldown: bool) -> list[Sample]:
        """About `tokens` tokens of the second source, every item once before any is drawn twice."""
        assert self.second is not None
        samples: list[Sample] = []
        turn = 0
        while tokens > 0:
            key = mix(self.plan.seed, epoch, block, turn, 2)
            for index in Permutation(len(self.second), int(key))(np.arange(len(self.second))):
                drawn = self.second.render(int(index), int(mix(epoch, block, turn) >> np.uint64(1)), cooldown)
                samples += drawn
                tokens -= sum(map(len, drawn))
                if tokens <= 0:
                    break
            turn += 1
        return samples
