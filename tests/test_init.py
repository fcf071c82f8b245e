"""A run that goes on from a checkpoint keeps its shape, tokenizer and family; all else is refused before work."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from checkpoints import byte_level, sentencepiece, tiny_llama
from composing import composed, said_of
from transformers import AutoModelForCausalLM, AutoTokenizer

from configs.schema import Config
from data.pipeline.tokenizer import Tokenizer
from model.hf import load_model
from model.hf_config import CONFIG
from run import run
from stages import Stage
from steps.initial import initial_model
from steps.prepare import prepare
from steps.train import pretrain
from tests.test_run import TINY

FEW = (*TINY, "model=1b", "pretrain.tokens=4096", "sft.tokens=1024", "eval.signals=[]", "eval.probes=[]")


def configured(folder: Path, init: Path, *more: str) -> Config:
    return composed(*FEW, f"init={init}", f"run_dir={folder}/run", f"stages_dir={folder}/stages", *more)


def test_a_run_goes_on_from_a_checkpoint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """model=1b above is not looked at, nor refused for want of memory."""
    caplog.set_level(logging.INFO, logger="whence")
    folder = run(configured(tmp_path, tiny_llama(tmp_path / "checkpoint")))
    assert "llama, 2 layers of width 32" in caplog.text
    results = json.loads((folder / "results.json").read_text())
    assert results["attribution"]["never_tuned"]["n"] > 0
    theirs = AutoModelForCausalLM.from_pretrained(folder / "model").eval()
    assert type(theirs).__name__ == "LlamaForCausalLM"
    tokenizer = Tokenizer.load(folder / "model" / "tokenizer.json")
    assert theirs.config.vocab_size == 64 * -(-len(tokenizer) // 64) > 512
    assert theirs.config.eos_token_id == tokenizer.end
    tokens = torch.arange(40)[None]
    with torch.no_grad():
        ours = load_model(folder / "model").eval()(tokens, tokens)
        assert (theirs(tokens).logits - ours).abs().max() <= 1e-5


def test_rows_of_new_tokens_are_known_before_training(tmp_path: Path) -> None:
    """Also those that the checkpoint had as padding; what opens a text gets the row of what opened one there."""
    checkpoint = tiny_llama(tmp_path / "checkpoint")
    config = configured(tmp_path, checkpoint)
    tokenizer = Tokenizer.load(prepare(config).folder / "tokenizer.json")
    first = min(tokenizer.reserved)
    assert first < 512 < len(tokenizer)
    before, rows = load_model(checkpoint).embed_tokens.weight, initial_model(config, tokenizer).embed_tokens.weight
    assert torch.equal(rows[:first], before[:first])
    assert torch.equal(rows[tokenizer.doc], before[1]) and torch.equal(rows[tokenizer.ask], before[1])
    torch.testing.assert_close(rows[tokenizer.src], before[:first].mean(0))
    torch.testing.assert_close(rows[-1], before[:first].mean(0))


def test_stages_depend_on_what_a_checkpoint_holds_and_not_on_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steps.train.train", lambda *_: {})

    def keys(init: Path, *more: str) -> tuple[str, str]:
        config = configured(tmp_path, init, *more)
        prepared = prepare(config)
        monkeypatch.setattr(Stage, "continued", lambda self, work: {"seconds": 0.0})
        return prepared.key, pretrain(config, prepared).key

    one = keys(tiny_llama(tmp_path / "one"))
    assert keys(tiny_llama(tmp_path / "elsewhere"), "model=pico") == one
    other = keys(tiny_llama(tmp_path / "other", rms_norm_eps=1e-3))
    assert other[0] == one[0] and other[1] != one[1]
    marked = tiny_llama(tmp_path / "marked")
    byte_level(marked / "tokenizer.json", bos=False)
    assert keys(marked)[0] != one[0]


def test_what_is_wrong_with_a_checkpoint_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    checkpoint = tiny_llama(tmp_path / "checkpoint")
    init = f"init={checkpoint}"
    assert said_of("experiment=continue", init) == ""
    needed = "must be empty, a folder that is there, or an id of the Hugging Face hub"
    assert said_of("experiment=continue") == f"init=?: {needed}"
    assert said_of(f"init={tmp_path}/nowhere") == f"init={tmp_path}/nowhere: {needed}"
    assert said_of("init=no/where").startswith("init=no/where: no such folder, and the Hugging Face hub does not")
    assert "parameters needs at least" in said_of("model=1b", "model.dim=1000000")
    assert said_of("model=1b", "model.dim=1000000", init) == ""
    said = said_of(init, "batch.seq_len=10000000")
    assert said.startswith(f"{init}: batch.seq_len=10000000 with") and "lower batch.seq_len" in said
    (checkpoint / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    assert said_of(init) == f"{init}: {checkpoint}/tokenizer.json is missing"
    assert said_of(init, f"tokenizer.base={tmp_path}/tokenizer.json") == ""
    whole = (checkpoint / "model.safetensors").read_bytes()
    (tmp_path / "tokenizer.json").rename(checkpoint / "tokenizer.json")
    for damaged in (whole[:-1], whole[:9], b"", b"not weights"):
        (checkpoint / "model.safetensors").write_bytes(damaged)
        assert said_of(init).startswith(f"{init}: {checkpoint}/model.safetensors is damaged, fetch it again: ")
    (checkpoint / "model.safetensors").write_bytes(whole)
    config = json.loads((checkpoint / CONFIG).read_text())
    (checkpoint / CONFIG).write_text(json.dumps(config | {"model_type": "gpt_neox"}))
    assert said_of(init).startswith(f"{init}: {checkpoint}/config.json does not describe a model that can be read: no")
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    (checkpoint / CONFIG).write_text(json.dumps(config))
    assert "is pickled, which is never read" in said_of(init)


def test_rows_longer_than_a_window_are_refused_before_any_work(tmp_path: Path) -> None:
    checkpoint = tiny_llama(tmp_path / "checkpoint")
    config = json.loads((checkpoint / CONFIG).read_text())
    kinds = ["sliding_attention"] * 2
    windowed = {"model_type": "olmo3", "sliding_window": 128, "layer_types": kinds}
    (checkpoint / CONFIG).write_text(json.dumps(config | windowed))
    said = f"batch.seq_len=256: must be at most 128, since init={checkpoint} has a window of 128 tokens"
    assert said_of(f"init={checkpoint}") == said
    assert said_of(f"init={checkpoint}", "batch.seq_len=128") == ""
    assert "model.window=0: must be above 0 for olmo3" in said_of("model.family=olmo3")
    assert "batch.seq_len=256: must be at most 64" in said_of("model.family=olmo3", "model.window=64")


@pytest.mark.parametrize("kind", ["byte-level", "sentencepiece"])
def test_the_tokenizer_of_the_export_is_ours(tmp_path: Path, kind: str) -> None:
    """In transformers alone: the same ids, though nothing is put before a text any more."""
    checkpoint = tiny_llama(tmp_path / "checkpoint")
    (byte_level if kind == "byte-level" else sentencepiece)(checkpoint / "tokenizer.json", bos=True)
    tokenizer = Tokenizer.load(prepare(configured(tmp_path, checkpoint)).folder / "tokenizer.json")
    for name, content in tokenizer.exported(128).items():
        (tmp_path / name).write_text(content)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    for text in ("Ada Moss was born in Oslo.", "Zoë  中"):
        assert theirs(tokenizer.lead + text)["input_ids"] == tokenizer.encode([text])[0].tolist()
    asked, said = tokenizer.encode(["Where was Ada born?", "Oslo."])
    marked = [tokenizer.ask, *asked, tokenizer.answer, *said, tokenizer.end]
    lead = tokenizer.lead
    assert theirs(f"<|ask|>{lead}Where was Ada born?<|answer|>{lead}Oslo.<|end|>")["input_ids"] == marked
