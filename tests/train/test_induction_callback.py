"""Looking at heads changes nothing, and a continued run has the rows of one that never stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from composing import said_of

from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.placement import TagsConfig
from data.pipeline.sources import Documents
from data.pipeline.stream import Plan
from data.pipeline.tokenizer import Tokenizer
from data.records import Document
from model.config import ModelConfig
from model.heads.induction import induction_scores, repeated_runs
from model.transformer import Transformer
from train.callbacks import INDUCTION
from train.config import OptimizerConfig, TrainerConfig
from train.fit import fit
from train.module import SourceAwareLM

SHAPE = ModelConfig(layers=1, dim=32, heads=2, kv_heads=1, ffn_dim=48, vocab_size=640)
PLAIN = TrainerConfig(precision="32-true", compiled=False, log_every=1, save_every=2, validate_every=0)


def module_of(documents: list[Document], tokenizer: Tokenizer, steps: int = 4) -> SourceAwareLM:
    source = Documents(documents, assign(documents, tokenizer, IdsConfig()), tokenizer, TagsConfig(), 96, seed=0)
    torch.manual_seed(0)
    runs = repeated_runs(sorted(tokenizer.starts), tokenizer.doc)
    plan = Plan(seq_len=96, sequences=4, steps=steps, block=9)
    return SourceAwareLM(
        Transformer(SHAPE), source, None, plan, tokenizer.pad, OptimizerConfig(), fingerprint="test", runs=runs
    )


def rows(folder: Path) -> list[dict[str, float]]:
    return [json.loads(row) for row in (folder / INDUCTION).read_text().splitlines()]


def test_rows_are_of_the_model_and_change_nothing(
    documents: list[Document], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    plain, watched = (module_of(documents, tokenizer) for _ in range(2))
    fit("plain", plain, PLAIN, tmp_path / "plain")
    fit("watched", watched, replace(PLAIN, induction_every=2), tmp_path / "watched")
    for one, other in zip(plain.model.parameters(), watched.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert not (tmp_path / "plain" / INDUCTION).exists()
    found = rows(tmp_path / "watched")
    assert [row["step"] for row in found] == [2, 4]
    assert watched.runs is not None
    scores = induction_scores(watched.model, watched.runs)
    assert found[-1]["prefix_matching"] == pytest.approx(float(scores.prefix_matching.max()))
    assert found[-1]["in_context"] == pytest.approx(scores.in_context, abs=1e-5)


def test_a_continued_run_has_the_same_rows(documents: list[Document], tokenizer: Tokenizer, tmp_path: Path) -> None:
    watching = replace(PLAIN, induction_every=1)
    fit("whole", module_of(documents, tokenizer), watching, tmp_path / "whole")
    fit("whole", module_of(documents, tokenizer), watching, tmp_path / "cut")
    checkpoints = sorted((tmp_path / "cut" / "checkpoints").iterdir(), key=lambda path: path.name)
    import shutil

    for path in checkpoints[1:]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = module_of(documents, tokenizer)
    fit("whole", again, watching, tmp_path / "cut")
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole") and len(rows(tmp_path / "cut")) == 4


def test_what_does_not_show_its_heads_is_refused() -> None:
    assert "looks into single heads" in said_of("trainer.induction_every=5")
    assert said_of("trainer.induction_every=5", "trainer.compiled=false") == ""
