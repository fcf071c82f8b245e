"""A compiled training, through the front door's own path: nothing breaks a graph, nothing compiles twice."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch._dynamo.utils import counters

from bench.golden_losses import ROOT
from configs.schema import register
from run import run
from train.module import SourceAwareLM

STEPS = 8
TINY = (
    "experiment=tiny",
    "corpus.documents=40",
    "corpus.heldout=4",
    "batch.sequences=4",
    "batch.seq_len=128",
    f"pretrain.tokens={STEPS * 4 * 128}",
    "pretrain.optimizer.name=adamw",  # Muon rounds to bf16 and so blows up differences in the order of sums
    "pretrain.optimizer.lr=0.002",
    "sft.tokens=0",
    "trainer=cpu",
    "trainer.precision=32-true",
    "trainer.log_every=1",
    "trainer.validate_every=3",  # reading held-out documents in between must compile nothing either
)


@dataclass
class Watched:
    """What compiling had done by the end of each microbatch's forward pass."""

    graphs: list[int] = field(default_factory=list)
    breaks: list[dict[str, int]] = field(default_factory=list)
    contents: set[bytes] = field(default_factory=set)


def train(folder: Path, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> tuple[list[float], Watched]:
    """The losses of a short run, and what was compiled for it."""
    watched, step = Watched(), SourceAwareLM.training_step

    def watch(module: SourceAwareLM, micro, index):
        loss = step(module, micro, index)
        watched.graphs.append(counters["stats"]["unique_graphs"])
        watched.breaks.append(dict(counters["graph_break"]))
        watched.contents.add(micro.batch.doc.numpy().tobytes() + micro.batch.note.numpy().tobytes())
        return loss

    monkeypatch.setattr(SourceAwareLM, "training_step", watch)
    torch._dynamo.reset()
    counters.clear()
    register()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        composed = compose(
            "config", overrides=[*TINY, *overrides, f"run_dir={folder}/run", f"stages_dir={folder}/stages"]
        )
    run(OmegaConf.to_object(composed))
    torch._dynamo.reset()
    monkeypatch.undo()
    (path,) = folder.glob("stages/pretrain-*/metrics.jsonl")
    return [json.loads(row)["loss"] for row in path.read_text().splitlines()], watched


@pytest.mark.slow
def test_a_compiled_training_has_no_break_and_no_recompile_and_learns_as_an_eager_one(tmp_path, monkeypatch):
    eager, idle = train(tmp_path / "eager", monkeypatch, "trainer.compiled=false")
    assert idle.graphs == [0] * STEPS
    losses, watched = train(tmp_path / "compiled", monkeypatch, "trainer.compiled=true")
    assert len(watched.contents) == STEPS  # each step's mask was another, its shape the same
    assert watched.breaks == [{}] * STEPS
    assert watched.graphs == [2] * STEPS  # compiled at the first step: one for all blocks, one for the loss
    assert losses == pytest.approx(eager, rel=1e-4)
