"""The same Hugging Face model made fast by hand: torch.compile, the faster precision, fused AdamW, a bare loop."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from transformers import Qwen3ForCausalLM

from bench.device import autocast, make_clock, memory, start
from bench.inputs import DOCUMENTS
from bench.settings import Measured, Settings, contend
from bench.training.padding import batch_size, batches, read_rows


def measure(settings: Settings) -> Measured:
    """Train for the settings' steps on padded batches."""
    device = start(settings)
    rows = read_rows(settings.path / DOCUMENTS)
    size = batch_size(settings.places, rows)
    model: Any = Qwen3ForCausalLM.from_pretrained(settings.path / settings.model, dtype="float32")
    model = model.to(device).train()
    forward = torch.compile(model) if settings.compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    clock = make_clock(settings)
    stream = batches(rows, size, 0, settings.seed)
    for _ in range(settings.warmup + settings.steps):
        batch = next(stream)
        places, useful = batch["input_ids"].numel(), int(batch["attention_mask"].sum())
        with autocast(settings):
            loss = forward(**{name: tensor.to(device) for name, tensor in batch.items()}, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.tick(places, useful)
    return clock.measured() | {"batch": size, "transformers": transformers.__version__} | memory(settings)


if __name__ == "__main__":
    contend(measure)
