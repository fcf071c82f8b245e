"""Every objective trains, from its config to its checkpoint; AWR goes on from one to the last bit."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from composing import CONFIGS, composed

from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.placement import TagsConfig
from data.pipeline.sources import Documents
from data.pipeline.stream import Plan
from data.pipeline.tokenizer import Tokenizer
from data.records import Document
from model.config import ModelConfig
from model.transformer import Transformer
from train.checkpoint import read_checkpoint
from train.config import OptimizerConfig, TrainerConfig
from train.fit import fit, read_metrics
from train.module import SourceAwareLM
from train.optim.optimizer import build_optimizer

OBJECTIVES = sorted(path.stem for path in (CONFIGS / "objective").glob("*.yaml"))
SHAPE = ModelConfig(layers=1, dim=32, heads=2, kv_heads=1, ffn_dim=48, vocab_size=640)
PLAIN = TrainerConfig(precision="32-true", compiled=False, log_every=1, save_every=2, validate_every=0)


def module_of(
    documents: list[Document], tokenizer: Tokenizer, *overrides: str, steps: int = 4, muon: bool = True
) -> SourceAwareLM:
    told = [replace(d, metadata={**d.metadata, "reliability": (0.55, 0.95)[n % 2]}) for n, d in enumerate(documents)]
    objective = composed(*overrides).objective
    source = Documents(
        told, assign(told, tokenizer, IdsConfig()), tokenizer, TagsConfig(), 96, seed=0, feedback=objective
    )
    torch.manual_seed(0)
    return SourceAwareLM(
        Transformer(SHAPE),
        source,
        None,
        Plan(seq_len=96, sequences=4, steps=steps, begins=objective.begins, block=9),
        tokenizer.pad,
        OptimizerConfig(name="muon" if muon else "adamw"),
        fingerprint="test",
        objective=objective,
        idk=tokenizer.idk,
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("begins", ["0.0", "0.5"])
def test_every_objective_trains(
    objective: str, begins: str, documents: list[Document], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    """Until the feedback begins the weights are those of next-token prediction, and after it they are not."""
    if objective == "next_token" and begins != "0.0":
        pytest.skip("it has nothing to begin")
    module = module_of(documents, tokenizer, f"objective={objective}", f"objective.begins={begins}")
    fit(objective, module, PLAIN, tmp_path)
    assert all(torch.isfinite(p).all() for p in module.parameters())
    plain = module_of(documents, tokenizer)
    fit("plain", plain, PLAIN, tmp_path / "plain")
    losses, others = ([row["loss"] for row in read_metrics(p)] for p in (tmp_path, tmp_path / "plain"))
    assert len(losses) == 4
    if begins == "0.5" and objective not in ("awr", "conditional"):  # alpha halves a step; room is left for controls
        near = 1e-6 if objective == "idk_token" else 0.0  # which is seen by another sum
        assert losses[:2] == pytest.approx(others[:2], rel=near, abs=0.0)
    same = all(torch.equal(a, b) for a, b in zip(module.model.parameters(), plain.model.parameters(), strict=True))
    assert same == (objective == "next_token")


def test_the_value_head_is_trained_and_kept_but_no_part_of_the_model(
    documents: list[Document], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    module = module_of(documents, tokenizer, "objective=awr")
    fit("awr", module, PLAIN, tmp_path)
    head = module.value_head
    assert head is not None and head.linear.weight.abs().max() > 0
    saved = read_checkpoint(tmp_path / "checkpoints" / "step=4")["state_dict"]
    assert torch.equal(saved["value_head.linear.weight"], head.linear.weight)
    assert not any("value" in name for name in module.model.state_dict())


@pytest.mark.parametrize("muon", [True, False])
def test_the_value_head_goes_to_adamw_without_decay(
    documents: list[Document], tokenizer: Tokenizer, muon: bool
) -> None:
    module = module_of(documents, tokenizer, "objective=awr", muon=muon)
    assert module.value_head is not None
    optimizer = build_optimizer(module.model, module.optimizer_config, torch.float32, module.value_head)
    mine = {id(p) for p in module.value_head.parameters()}
    (group,) = [g for g in optimizer.param_groups if mine & {id(p) for p in g["params"]}]
    assert mine <= {id(p) for p in group["params"]}
    assert group["weight_decay"] == 0.0 and "betas" in group
    together = [id(p) for g in optimizer.param_groups for p in g["params"]]
    assert sorted(together) == sorted(map(id, module.parameters()))


def test_awr_goes_on_from_a_checkpoint_to_the_same_bits(
    documents: list[Document], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    """Feedback from the middle on, and stopped after that: the value head, its moments and the rows are as they were.

    That a killed run is one that goes on from its newest checkpoint is tests/train/test_kill.py.
    """
    overrides = ("objective=awr", "objective.begins=0.4")
    whole, resumed = (module_of(documents, tokenizer, *overrides, steps=8) for _ in range(2))
    fit("awr", whole, PLAIN, tmp_path)
    expected = read_checkpoint(tmp_path / "checkpoints" / "step=8")
    shutil.rmtree(tmp_path / "checkpoints" / "step=8")
    assert resumed.value_head is not None and not resumed.value_head.linear.weight.any()
    fit("awr", resumed, PLAIN, tmp_path)
    found = read_checkpoint(tmp_path / "checkpoints" / "step=8")
    assert resumed.cursor == whole.cursor
    for name, value in expected["state_dict"].items():
        assert torch.equal(found["state_dict"][name], value), name
    moments, others = (one["optimizer_states"][0]["state"] for one in (expected, found))
    assert all(torch.equal(moments[k][n], others[k][n]) for k in moments for n in moments[k] if n != "step")
