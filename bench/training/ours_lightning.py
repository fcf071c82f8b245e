"""Our training as run.py starts it: `SourceAwareLM` under `train.fit.fit`, with metrics and TensorBoard."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from bench.device import make_clock, memory, start
from bench.settings import Clock, Measured, Settings, contend
from bench.training.mixture import make_training
from bench.training.ours import Compiler
from data.pipeline.stream import Microbatch
from model.hf import load_model
from train.config import TrainerConfig
from train.fit import fit, read_metrics
from train.loading import Failure
from train.module import SourceAwareLM


class Timed(SourceAwareLM):
    """Tells the clock of every step."""

    clock: Clock
    useful: int = 0

    def transfer_batch_to_device(
        self, batch: Microbatch | Failure, device: torch.device, dataloader_idx: int
    ) -> Microbatch:
        if isinstance(batch, Microbatch):
            self.useful = int((batch.batch.doc >= 0).sum())  # before the move: no wait for the device
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def on_train_batch_end(self, outputs: Any, batch: Microbatch, batch_idx: int) -> None:
        self.clock.tick(batch.batch.tokens.numel(), self.useful)


def measure(settings: Settings) -> Measured:
    """As `bench.training.ours.measure`, with the share of time that the loop waited for data."""
    start(settings)
    training = make_training(settings)
    module = Timed(
        load_model(settings.path / settings.model),
        training.first,
        training.second,
        training.plan,
        training.tokenizer.pad,
        training.optimizer,
        fingerprint="bench",
        workers=settings.workers,
        compiled=settings.compiled,
    )
    module.clock = make_clock(settings)
    compiler = Compiler(module.clock)
    config = TrainerConfig(
        accelerator="gpu" if settings.device == "cuda" else "cpu",
        precision=settings.precision,
        workers=settings.workers,
        compiled=settings.compiled,
        log_every=settings.warmup,  # so that a row of metrics begins where the warm-up ends
        save_every=10 * training.plan.steps,  # none: the other contenders save nothing either
    )
    with tempfile.TemporaryDirectory(dir=settings.path) as folder:
        fit("bench", module, config, Path(folder))
        rows = read_metrics(Path(folder))
    return (
        module.clock.measured()
        | compiler.measured()
        | {"data_wait": data_wait(rows, settings.warmup)}
        | memory(settings)
    )


def data_wait(rows: list[dict[str, float]], warmup: int) -> float:
    """The share of time spent waiting for data after step `warmup`, from the rows of metrics.jsonl."""
    waited = total = 0.0
    for before, row in pairwise(rows):
        if before["step"] >= warmup:
            seconds = (row["tokens"] - before["tokens"]) / row["tokens_per_second"]
            waited += row["data_wait"] * seconds
            total += seconds
    return waited / total


if __name__ == "__main__":
    contend(measure)
