"""What most people use today: transformers' Trainer and a padding collator, one document a row.

What it leaves to the user is at its default: AdamW, sdpa attention, no compilation. bf16 where the settings have it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import transformers
from torch import Tensor
from transformers import Qwen3ForCausalLM, Trainer, TrainerCallback, TrainingArguments

from bench.device import make_clock, memory, start
from bench.inputs import DOCUMENTS
from bench.settings import BF16, Clock, Measured, Settings, contend
from bench.training.padding import batch_size, pad, read_rows


class Ticks(TrainerCallback):
    """Tells the clock of every step. The collator runs ahead of the steps, so its counts are kept in a list."""

    def __init__(self, clock: Clock, counts: list[tuple[int, int]]) -> None:
        self.clock, self.counts = clock, counts

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.clock.tick(*self.counts[self.clock.done])


def measure(settings: Settings) -> Measured:
    """Train for the settings' steps."""
    start(settings, tuned=False)
    transformers.logging.set_verbosity_error()
    rows = read_rows(settings.path / DOCUMENTS)
    size = batch_size(settings.places, rows)
    counts: list[tuple[int, int]] = []

    def collate(items: Sequence[dict[str, np.ndarray]]) -> dict[str, Tensor]:
        batch = pad([item["input_ids"] for item in items], filler=0)
        counts.append((batch["input_ids"].numel(), int(batch["attention_mask"].sum())))
        return batch

    clock = make_clock(settings)
    with tempfile.TemporaryDirectory(dir=settings.path) as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=size,
            max_steps=settings.warmup + settings.steps,
            bf16=settings.precision == BF16,
            use_cpu=settings.device == "cpu",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_drop_last=True,
            seed=settings.seed,
        )
        trainer = Trainer(
            Qwen3ForCausalLM.from_pretrained(settings.path / settings.model, dtype="float32"),
            arguments,
            data_collator=collate,
            train_dataset=[{"input_ids": row} for row in rows],
            callbacks=[Ticks(clock, counts)],
        )
        trainer.train()
    return clock.measured() | {"batch": size, "transformers": transformers.__version__} | memory(settings)


if __name__ == "__main__":
    contend(measure)
