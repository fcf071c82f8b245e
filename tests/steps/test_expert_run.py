"""Members of experiment=expert run a few steps, from the corpus to the measures, and are asked as they were tuned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from composing import NANO, composed

from data.pipeline.feedback import control_tokens
from data.pipeline.questions.own_texts import OwnText
from data.records import read_jsonl
from eval.load import load_run
from eval.results.never_told import MEASURES
from model.hf import load_model
from run import run
from tests.test_run import SMALL, WORLD

FEW = ("corpus.documents=80", "corpus.exposures=2", "pretrain.tokens=2048", "abstention_sft.tokens=2048")


def made(folder: Path, member: str) -> tuple[Path, dict[str, Any]]:
    there = (f"run_dir={folder}/run", f"stages_dir={folder}/stages")
    config = composed("experiment=expert", f"expert={member}", *SMALL, *NANO, *WORLD[1:], *FEW, *there)
    found = run(config)
    return found, json.loads((found / "results.json").read_text())["probes"]


def test_with_marks_from_rollout_to_measures(tmp_path: Path) -> None:
    folder, probes = made(tmp_path, "taught_marked")
    assert set(probes["never_told"]) == {"n", *MEASURES} and all(probes["never_told"]["n"].values())
    for form in ("text", "dialogue"):
        for group in ("unknown", "known"):
            assert {"flipped", "ratio_flipped", "shift"} < set(probes["self_evidence"][form][group])
    texts = list(read_jsonl(folder / "rollout1" / "own_texts.jsonl", OwnText))
    assert len(texts) > 10 and all(len(text.drawn) == 6 for text in texts)
    model = load_model(folder / "model")
    assert model.authors is not None and model.authors.embed_author.weight[1].any()
    assert not model.authors.embed_author.weight[0].any()
    assert load_model(folder / "sft" / "model").authors is None


def test_an_expert_is_asked_as_one(tmp_path: Path) -> None:
    folder, probes = made(tmp_path, "prefix_50")
    answerer = load_run(folder).answerer
    assert answerer.prompt([50])[:2] == [answerer.tokenizer.ask, control_tokens(answerer.tokenizer)[1]]
    assert answerer.name == "whence" and probes["never_told"]["wrong"]["value"] is not None
    asked = {path.name for path in (folder / "answer").glob("whence*.jsonl")}
    assert asked == {"whence.jsonl", "whence_lo.jsonl", "whence_hi.jsonl"}
    same = [(folder / "answer" / f"{name}.jsonl").read_text() for name in ("whence", "whence_hi", "whence_lo")]
    assert same[0] == same[1] != same[2]


@pytest.mark.parametrize("member", ["unknown_0", "unknown_100"])
def test_members_share_their_pretraining(member: str) -> None:
    from stages import Stage
    from steps.train import settings_of

    prepared = Stage("prepare", {}, Path("nowhere"))
    plain, changed = (composed("experiment=expert", f"expert={name}") for name in ("prefix_50", member))
    assert settings_of(plain, prepared, "pretrain") == settings_of(changed, prepared, "pretrain")
