"""Checkpoints of every family: read from transformers' own files, written back, the same logits at either end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPTNeoXConfig, PreTrainedModel

from bench.families import CASES, LINEAR, LLAMA3, POSITIONS, TOKENS, differences, random_model
from model.config import ModelConfig
from model.families import FAMILIES
from model.hf import INDEX, WEIGHTS, load_model
from model.hf_config import CONFIG
from model.transformer import KVCache, Transformer


def theirs(family: str, **settings: Any) -> PreTrainedModel:
    return random_model(family, settings)


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return model(TOKENS).logits


@pytest.mark.parametrize(("family", "settings"), CASES)
def test_a_family_comes_in_and_goes_out(tmp_path: Path, family: str, settings: dict[str, Any]) -> None:
    model = theirs(family, **settings)
    assert max(differences(model, tmp_path).values()) <= 1e-5
    ours = load_model(tmp_path / "in")
    assert ours.config.family == family
    assert ours.config.parameters(96) == sum(p.numel() for p in ours.parameters())
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert type(again) is type(model)
    assert (again.config.eos_token_id, again.dtype) == (2, torch.float32)
    assert load_model(tmp_path / "out").config == ours.config


def test_every_family_of_the_table_is_compared() -> None:
    assert {family for family, _ in CASES} == set(FAMILIES)


@pytest.mark.parametrize("family", ["llama", "olmo2"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_shards_of_half_precision_become_float32(tmp_path: Path, family: str, dtype: torch.dtype) -> None:
    model = theirs(family).to(dtype)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / INDEX).exists() and len(list(tmp_path.glob("*.safetensors"))) > 2
    ours = load_model(tmp_path).eval()
    assert {p.dtype for p in ours.parameters()} == {torch.float32}
    with torch.no_grad():
        again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
        assert (ours(TOKENS, POSITIONS) - logits(again)).abs().max() <= 1e-5


def test_a_config_of_older_days_is_read(tmp_path: Path) -> None:
    """Without what has a default there, with rope_scaling, and with tensors that say nothing."""
    model = theirs(
        "llama", num_key_value_heads=4, tie_word_embeddings=True, rope_parameters=LINEAR | {"rope_theta": 1e4}
    )
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / CONFIG).read_text())
    for key in ("rope_parameters", "num_key_value_heads", "head_dim", "attention_bias", "mlp_bias"):
        config.pop(key, None)
    (tmp_path / CONFIG).write_text(json.dumps(config | {"rope_scaling": {"type": "linear", "factor": 2.5}}))
    weights = load_file(tmp_path / WEIGHTS)
    more = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4), "lm_head.weight": torch.ones(96, 32)}
    save_file(weights | more, tmp_path / WEIGHTS)
    ours = load_model(tmp_path).eval()
    with torch.no_grad():
        assert (ours(TOKENS, POSITIONS) - logits(model)).abs().max() <= 1e-5


def change(**values: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text()) | values
        (folder / CONFIG).write_text(json.dumps({key: value for key, value in config.items() if value != "gone"}))

    return damage


def shards(change: Callable[[Path, dict[str, Any]], None]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, max_shard_size="20KB")
        (folder / WEIGHTS).unlink()
        load_model(folder)
        index = json.loads((folder / INDEX).read_text())
        change(folder, index)
        (folder / INDEX).write_text(json.dumps(index))

    return damage


def pickled(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")


def whole_numbers(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    save_file(weights | {"model.norm.weight": torch.ones(32, dtype=torch.int8)}, folder / WEIGHTS)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (change(model_type="gpt_neox"), r"config\.json .*model_type gpt_neox \(its blocks differ: LayerNorm"),
        (change(model_type="olmo"), r"config\.json .*model_type olmo \(its LayerNorm has no weights"),
        (change(model_type="gemma"), r"config\.json .*no model of model_type gemma, only of qwen3"),
        (change(attention_bias=True), r"config\.json .*attention_bias is true; only false"),
        (change(mlp_bias=True), r"config\.json .*mlp_bias is true"),
        (change(quantization_config={"quant_method": "awq"}), r"config\.json .*quantization_config is .*awq"),
        (change(rope_parameters={"rope_type": "yarn", "rope_theta": 1e4}), r"rope_type is \"yarn\"; only"),
        (change(rope_parameters=LINEAR | {"partial_rotary_factor": 0.5}), r"partial_rotary_factor is 0\.5"),
        (change(rope_parameters=LLAMA3 | {"low_freq_factor": 4.0}), r"config\.json .*rope_low=4\.0 must be below"),
        (change(rope_parameters=LLAMA3 | {"factor": "8"}), r"config\.json .*factor is \"8\", not a number"),
        (change(vocab_size="gone"), r"config\.json .*it lacks the key 'vocab_size'"),
        (change(model_type="qwen2"), r"model\.safetensors .*q_proj\.bias is missing"),
        (change(model_type="qwen3", head_dim=8), r"model\.safetensors .*q_norm\.weight is missing"),
        (pickled, r"model\.safetensors does not exist, and pytorch_model\.bin is pickled, which is never read"),
        (whole_numbers, r"model\.safetensors .*model\.norm\.weight is of type I8"),
        (shards(lambda folder, index: index.pop("weight_map")), r"index\.json is no index"),
        (shards(lambda folder, index: index["weight_map"].update(x="../x")), r"index\.json is no index.*\.\./x"),
        (shards(lambda folder, index: sorted(folder.glob("model-*"))[1].unlink()), r"index\.json .*model-00002"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_named(tmp_path: Path, damage: Callable[[Path], None], said: str) -> None:
    theirs("llama").save_pretrained(tmp_path)
    load_model(tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=said):
        load_model(tmp_path)


def test_a_model_of_another_kind_is_refused_as_transformers_writes_it(tmp_path: Path) -> None:
    GPTNeoXConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="model_type gpt_neox"):
        load_model(tmp_path)


def test_layers_that_differ_are_refused(tmp_path: Path) -> None:
    theirs("olmo3", sliding_window=64).save_pretrained(tmp_path)
    kept = (tmp_path / CONFIG).read_text()
    for wrong in (
        {"layer_types": ["full_attention"] * 4},
        {"rope_parameters": {"sliding_attention": {"rope_theta": 3000.0}, "full_attention": LINEAR}},
        {"rope_parameters": {"full_attention": LINEAR, "sliding_attention": LINEAR}},
    ):
        (tmp_path / CONFIG).write_text(kept)
        change(**wrong)(tmp_path)
        with pytest.raises(ValueError, match=r"layer_types|differ from layer to layer|must be default for olmo3"):
            load_model(tmp_path)


def test_more_than_a_window_is_refused_and_not_computed_wrongly(tmp_path: Path) -> None:
    model = theirs("olmo3", sliding_window=24)
    model.save_pretrained(tmp_path)
    ours = load_model(tmp_path).eval()
    with torch.no_grad():
        short = ours(TOKENS[:, :24], POSITIONS[:, :24])
        assert (short - model(TOKENS[:, :24]).logits).abs().max() <= 1e-5
        with pytest.raises(ValueError, match="25 tokens at once are more than this model's window of 24"):
            ours(TOKENS[:, :25], POSITIONS[:, :25])
        cache = KVCache.empty(ours.config.layers)
        ours(TOKENS[:, :20], POSITIONS[:, :20], None, cache)
        with pytest.raises(ValueError, match="25 tokens at once"):
            ours(TOKENS[:, 20:25], POSITIONS[:, 20:25], None, cache)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_family_can_be_trained_from_scratch(family: str) -> None:
    """Its gradients are there and of a size, in every weight that the first step moves."""
    torch.manual_seed(0)
    window = 64 if family == "olmo3" else 0
    shape = ModelConfig(dim=32, layers=2, heads=2, kv_heads=1, head_dim=16, ffn_dim=48, vocab_size=96)
    model = Transformer(ModelConfig(**(vars(shape) | {"family": family, "window": window})))
    model(TOKENS, POSITIONS).logsumexp(-1).mean().backward()
    norms = {name: float(p.grad.norm()) for name, p in model.named_parameters() if p.grad is not None}
    assert len(norms) == len(list(model.parameters()))
    assert all(norm < 10 for norm in norms.values()), norms
