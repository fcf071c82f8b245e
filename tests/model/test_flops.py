"""FLOP counts by hand and by PyTorch's own counter; peaks of known devices only."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.inputs import read_preset
from model.attention import dense_mask
from model.config import ModelConfig
from model.flops import causal_keys, flops_per_token, matmul_parameters, mfu, peak_flops
from model.transformer import Transformer

SMALL = ModelConfig(dim=8, layers=2, heads=2, kv_heads=1, head_dim=4, ffn_dim=12, vocab_size=32)


def test_by_hand():
    # q 8x8, k 8x4, v 8x4, o 8x8, three of 8x12: 480 a layer; two layers and the output layer 8x32
    assert matmul_parameters(SMALL) == 2 * 480 + 256 == 1216
    # 6 x 1216, and 12 x 2 layers x 2 heads x 4 for each of ten keys
    assert flops_per_token(SMALL, keys=10) == 7296 + 1920
    assert causal_keys(10) == 5.5  # 1, 2, ... 10 keys
    assert flops_per_token(SMALL, causal_keys(10)) == 7296 + 1056


@pytest.mark.parametrize("tied", [True, False])
def test_pytorch_counts_the_same(tied):
    config, row = replace(SMALL, tied=tied), 16
    model = Transformer(config)
    tokens = torch.zeros(3, row, dtype=torch.long)
    mask = dense_mask(tokens, tokens, tokens.bool())
    with FlopCounterMode(display=False) as counter:
        model(tokens, torch.arange(row).expand(3, row), mask).sum().backward()
    assert counter.get_total_flops() == 3 * row * flops_per_token(config, keys=row)


@pytest.mark.parametrize(
    ("preset", "parameters"),
    [
        ("gpt2-small", 12 * (4 * 768 * 768 + 3 * 768 * 2048) + 50304 * 768),  # 124M
        ("medium", 24 * (4 * 1024 * 1024 + 3 * 1024 * 2752) + 50304 * 1024),  # 355M
        ("1b", 24 * (4 * 2048 * 2048 + 3 * 2048 * 5504) + 50304 * 2048),  # 1.3B
    ],
)
def test_presets_have_the_size_of_their_name(preset, parameters):
    config = read_preset(preset, vocabulary=1000)
    config.check()
    assert matmul_parameters(config) == parameters


@pytest.mark.parametrize(
    ("device", "peak"),
    [
        ("NVIDIA H200", 989e12),
        ("NVIDIA H200 NVL", 835.5e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA GH200 480GB", None),
        ("NVIDIA H200 MIG 1g.18gb", None),
        ("NVIDIA GeForce RTX 4090", None),
        ("", None),
    ],
)
def test_peaks_are_known_or_absent(device, peak):
    assert peak_flops(device) == peak


def test_mfu():
    tokens_per_second = 0.4 * 989e12 / flops_per_token(SMALL, 10)
    assert mfu(SMALL, tokens_per_second, 10, "NVIDIA H200") == pytest.approx(0.4)
    assert mfu(SMALL, tokens_per_second, 10, "a card of tomorrow") is None
