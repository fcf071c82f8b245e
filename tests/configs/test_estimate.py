"""What pretraining takes, by hand, and as docs/devices.md has it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from composing import ROOT, composed, said_of

from configs import machine
from configs.estimate import estimate
from configs.machine import check_memory
from model.flops import flops_per_token
from model.transformer import Transformer
from train.config import ADAPTED
from train.lora import add_adapters


def test_by_hand() -> None:
    config = composed("model=pico", "batch.seq_len=32", "batch.sequences=16", "pretrain.tokens=5000")
    shape = replace(config.model, vocab_size=64)
    parameters = sum(p.numel() for p in Transformer(shape).parameters())
    found = estimate(config, shape, devices=4)
    assert (found.devices, found.steps, found.tokens) == (4, 10, 5120)
    assert found.weights == 12 * parameters  # Muon
    assert found.activations == 2 * (4 * 32) * shape.layers * (4 * shape.dim + 2 * shape.ffn_dim)  # 4 rows of 32
    assert found.logits == 4 * (4 * 32) * 64
    assert found.flops == pytest.approx(5120 * flops_per_token(shape, 16.5))
    config.trainer.accumulation, config.pretrain.optimizer.name = 2, "adamw"
    halved = estimate(config, shape, devices=4)
    assert (halved.weights, halved.activations, halved.logits) == (
        16 * parameters, found.activations / 2, found.logits / 2,
    )  # fmt: skip
    config.trainer.strategy = "fsdp"
    assert estimate(config, shape, devices=4).weights == 4 * parameters
    assert "steps of 512 tokens; at least" in str(found) and "each of 4 devices (weights" in str(found)


@pytest.mark.parametrize(
    ("overrides", "passes"),
    [
        (("surprisal=own",), 4 / 3),
        (("surprisal=constant",), 1),
        (("surprisal=own", "surprisal.begins=abstention_sft"), 1),
    ],
)
def test_a_first_pass_is_a_third_more(overrides: tuple[str, ...], passes: float) -> None:
    plain, found = (estimate(config, config.model, 1) for config in (composed(), composed(*overrides)))
    assert found.flops == pytest.approx(passes * plain.flops) and found.weights == plain.weights


def test_adapters_by_hand() -> None:
    """What stands still has its 4 bytes and no gradient of its own: 4 operations, where what is trained has 6."""
    config = composed("model=pico", "batch.seq_len=32", "batch.sequences=16", "pretrain.tokens=512")
    shape, config.pretrain.optimizer.name = replace(config.model, vocab_size=64), "adamw"
    whole = estimate(config, shape, devices=1)
    config.lora.rank, config.lora.targets = 2, ["v_proj", "down_proj"]
    keys = shape.kv_heads * shape.head_dim
    adapters = shape.layers * 2 * (shape.dim + keys + shape.ffn_dim + shape.dim)
    found, parameters = estimate(config, shape, devices=1), shape.parameters(64)
    assert found.weights == 4 * parameters + 16 * adapters
    assert (found.activations, found.logits) == (whole.activations, whole.logits)
    norms = shape.layers * (2 * shape.dim + 2 * shape.head_dim) + shape.dim
    assert whole.flops - found.flops == pytest.approx(512 * (2 * (parameters - norms) - 6 * adapters))
    check_memory(shape, 32, 16, 1, found.weights + found.activations, on_cpu=False, lora=config.lora)
    with pytest.raises(ValueError, match="needs at least"):
        check_memory(shape, 32, 16, 1, found.weights + found.activations, on_cpu=False)
    config.lora.targets = [*ADAPTED]
    model = Transformer(shape)
    trained = add_adapters(model, config.lora, known=60)
    assert config.lora.parameters(shape) == trained - 4 * shape.dim


def test_what_is_refused_is_less_than_what_is_estimated() -> None:
    config = composed("experiment=qa_node", "init=")
    found = estimate(config, config.model, 8)
    check_memory(config.model, 1024, 16, 8, found.weights + found.activations, on_cpu=False)


def test_a_checkpoint_has_to_be_named_or_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_gpus", lambda accelerator: 8)
    monkeypatch.setattr(machine, "memory", lambda trainer: (8e10, False))
    path = "corpus.path=questions.jsonl"
    assert said_of("experiment=qa_node", path).startswith("init=?: must be empty, a folder that is there")
    assert said_of("experiment=qa_node", path, "init=") == ""
    assert said_of("experiment=qa_node", path, "init=", "trainer=ddp", "trainer.accumulation=2") == ""


def test_the_page_has_what_is_computed() -> None:
    page = (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
    rows = {
        cells[0]: cells[1:]
        for cells in (re.split(r" *\| *", line.strip("| ")) for line in page.splitlines() if line.startswith("| `"))
    }
    for strategy, accumulation in (("fsdp", 1), ("ddp", 2)):
        config = composed("experiment=qa_node", "init=", f"trainer={strategy}", f"trainer.accumulation={accumulation}")
        found, shape = estimate(config, config.model, 8), config.model
        tokens = 1024 * 128 // 8 // accumulation
        # Nothing fused: 16-bit copies of the weights, and under DDP the gradients once more in its buckets.
        most = found.weights + (2 + 4 * (strategy == "ddp")) * shape.parameters(shape.vocab_size)
        most += tokens * (shape.layers * (24 * shape.dim + 8 * shape.ffn_dim) + 12 * shape.vocab_size)
        least = found.weights + found.activations + found.logits
        held = (found.weights, found.activations, found.logits, least, most)
        assert rows[f"`{strategy}`" if accumulation == 1 else f"`{strategy}`, 2 microbatches"] == [
            f"{size / 1e9:.1f}" for size in held
        ]
    for stage, tokens in (("pretrain", config.pretrain.tokens), ("sft", config.sft.tokens)):
        step = 1024 * 128
        flops = round(tokens / step) * step * flops_per_token(config.model, 512.5)
        seconds = flops / (8 * 989e12 * 0.4)
        assert rows[f"`{stage}`"] == [f"{round(tokens / step):,}", f"{flops:.2e}", f"{seconds / 60:.0f}"]
