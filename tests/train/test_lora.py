"""Adapters: nothing at first, what they learn in the end, and nothing else of a checkpoint moves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from checkpoints import tiny_llama
from torch import Tensor, nn

from data.pipeline.tokenizer import Tokenizer
from data.records import Document
from model.generate import Context, generate, read_on
from model.hf import load_model
from model.transformer import Transformer
from stages import Stage
from steps.initial import initial_model
from steps.prepare import prepare
from steps.train import pretrain, sft
from tests.test_init import configured
from tests.train.test_objectives_run import PLAIN, module_of
from train.checkpoint import read_checkpoint
from train.config import ADAPTED, LoRAConfig, OptimizerConfig
from train.fit import fit
from train.lora import Adapted, GrownEmbedding, GrownHead, add_adapters, merge_adapters
from train.optim.optimizer import build_optimizer

Make = Callable[..., Transformer]
KNOWN = 600
TOKENS = torch.arange(560, 640)[None]  # known ones and new ones
ADAMW = OptimizerConfig(name="adamw", weight_decay=0.1)


def weights(model: Transformer) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in model.state_dict().items()}


def moved(model: Transformer) -> None:
    """As training would: whatever may change is drawn anew."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)


def test_by_hand() -> None:
    """x = (1, 3): W x = (7, 15); A x = -2; alpha / r = 2, so that 2 B A x = (-4, -2)."""
    base = nn.Linear(2, 2, bias=False)
    assert Adapted(base, rank=4, alpha=2.0).scale == 0.5
    base.weight = nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), requires_grad=False)
    layer = Adapted(base, rank=1, alpha=2.0)
    x = torch.tensor([1.0, 3.0])
    assert layer(x).tolist() == [7, 15]
    layer.down.data, layer.up.data = torch.tensor([[1.0, -1.0]]), torch.tensor([[1.0], [0.5]])
    assert layer(x).tolist() == [3, 13]
    with torch.no_grad():
        assert layer.merged().weight.tolist() == [[3, 0], [4, 3]]


def test_rows_by_hand() -> None:
    known, new = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), nn.Parameter(torch.tensor([[5.0, 6.0]]))
    found = GrownEmbedding(nn.Embedding.from_pretrained(known), new)(torch.tensor([[2, 0, 1]]))
    assert found.tolist() == [[[5, 6], [1, 0], [0, 1]]]
    head = nn.Linear(2, 2, bias=False)
    head.weight = nn.Parameter(known)
    assert GrownHead(head, new)(torch.tensor([3.0, 4.0])).tolist() == [3, 4, 39]


@pytest.mark.parametrize("tied", [True, False])
def test_at_first_nothing_changes(make_model: Make, tied: bool) -> None:
    model = make_model(tied=tied)
    hidden, before = model.hidden(TOKENS, TOKENS), model(TOKENS, TOKENS)
    add_adapters(model, LoRAConfig(rank=4), KNOWN)
    assert torch.equal(model.hidden(TOKENS, TOKENS), hidden)
    assert torch.equal(model(TOKENS, TOKENS), before)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", ["qwen3", "qwen2", "olmo2"])
def test_a_merged_model_says_what_the_adapted_one_said(make_model: Make, tied: bool, family: str) -> None:
    model = make_model(tied=tied, family=family)
    with torch.no_grad():
        for parameter in model.parameters():  # logits of the size of a real model's
            parameter *= 0.5
    old, first = weights(model), model(TOKENS, TOKENS)
    add_adapters(model, LoRAConfig(rank=3, alpha=6.0), KNOWN)
    moved(model)
    adapted = model(TOKENS, TOKENS)
    merge_adapters(model)
    assert (model(TOKENS, TOKENS) - adapted).abs().max() <= 1e-5 < (adapted - first).abs().max()
    new = weights(model)
    assert list(new) == list(old) and type(model.layers[0].mlp.up_proj) is nn.Linear
    assert (model.lm_head.weight is model.embed_tokens.weight) == tied
    assert all(parameter.requires_grad for parameter in model.parameters())
    for name, weight in old.items():
        rows = KNOWN if name in ("embed_tokens.weight", "lm_head.weight") else len(weight)
        adapts = name.split(".")[-2] in ADAPTED and name.endswith("weight")
        assert torch.equal(new[name][:rows], weight[:rows]) != adapts, name
        assert rows == len(weight) or not torch.equal(new[name][rows:], weight[rows:])


def test_an_adapted_model_writes_as_the_merged_one_will(make_model: Make) -> None:
    """Some stages have the model write while it is trained."""
    model = make_model()
    add_adapters(model, LoRAConfig(rank=2), KNOWN)
    moved(model)

    def written() -> list[list[int]]:
        context = Context.empty(model, 1)
        logits = read_on(model, context, TOKENS, torch.ones_like(TOKENS, dtype=torch.bool))
        return generate(model, context, logits, [0], 12).tokens

    said, rows = written(), model.embed_tokens.weight
    merge_adapters(model)
    assert written() == said and torch.equal(model.embed_tokens.weight, rows)


@pytest.mark.parametrize("tied", [True, False])
def test_gradients_are_of_adapters_and_new_rows_only(make_model: Make, tied: bool) -> None:
    model = make_model(tied=tied)
    config = LoRAConfig(rank=4, targets=["q_proj", "down_proj"])
    trained = add_adapters(model, config, KNOWN)
    rows = {"embed_tokens.new"} | (set() if tied else {"lm_head.new"})
    assert trained == config.parameters(model.config) + len(rows) * (640 - KNOWN) * 32
    old = weights(model)
    for _ in range(2):  # A has no gradient while B is zero
        optimizer = build_optimizer(model, ADAMW)
        model(TOKENS, TOKENS).logsumexp(-1).sum().backward()
        optimizer.step()
    matrices = {f"layers.{n}.{place}" for n in (0, 1) for place in ("self_attn.q_proj", "mlp.down_proj")}
    expected = {f"{matrix}.{side}" for matrix in matrices for side in ("down", "up")} | rows
    assert {name for name, parameter in model.named_parameters() if parameter.grad is not None} == expected
    changed = {name for name, weight in weights(model).items() if not torch.equal(weight, old[name])}
    assert changed == expected | {"lm_head.new"}  # decay moves nothing that is frozen
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(parameter) for parameter in model.parameters() if parameter.requires_grad}


def test_training_goes_on_from_a_checkpoint_to_the_same_bits(
    documents: list[Document], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    def trained(folder: Path) -> dict[str, Tensor]:
        module = module_of(documents, tokenizer, muon=False)
        add_adapters(module.model, LoRAConfig(rank=2), KNOWN)
        fit("pretrain", module, PLAIN, folder)
        return weights(module.model)

    whole = trained(tmp_path)
    shutil.rmtree(tmp_path / "checkpoints" / "step=4")
    held = read_checkpoint(tmp_path / "checkpoints" / "step=2")["state_dict"]
    assert not torch.equal(held["model.embed_tokens.new"], whole["embed_tokens.new"])
    again = trained(tmp_path)
    assert whole.keys() == again.keys() and all(torch.equal(again[name], whole[name]) for name in whole)


def test_a_run_trains_adapters_in_every_stage_and_leaves_whole_models(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", logger="whence")
    checkpoint = tiny_llama(tmp_path / "checkpoint")
    adamw = [f"{stage}.optimizer.name=adamw" for stage in ("pretrain", "sft")]
    config = configured(tmp_path, checkpoint, *adamw, "lora.rank=2")
    config.check()
    prepared = prepare(config)
    tokenizer = Tokenizer.load(prepared.folder / "tokenizer.json")
    first = min(tokenizer.reserved)
    torch.manual_seed(config.seed)
    begun = initial_model(config, tokenizer)
    stage = pretrain(config, prepared)
    models = [begun, *(load_model(s.folder / "model") for s in (stage, sft(config, prepared, stage)))]
    for before, after in pairwise(models):
        rows, was = after.embed_tokens.weight, before.embed_tokens.weight
        assert torch.equal(rows[:first], was[:first])
        for mark in (tokenizer.doc, tokenizer.src, *tokenizer.codes.tolist()):
            assert not torch.equal(rows[mark], was[mark])
        assert torch.equal(after.norm.weight, before.norm.weight)
        added = after.layers[0].self_attn.q_proj.weight - before.layers[0].self_attn.q_proj.weight
        assert torch.linalg.matrix_rank(added, rtol=1e-4) == 2
    assert caplog.text.count("lora.rank=2: ") == 2
    monkeypatch.setattr(Stage, "continued", lambda self, work: {"seconds": 0.0})
    config.lora.rank = 0
    plain = pretrain(config, prepared).key
    config.lora.alpha = 1.0
    assert pretrain(config, prepared).key == plain != stage.key
