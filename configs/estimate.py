"""What pretraining takes, computed before it begins: bytes on each device, and floating-point operations.

Bytes are those that are held at once when the backward pass begins, so that more are used:

    weights       12 bytes a parameter, 16 where AdamW moves all of them; under FSDP spread over the devices; with
                  lora.rank 4 bytes, and 16 a parameter of the adapters
    activations   2 R T L (4 C + 2 F), as configs/machine.py has it, which refuses by less than is counted here
    logits        4 R T V: in 2 bytes each, and their gradient

Operations are those of model/flops.py under a causal mask of whole rows, S T of them a step. Documents of a row never
see each other, so attention's share is somewhat less; what a compiler computes twice is not counted. A first pass of
surprisal that is fed back is one more forward, a third of forward and backward. With lora.rank no weight that stands
still needs a gradient, a third of its operations.

Shape letters: C width, F inner width, L layers, R rows of a microbatch, S rows of a step, T tokens of a row, V
vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from configs.machine import GB, activations, state
from model.config import ModelConfig
from model.flops import causal_keys, flops_per_token, matmul_parameters

if TYPE_CHECKING:
    from configs.schema import Config


class Estimate(NamedTuple):
    """Bytes on each of `devices`; optimiser steps, and tokens and operations of all of them together."""

    devices: int
    weights: float
    activations: float
    logits: float
    steps: int
    tokens: int
    flops: float

    def __str__(self) -> str:
        held = (self.weights, self.activations, self.logits)
        parts = ", ".join(f"{name} {_gb(size)}" for name, size in zip(self._fields[1:4], held, strict=True))
        return (
            f"computed: {self.flops:.2g} floating-point operations in {self.steps:,} steps of "
            f"{self.tokens // self.steps:,} tokens; at least {_gb(sum(held))} on each of {self.devices} "
            f"device{'s' * (self.devices > 1)} ({parts})"
        )


def estimate(config: Config, model: ModelConfig, devices: int) -> Estimate:
    """Of pretraining a model of this shape, vocabulary included, on so many devices of all machines."""
    part, batch, trainer = config.pretrain, config.batch, config.trainer
    tokens_a_step = batch.seq_len * batch.sequences
    steps = max(1, round(part.tokens / tokens_a_step))
    at_once = tokens_a_step // devices // trainer.accumulation
    passes = 4 / 3 if config.surprisal.read_twice("pretrain") else 1
    held = state(model, model.vocab_size, 16 if part.optimizer.name == "adamw" else 12, config.lora)
    flops = flops_per_token(model, causal_keys(batch.seq_len))
    if config.lora.rank:
        flops += 6 * config.lora.parameters(model) - 2 * matmul_parameters(model)
    return Estimate(
        devices=devices,
        weights=held / (devices if trainer.strategy == "fsdp" else 1),
        activations=activations(model, at_once),
        logits=4.0 * at_once * model.vocab_size,
        steps=steps,
        tokens=steps * tokens_a_step,
        flops=passes * steps * tokens_a_step * flops,
    )


def _gb(size: float) -> str:
    return f"{size / GB:.2g} GB"
