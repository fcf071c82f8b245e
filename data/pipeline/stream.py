"""The training stream: from sources to an endless, resumable sequence of packed microbatches.

Epochs are cut into blocks of whole shards (`data.pipeline.shuffle_blocks`), each block is rendered, packed and its rows
are put into a random order. All of that is a pure function of (seed, epoch, block); rank, world size, accumulation and
worker count only slice the rows of a step:

    step  = `sequences` consecutive rows of the stream
    microbatch m of the step = rows [m * size, (m + 1) * size),  m = accumulation index * world size + rank

The state of a run is therefore a `Cursor`, which every microbatch carries: where the stream stands after its step.
While a block is trained on, the next one is read and laid out by a thread; tensors are made only of the rows that this
process trains on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from data.pipeline.packing import Batch, collate, pack
from data.pipeline.sample import Sample
from data.pipeline.shuffle_blocks import Blocks
from data.pipeline.sources import Source
from data.pipeline.token_accounting import Tally
from data.stateless_rng import Permutation, hash_key

Row = list[Sample]


class Cursor(NamedTuple):
    """The next row to train on: `row` of `block` of `epoch`; `step` steps are done, with `tally`'s tokens."""

    step: int = 0
    epoch: int = 0
    block: int = 0
    row: int = 0
    tally: Tally = Tally()


START = Cursor()


@dataclass(frozen=True, slots=True)
class Plan:
    """How the stream is laid out.

    Attributes:
        seq_len: tokens in a packed sequence (T).
        sequences: packed sequences in an optimiser step, over all ranks and accumulation.
        steps: steps of the whole run.
        share: of the tokens, that come from the second source.
        cooldown: last share of the run in which documents come without tags.
        begins: first share of the run, before the feedback (data/pipeline/feedback.py) begins.
        block: items of the first source that are packed together, about: whole shards of it.
        seed: of the order.
    """

    seq_len: int
    sequences: int
    steps: int
    share: float = 0.0
    cooldown: float = 0.0
    begins: float = 0.0
    block: int = 4096
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.seq_len, self.sequences, self.steps) < 1:
            raise ValueError(
                f"{self.steps} steps of {self.sequences} sequences of {self.seq_len} tokens: each must be at least 1"
            )
        if not 0.0 <= self.begins < 1.0:
            raise ValueError(f"the feedback begins at a share of {self.begins} of the run, not in [0, 1)")
        if not 0.0 <= self.share < 1.0:
            raise ValueError(f"the share of the second source is {self.share}, not in [0, 1)")


@dataclass(frozen=True, slots=True)
class Microbatch:
    """What one rank sees at once.

    Attributes:
        batch: its rows.
        step_weight: of all targets of the step, over ranks and accumulation: the loss is divided by it.
        cursor: where the stream stands once this step is done.
        part: which of this rank's microbatches of the step it is, from 0.
    """

    batch: Batch
    step_weight: float
    cursor: Cursor
    part: int

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
        if world < 1 or accumulation < 1 or plan.sequences % (world * accumulation):
            raise ValueError(
                f"{plan.sequences} rows a step do not divide among {world} devices x {accumulation} accumulation steps"
            )
        if not len(first) or (plan.share and not (second and len(second))):
            raise ValueError("there is nothing to train on: a source is empty")
        self.first, self.second, self.plan, self.pad = first, second, plan, pad
        self.start = Cursor(*start[:4], tally=Tally(*start[4]))
        self.blocks = Blocks(first.sizes, plan.block, plan.seed)
        self.rank, self.world, self.accumulation = rank, world, accumulation

    def __iter__(self) -> Iterator[Microbatch]:
        worker = get_worker_info()
        workers, mine = (worker.num_workers, worker.id) if worker else (1, 0)
        size = self.plan.sequences // (self.world * self.accumulation)
        if worker:  # these processes are the parallelism; threads of the tokenizer would not survive the fork
            os.environ["TOKENIZERS_PARALLELISM"] = "false"
        count = 0
        for rows, cursor in self.steps():
            weight = sum(sample.total_weight for row in rows for sample in row)
            for part in range(self.accumulation):
                if count % workers == mine:
                    at = (part * self.world + self.rank) * size
                    shown = [[sample.on(cursor.step) for sample in row] for row in rows[at : at + size]]
                    yield Microbatch(collate(shown, self.plan.seq_len, self.pad), weight, cursor, part)
                count += 1

    def steps(self) -> Iterator[tuple[list[Row], Cursor]]:
        """The packed sequences of each step from the start to the end of the plan, and where the stream then stands."""
        step, _, _, skip, tally = self.start
        rows: list[Row] = []
        for epoch, block, packed in self._blocks():
            tally = tally if skip else tally.begin(packed)
            for index in range(skip, len(packed)):
                rows.append(packed[index])
                if len(rows) == self.plan.sequences:
                    step += 1
                    tally = tally.train(rows, self.plan.seq_len)
                    yield rows, Cursor(step, epoch, block, index + 1, tally)
                    rows = []
                    if step == self.plan.steps:
                        return
            skip = 0

    def _blocks(self) -> Iterator[tuple[int, int, list[Row]]]:
        """Epoch, block and rows of each block from the start to the end of the plan, each made ahead in a thread."""
        _, epoch, block, _, _ = self.start
        begun, end = self._begun(self.start), self.plan.steps * self.plan.sequences
        if begun >= end or self.start.step >= self.plan.steps:
            return
        barren = 0
        with ThreadPoolExecutor(1) as thread:
            pending = thread.submit(self.rows, epoch, block, self._tagged - begun, self._plain - begun)
            while True:
                packed = pending.result()
                here = epoch, block, packed
                barren = 0 if packed else barren + 1
                if barren > self.blocks.count(epoch):
                    raise ValueError("there is nothing to train on: no item of the first source has a token")
                begun += len(packed)
                epoch, block = (epoch, block + 1) if block + 1 < self.blocks.count(epoch) else (epoch + 1, 0)
                if begun < end:
                    pending = thread.submit(self.rows, epoch, block, self._tagged - begun, self._plain - begun)
                yield here
                if begun >= end:
                    return

    @property
    def _tagged(self) -> int:
        """Rows of the run before the cooldown, more than there are when there is none."""
        if not self.plan.cooldown:
            return sys.maxsize
        return round((1 - self.plan.cooldown) * self.plan.steps) * self.plan.sequences

    @property
    def _plain(self) -> int:
        """Rows of the run before the feedback begins."""
        return round(self.plan.begins * self.plan.steps) * self.plan.sequences

    def _begun(self, cursor: Cursor) -> int:
        """Rows of the run before the block of `cursor`."""
        return cursor.step * self.plan.sequences - cursor.row

    def account(self, cursor: Cursor, trained: int, places: int) -> dict[str, int]:
        """Where all tokens went by `cursor`: see `data.pipeline.token_accounting`.

        Raises RuntimeError when that does not add up.

        `trained` tokens in `places` were counted by whoever trained on them, not by the stream.
        """
        tally = Tally(*cursor[4])
        begun = self._begun(Cursor(*cursor))
        phases = self._tagged - begun, self._plain - begun
        rest = self.rows(cursor[1], cursor[2], *phases)[cursor[3] :] if cursor[0] else []
        unreached = sum(len(sample) for row in rest for sample in row)
        planned = cursor[0] * self.plan.sequences * self.plan.seq_len
        if (trained, places) != (tally.trained, planned):
            raise RuntimeError(
                f"the plan has {tally.trained} tokens in {planned} places, but trained on were {trained} in {places}; "
                "please report it"
            )
        if tally.rendered != trained + unreached or places != trained + tally.padding:
            raise RuntimeError(
                f"tokens are missing: {tally}, {unreached} not reached, {places} places; please report it"
            )
        return {"places": places, "trained": trained, "unreached": unreached, **tally._asdict()}

    def rows(self, epoch: int, block: int, tagged: int, plain: int = 0) -> list[Row]:
        """The packed rows of one block in training order: a pure function of (seed, epoch, block, tagged, plain).

        From row `tagged` on documents come without tags, from row `plain` on the feedback counts. In the one block
        where that changes half-way, samples keep their places, where the longest of their forms fits, so that no
        document is shown twice or left out but by the feedback.
        """
        plan, key = self.plan, int(hash_key(self.plan.seed, epoch, block))
        items = self.blocks.items(epoch, block)
        order = Permutation(len(items), key)(np.arange(len(items)))
        here = (tagged <= 0, plain <= 0)  # cooled, and judged
        samples = self._render(items, order, epoch, *here)
        visits: list[tuple[int, int]] = []
        if plan.share:
            size = sum(map(len, samples)) * plan.share / (1 - plan.share)
            visits, drawn = self._draw(size, epoch, block, *here)
            samples += drawn
        forms = {here: samples}

        def form(row: int) -> list[Sample]:
            phase = (row >= tagged, row >= plain)
            if phase not in forms:
                assert self.second is not None or not visits
                forms[phase] = self._render(items, order, epoch, *phase)
                forms[phase] += [s for i, v in visits for s in self.second.render(i, v, *phase)]  # type: ignore[union-attr]
            return forms[phase]

        packed = _packed(samples, samples, plan.seq_len)
        if 0 < plain < len(packed):
            packed = _packed(samples, form(plain), plan.seq_len)
        places = Permutation(len(packed), int(hash_key(key, 1)))(np.arange(len(packed)))
        rows: list[Row] = []
        for at in places.tolist():
            at_hand = form(len(rows))
            if row := [at_hand[i] for i in packed[at] if len(at_hand[i])]:
                rows.append(row)
        return rows

    def _render(
        self, items: NDArray[np.int64], order: NDArray[np.int64], epoch: int, cooldown: bool, judged: bool
    ) -> list[Sample]:
        """The samples of items, which are rendered as they come, shard by shard, and then put into `order`."""
        rendered = [self.first.render(index, epoch, cooldown, judged) for index in items.tolist()]
        return [sample for index in order.tolist() for sample in rendered[index]]

    def _draw(
        self, tokens: float, epoch: int, block: int, cooldown: bool, judged: bool
    ) -> tuple[list[tuple[int, int]], list[Sample]]:
        """About `tokens` tokens of the second source, every item once before any is drawn twice: visits and samples."""
        assert self.second is not None
        visits: list[tuple[int, int]] = []
        samples: list[Sample] = []
        turn = 0
        while (left := tokens) > 0:
            for index, visit in self._second(epoch, block, turn):
                drawn = self.second.render(index, visit, cooldown, judged)
                visits.append((index, visit))
                samples += drawn
                tokens -= sum(map(len, drawn))
                if tokens <= 0:
                    break
            if tokens == left:
                raise ValueError("there is nothing to train on: no item of the second source has a token")
            turn += 1
        return visits, samples

    def _second(self, epoch: int, block: int, turn: int) -> Iterator[tuple[int, int]]:
        """Every item of the second source once, block by block of it, with the epoch that its visit is drawn from."""
        assert self.second is not None
        key = int(hash_key(self.plan.seed, epoch, block, turn, 2))
        visit = key >> 1
        blocks = Blocks(self.second.sizes, self.plan.block, key)
        for number in range(blocks.count(visit)):
            items = blocks.items(visit, number)
            for at in Permutation(len(items), int(hash_key(key, number)))(np.arange(len(items))).tolist():
                yield int(items[at]), visit


def _packed(samples: Sequence[Sample], others: Sequence[Sample], seq_len: int) -> list[list[int]]:
    """Which samples share a row that holds each in the longer of two forms; none without a token has a place."""
    sizes = [max(len(one), len(other)) for one, other in zip(samples, others, strict=True)]
    present = [index for index, size in enumerate(sizes) if size]
    return [[present[i] for i in row] for row in pack([sizes[index] for index in present], seq_len)]
