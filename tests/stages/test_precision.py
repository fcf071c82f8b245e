"""The precision is what the hardware is made for, and the same in every process."""

from collections.abc import Callable

import pytest
import torch

from model.transformer import Transformer
from stages import precision


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


@pytest.mark.parametrize("fast", [precision.BF16, precision.FP32])
def test_drafts_are_written_by_a_copy_where_that_is_faster_and_the_model_stays(
    fast: str, make_model: Callable[..., Transformer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "fastest_precision", lambda accelerator: fast)
    model = make_model(vocab_size=40).eval()
    tokens, positions = torch.arange(12)[None], torch.arange(12)[None]
    with torch.inference_mode():
        before, copy = model(tokens, positions), precision.drafter(model)
        assert (copy is model) == (fast == precision.FP32)
        drafted = copy(tokens, positions).float().log_softmax(-1)
        assert torch.equal(model(tokens, positions), before)
    torch.testing.assert_close(drafted, before.log_softmax(-1), atol=0.1, rtol=0.0)
