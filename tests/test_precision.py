"""The precision is the one that measures faster."""

import pytest
import torch

from train import precision


def test_a_gpu_gets_bf16():
    assert precision.fastest_precision("gpu") == "bf16-mixed"


@pytest.mark.parametrize(
    ("bf16", "fp32", "chosen"), [(0.1, 1.0, "bf16-mixed"), (1.0, 1.0, "32-true"), (9.0, 1.0, "32-true")]
)
def test_a_cpu_gets_what_its_clock_says(monkeypatch, bf16, fp32, chosen):
    monkeypatch.setattr(precision, "_seconds", {torch.bfloat16: bf16, torch.float32: fp32}.__getitem__)
    assert precision.fastest_precision("cpu") == chosen


def test_the_clock_runs():
    assert 0 < precision._seconds(torch.float32, size=16) < 1
