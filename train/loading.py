"""Loader processes that fail as a loop in the training's own process would, and that never outlive the training.

They ignore signals, because a terminal and SLURM signal them, too, and their rows are needed to finish a step. So
nothing but the training can end them: whoever waits for one that it has not told to end waits for ever.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from data.pipeline.stream import Microbatch, Stream
from train.stopping import REQUEUE


@dataclass(frozen=True, slots=True)
class Failure:
    """What comes instead of the next microbatch when there can be none; `error` is to be raised.

    An exception that leaves a loader process would arrive with its traceback for a message.
    """

    error: ValueError | OSError


class Handed(IterableDataset[Microbatch | Failure]):
    """A stream; what is wrong with its data becomes a `Failure` in a loader process and is raised in the training's."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def __iter__(self) -> Iterator[Microbatch | Failure]:
        try:
            yield from self.stream
        except (ValueError, OSError) as error:
            if get_worker_info() is None:
                raise
            plain = OSError if isinstance(error, OSError) else ValueError  # others may not survive the way
            yield Failure(plain(str(error)))


def loader(stream: Stream, workers: int) -> DataLoader[Microbatch | Failure]:
    """Microbatches of the stream, from `workers` processes if not 0."""
    return DataLoader(
        Handed(stream),
        batch_size=None,
        num_workers=workers,
        # Of its own, since a loader draws a seed when it starts: a continued run starts one more of them.
        generator=torch.Generator(),
        worker_init_fn=_leave_to_the_trainer,
        persistent_workers=workers > 0,  # Lightning tells only such processes to end when it does
    )


@contextmanager
def ended() -> Iterator[None]:
    """No process that begins within is left behind: one that was told to end, and is still busy, is killed.

    Otherwise Python would wait for it at its exit, having sent a SIGTERM that it ignores.
    """
    before = set(multiprocessing.active_children())
    try:
        yield
    finally:
        for process in set(multiprocessing.active_children()) - before:
            process.kill()


def _leave_to_the_trainer(worker: int) -> None:
    for signum in (signal.SIGTERM, signal.SIGINT, REQUEUE):
        signal.signal(signum, signal.SIG_IGN)
