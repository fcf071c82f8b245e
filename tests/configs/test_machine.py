"""Devices and memory that a run asks for and this machine has not, before any work."""

from __future__ import annotations

from dataclasses import replace

import pytest
from composing import composed, said_of

from configs import machine
from model.transformer import Transformer


def test_devices_are_counted_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_gpus", lambda accelerator: 2)
    monkeypatch.setattr(machine, "memory", lambda trainer: (8e10, False))
    assert said_of("trainer=ddp") == ""
    assert said_of("trainer=ddp", "trainer.devices=2") == ""
    assert (
        said_of("trainer=ddp", "trainer.devices=3")
        == "trainer.devices=3: must be at most 2, the devices of this machine"
    )
    said = "batch.sequences=7 can't be divided among 2 devices with trainer.accumulation=1: set a multiple of 2"
    assert said_of("trainer=ddp", "batch.sequences=7") == said
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job")
    assert said_of("trainer=ddp", "trainer.num_nodes=2", "batch.sequences=8") == ""
    assert "among 4 devices" in said_of("trainer=ddp", "trainer.num_nodes=2", "batch.sequences=6")


def test_memory_is_estimated_from_below() -> None:
    model = composed("model=1b").model
    parameters = model.parameters(model.vocab_size)
    assert parameters == pytest.approx(1.32e9, rel=0.01)
    with pytest.raises(ValueError, match=r"training 1\.32e\+09 parameters needs at least 16 GB, and there are 8 GB"):
        machine.check_memory(model, 1024, 1, 1, 8e9)
    machine.check_memory(model, 1024, 1, 4, 8e9)  # spread over four devices
    with pytest.raises(ValueError, match=r"batch\.seq_len=1024 with 64 sequences at once needs at least 76 GB"):
        machine.check_memory(model, 1024, 64, 1, 6e10, on_cpu=False)
    machine.check_memory(model, 1024, 64, 1, 8e10, on_cpu=False)
    with pytest.raises(ValueError, match="lower batch"):  # attention written out
        machine.check_memory(model, 16384, 4, 1, 8e10)
    machine.check_memory(model, 16384, 4, 1, 8e10, on_cpu=False)


def test_parameters_are_those_of_the_model() -> None:
    config = replace(composed("model=pico").model, vocab_size=64)
    for tied in (True, False):
        shape = replace(config, tied=tied)
        assert shape.parameters(64) == sum(p.numel() for p in Transformer(shape).parameters())
