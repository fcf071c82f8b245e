"""litgpt's model of the same shape in a bare loop, with what its pretraining does.

That is: rows cut from concatenated documents, so without padding and without a mask between documents; compiled; its
chunked cross-entropy; AdamW, here fused on a CPU too.

Runs in an environment of its own (`bench` makes it), since litgpt's pinned dependencies clash with ours: nothing
of whence is imported that needs more than PyTorch and NumPy.
"""

from __future__ import annotations

import json
from importlib.metadata import version

import numpy as np
import torch
from litgpt import GPT, Config
from litgpt.utils import chunked_cross_entropy

from bench.device import autocast, make_clock, memory, start
from bench.settings import Measured, Settings, contend


def measure(settings: Settings) -> Measured:
    """Train for the settings' steps on packed rows."""
    device = start(settings)
    table = torch.from_numpy(np.load(settings.path / "packed.npy").astype(np.int64))
    shape = json.loads((settings.path / settings.model / "shape.json").read_text(encoding="utf-8"))
    with device:
        model = GPT(config_of(shape, settings.row))
        model.apply(model._init_weights)
    if shape["tied"]:
        model.lm_head.weight = model.transformer.wte.weight
    forward = torch.compile(model) if settings.compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-4, weight_decay=0.1, betas=(0.9, 0.95), fused=True)
    generator = torch.Generator().manual_seed(settings.seed)
    clock = make_clock(settings)
    for _ in range(settings.warmup + settings.steps):
        rows = table[torch.randint(len(table), (settings.rows,), generator=generator)].to(device)
        inputs, targets = rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
        with autocast(settings):
            loss = chunked_cross_entropy(forward(inputs), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.tick(inputs.numel(), inputs.numel())
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return clock.measured() | {"parameters": parameters, "litgpt": version("litgpt")} | memory(settings)


def config_of(shape: dict[str, float], row: int) -> Config:
    """litgpt's Qwen3 with the dimensions of a `ModelConfig`."""
    return Config(
        name="whence",
        block_size=row,
        vocab_size=shape["vocab_size"],
        padded_vocab_size=shape["vocab_size"],
        n_layer=shape["layers"],
        n_head=shape["heads"],
        n_query_groups=shape["kv_heads"],
        head_size=shape["head_dim"],
        n_embd=shape["dim"],
        intermediate_size=shape["hidden"],
        rope_base=int(shape["theta"]),
        norm_eps=shape["norm_eps"],
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        norm_class_name="RMSNorm",
        mlp_class_name="LLaMAMLP",
        norm_qk=True,
    )


if __name__ == "__main__":
    contend(measure)
