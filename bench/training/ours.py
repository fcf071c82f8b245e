"""Our model, loss, stream and optimiser in a bare loop. Variants: footnotes' mask, or plain causal on the same rows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._dynamo.utils import counters
from torch.utils.data import DataLoader

from bench.device import autocast, make_clock, memory, start
from bench.settings import Clock, Measured, Settings, contend
from bench.training.mixture import make_training
from data.pipeline.packing import Batch
from data.pipeline.stream import Stream
from model.attention import Mask, training_mask
from model.hf import load_model
from model.loss import compile_model, token_nll
from train.optim.optimizer import build_optimizer


def measure(settings: Settings) -> Measured:
    """Train for the settings' steps; also what the compiler did after the warm-up."""
    device = start(settings)
    training = make_training(settings)
    model = load_model(settings.path / settings.model).to(device)
    if settings.compiled:
        compile_model(model)
    optimizer = build_optimizer(model, training.optimizer)
    stream = Stream(training.first, training.second, training.plan, training.tokenizer.pad)
    clock = make_clock(settings)
    compiler = Compiler(clock)
    for micro in DataLoader(stream, batch_size=None, num_workers=settings.workers):
        useful = int((micro.batch.doc >= 0).sum())
        batch = micro.to(device).batch
        with autocast(settings):
            nll = token_nll(model, batch.tokens, batch.positions, batch.targets, mask_of(settings.variant, batch))
        (nll.sum() / micro.step_weight).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), training.optimizer.clip)
        optimizer.step()
        optimizer.zero_grad()
        clock.tick(batch.tokens.numel(), useful)
    return clock.measured() | compiler.measured() | memory(settings)


def mask_of(variant: str, batch: Batch) -> Mask:
    """The footnotes' mask, or that of plain causal attention in the form that is fastest where the batch is."""
    if variant != "causal":
        return training_mask(batch.doc, batch.span, batch.note)
    if batch.tokens.is_cuda:
        return None
    # As a tensor: without one, attention takes a kernel whose backward pass is slower on a CPU.
    length = batch.tokens.shape[1]
    causal: Tensor = torch.ones(1, 1, length, length, dtype=torch.bool).tril()
    return causal


class Compiler:
    """Counts the graphs compiled after the clock's warm-up, and all graph breaks."""

    def __init__(self, clock: Clock) -> None:
        self.warm = 0
        clock.after_warmup = self._note

    def _note(self) -> None:
        self.warm = frames()

    def measured(self) -> dict[str, int]:
        return {"recompiles": frames() - self.warm, "graph_breaks": sum(counters["graph_break"].values())}


def frames() -> int:
    """How often the compiler was called so far."""
    return int(counters["frames"]["total"])


if __name__ == "__main__":
    contend(measure)
