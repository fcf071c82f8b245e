"""Two processes learn what one learns."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ARGUMENTS = (
    "model=pico",
    "corpus.documents=40",
    "corpus.heldout=4",
    "tokenizer.vocab_size=1024",
    "batch.rows=4",
    "pretrain.tokens=12288",
    "tune.tokens=0",
    "trainer.precision=32-true",
    "trainer.compiled=false",
    "trainer.log_every=1",
    "pretrain.optimizer.name=adamw",  # Muon rounds to bf16 and so blows up differences in the order of sums
    "pretrain.optimizer.lr=0.002",
)


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(tmp_path):
    def losses(name: str, *overrides: str) -> list[float]:
        folder = tmp_path / name
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, str(ROOT / "run.py"), *ARGUMENTS, *overrides],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        (path,) = folder.glob("runs/stages/pretrain-*/metrics.jsonl")
        return [json.loads(line)["loss"] for line in path.read_text().splitlines()]

    one = losses("one")
    assert len(one) == 12
    assert losses("accumulated", "trainer.accumulation=2") == pytest.approx(one, rel=1e-4)
    assert losses("two", "trainer.devices=2", "trainer.strategy=ddp") == pytest.approx(one, rel=1e-4)
