"""The losses of a short training, step by step, as the front door of a checkout makes them.

A checkout is trained through its own `run.py` in a process of its own and judged by the files that it leaves
(metrics.jsonl and model/model.safetensors of each training stage), so any revision can be traced, whatever its code
looks like inside. Made for exactness: float32, one thread, not compiled, every step recorded.

    python -m bench.golden_losses tests/golden/demo.json    write them anew, when they are meant to change

The golden losses are torchtitan's idea (tests/assets/losses, scripts/loss_compare.py).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from data.atomic import write_json

ROOT = Path(__file__).parent.parent
STAGES = ("pretrain", "sft")
EVALUATED = ("answer", "evaluate")  # the first stage after training, as it is called and as it was
EXACT = ("trainer=cpu", "trainer.precision=32-true", "trainer.compiled=false", "trainer.log_every=1")
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
POLL = 0.1  # seconds

# The demo's world, model, tags, identifiers and optimiser over 100 steps of fewer tokens: 2 x 96 in place of 8 x 256,
# which would take a minute and a half on one core. One row at a time, so that accumulation is covered as well.
GOLDEN = (
    "experiment=demo",
    "batch.sequences=2",
    "batch.seq_len=96",
    "trainer.accumulation=2",
    "pretrain.tokens=19200",
    "sft.tokens=0",
    "rewriting.fraction=0",
)


@dataclass(frozen=True)
class Trace:
    """What one training stage left.

    Attributes:
        losses: mean nats per target of each step.
        exact: of each step, what no processor rounds otherwise: the rate, and the share of places filled.
        weights: sha256 of each tensor of the final model (its type, shape and bytes), by name.
    """

    losses: tuple[float, ...]
    exact: dict[str, tuple[float, ...]]
    weights: dict[str, str]


def trace(checkout: Path, overrides: Sequence[str], name: str = "this checkout") -> dict[str, Trace]:
    """Train with the code in `checkout` under Hydra `overrides`, which may undo EXACT; its training stages by name.

    Raises ValueError, with what the run said, when it fails or leaves no training stage.
    """
    if not (checkout / "run.py").is_file():
        raise ValueError(f"{name} has no run.py: it is no revision of whence that can be run")
    with tempfile.TemporaryDirectory(prefix="whence-losses-") as folder:
        stages = Path(folder) / "stages"
        _run(checkout, (*EXACT, *overrides), Path(folder), stages, name)
        found = {stage: next(stages.glob(f"{stage}-*/done.json"), None) for stage in STAGES}
        traces = {stage: _read(done.parent) for stage, done in found.items() if done}
    if not traces:
        raise ValueError(f"the run of {name} left no training stage")
    return traces


def _run(checkout: Path, overrides: Sequence[str], folder: Path, stages: Path, name: str) -> None:
    """`run.py`, ended as soon as its evaluation begins: nothing after that trains."""
    command = [sys.executable, str(checkout / "run.py"), *overrides, f"run_dir={folder}/run", f"stages_dir={stages}"]
    said = folder / "said.txt"
    with open(said, "w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **THREADS, "PYTHONPATH": str(checkout)},
            stdout=subprocess.DEVNULL,
            stderr=file,
        )
        try:
            while process.poll() is None and not any(any(stages.glob(f"*{name}-*")) for name in EVALUATED):
                time.sleep(POLL)
            ended = process.poll()
        finally:
            process.kill()
            process.wait()
    if ended:
        lines = said.read_text(encoding="utf-8", errors="replace").splitlines()
        raise ValueError("\n".join((f"the run of {name} failed (exit code {ended}):", *lines[-8:])))


def _read(stage: Path) -> Trace:
    rows = [json.loads(row) for row in (stage / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    if [row["step"] for row in rows] != list(range(1, len(rows) + 1)):
        raise ValueError(f"{stage.name} did not record every step: leave trainer.log_every=1")
    tensors = load_file(stage / "model" / "model.safetensors")
    return Trace(
        losses=tuple(row["loss"] for row in rows),
        exact={name: tuple(row[name] for row in rows) for name in ("lr", "filled") if name in rows[0]},
        weights={name: _digest(tensor) for name, tensor in tensors.items()},
    )


def _digest(tensor: torch.Tensor) -> str:
    head = f"{tensor.dtype} {tuple(tensor.shape)} ".encode()
    return hashlib.sha256(head + tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, and write the losses; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.golden_losses",
        description="Train the demo's model for a hundred steps, about half a minute, and write its losses anew: "
        "for when they are meant to change. tests/bench/test_golden_losses.py compares with tests/golden/demo.json.",
    )
    parser.add_argument("path", metavar="FILE.json", type=Path, help="replaced if it is there")
    path: Path = parser.parse_args(arguments).path
    try:
        traced = trace(ROOT, GOLDEN)["pretrain"]
        record = {"overrides": GOLDEN, "torch": torch.__version__, "loss": traced.losses, **traced.exact}
        write_json(path, record)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(traced.losses)} losses, {traced.losses[0]:.4f} to {traced.losses[-1]:.4f}: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
