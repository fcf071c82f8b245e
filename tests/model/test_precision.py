"""The precision is what the hardware is made for, and the same in every process."""

import pytest

from model import precision


def test_a_gpu_gets_bf16():
    assert precision.fastest_precision("gpu") == "bf16-mixed"


@pytest.mark.parametrize(
    ("flags", "chosen"),
    [
        ("fpu avx2 avx512f avx512_bf16", "bf16-mixed"),
        ("fpu amx_tile amx_bf16", "bf16-mixed"),
        ("fpu avx2 avx512f amx_tile", "32-true"),
    ],
)
def test_a_cpu_gets_what_it_has_instructions_for(monkeypatch, tmp_path, flags, chosen):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\n\nprocessor : 1\nflags\t\t: {flags}\n")
    monkeypatch.setattr(precision, "PROCESSOR", tmp_path / "cpuinfo")
    assert precision.fastest_precision("cpu") == chosen


def test_what_cannot_be_told_is_float32(monkeypatch, tmp_path):
    monkeypatch.setattr(precision, "PROCESSOR", tmp_path / "none")
    assert precision.fastest_precision("cpu") == "32-true"
