"""A run's directory: safe from a run that is not meant for it, and whole or refused when it is asked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from composing import NANO, composed
from transformers import AutoTokenizer

from eval.ask import answer
from eval.load import load_run
from run import run
from stages.record import DONE, digests, read_record, write_record
from stages.uses import BEGUN, begin_use
from steps.run_dir import check_run_dir, writable

EVALUATED = (
    *("answer", "signals", "statements", "statements_given"),
    *("probe_self_evidence", "probe_membership", "probe_dominance"),
)
SMALL = (
    "model=pico",
    *NANO,
    "corpus.documents=40",
    "tokenizer.vocab_size=1024",
    "batch.sequences=4",
    "pretrain.tokens=2048",
    "sft.tokens=0",
    "trainer.precision=32-true",
    "trainer.compiled=false",
    "eval.citations=2",
)


def again(folder: Path) -> Path:
    """The same command, in a directory that a link leads to."""
    return run(composed(*SMALL, f"run_dir={folder}/link/run", f"stages_dir={folder}/stages"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "deep" / "down").mkdir(parents=True)
    (folder / "link").symlink_to("deep/down")
    return again(folder)


def test_a_directory_under_a_link_holds_links_that_lead_somewhere(finished: Path) -> None:
    links = [path for path in finished.iterdir() if path.is_symlink()]
    assert {path.name for path in links} == {"prepare", "pretrain", "model", *EVALUATED}
    assert all(path.is_dir() for path in links)
    assert not (finished / BEGUN).exists()
    assert answer(load_run(finished), "Where does Ann Lee work?")


def test_the_model_of_a_run_has_the_tokenizer_of_the_run(finished: Path) -> None:
    ours = load_run(finished).answerer.tokenizer
    theirs = AutoTokenizer.from_pretrained(finished / "model")
    assert theirs(" Ann Lee works at Corp.")["input_ids"] == ours.encode(["Ann Lee works at Corp."])[0].tolist()
    assert theirs("<|ask|>")["input_ids"] == [ours.ask]


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_damaged_run_says_where_and_the_same_command_mends_it(finished: Path, caplog: Any) -> None:
    weights = (finished / "model" / "model.safetensors").read_bytes()
    flipped = bytearray(weights)
    flipped[-2] ^= 0x40
    damages = {
        finished / "prepare" / "tokenizer.json": lambda path: os.truncate(path, 1000),
        finished / "prepare" / "questions.jsonl": lambda path: edited(path, '"answers": ["', '"answers": ["x'),
        finished / "model" / "config.json": lambda path: edited(path, '"rope_theta": 1', '"rope_theta": 2'),
        finished / "model" / "model.safetensors": lambda path: path.write_bytes(flipped),
        finished / "config.json": lambda path: path.write_text("[]"),
        finished / "policy.json": lambda path: path.write_text("[]"),
    }
    for path, damage in damages.items():
        whole = path.read_bytes()
        damage(path)
        with pytest.raises(ValueError, match=f"{path.resolve()} is damaged .*run.py command.* makes it anew"):
            load_run(finished)
        path.write_bytes(whole)
        load_run(finished)
    for path, damage in damages.items():
        damage(path)
    (finished / "answer" / "whence.jsonl").write_text("")
    again(finished.parent.parent)
    for stage in ("prepare", "pretrain", "answer"):
        assert f"{(finished / stage).resolve()} is damaged: " in caplog.text
    load_run(finished)
    assert (finished / "model" / "model.safetensors").read_bytes() == weights


@pytest.mark.parametrize(
    "change", [[], {}, {"ids": None}, {"ids": {"schema": "opaque"}}, {"tags": []}, {"tags": {"content": "id"}}, None]
)
def test_a_configuration_of_another_shape_is_named(finished: Path, change: Any) -> None:
    """As another version of the code might have written it: it is as its record has it."""
    record, whole = read_record(finished), (finished / "config.json").read_bytes()
    assert record is not None
    value = json.loads(whole) | change if isinstance(change, dict) and change else change
    (finished / "config.json").write_text(json.dumps(value))
    write_record(finished, {}, record["files"] | {"config.json": digests(finished)["config.json"]})
    with pytest.raises(ValueError, match=r"config\.json: not the configuration of a run"):
        load_run(finished)
    (finished / "config.json").write_bytes(whole)
    write_record(finished, {}, record["files"])
    load_run(finished)


def test_what_is_no_finished_run_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path} holds no finished run .*; make one with python run.py"):
        load_run(tmp_path)
    (tmp_path / DONE).write_text("{}")
    with pytest.raises(ValueError, match=r"is damaged \(not as it was written\)"):
        load_run(tmp_path)


@pytest.mark.parametrize("name", ["", ".", "..", "../../elsewhere", "/tmp/x", "a/", "a//b", "a/../b"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"name={name} is no name"):
        check_run_dir(name, Path("runs/x"), Path("runs/stages"))
    check_run_dir("group/of.runs", Path("runs/x"), Path("runs/stages"))


def test_the_place_of_the_stages_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for run_dir in ("stages", "stages/x", "link/stages", "../" + tmp_path.name + "/stages"):
        with pytest.raises(ValueError, match="where the stages of all runs stand"):
            check_run_dir("x", tmp_path / run_dir, tmp_path / "stages")
    check_run_dir("x", tmp_path, tmp_path / "stages")


@pytest.mark.parametrize("entry", ["Makefile", "model/hf.py", "config.json", "src/deep/x", "results/results.csv"])
def test_a_directory_with_other_things_is_refused_and_left_alone(tmp_path: Path, entry: str) -> None:
    (tmp_path / entry).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / entry).write_text("mine")
    with pytest.raises(ValueError, match=f"holds {entry.split('/')[0]}, which is no run's"):
        check_run_dir("x", tmp_path, tmp_path / "stages")


def test_a_run_may_go_where_one_was_and_where_a_sweep_was(tmp_path: Path) -> None:
    run_dir, sweep, stages = tmp_path / "runs/a", tmp_path / "runs/sweep", tmp_path / "runs/stages"
    begin_use(run_dir, stages / "prepare-0123456789ab")
    for name in ("results.json", "notes.txt", "plots/x.png"):
        (run_dir / name).parent.mkdir(exist_ok=True)
        (run_dir / name).write_text("{}")
    begin_use(sweep / "seed=0", stages / "prepare-0123456789ab")
    (sweep / "abstention.md").write_text("")
    for allowed in (run_dir, sweep, tmp_path / "new"):
        check_run_dir("x", allowed, stages)
    (run_dir / "model").mkdir()  # a copy, where a link has to be
    with pytest.raises(ValueError, match="holds model, which"):
        check_run_dir("x", run_dir, stages)


def test_a_failed_run_leaves_no_empty_directory(tmp_path: Path) -> None:
    runs, stages = tmp_path / "runs", tmp_path / "runs" / "stages"

    def fail(kept: str) -> None:
        with writable(runs / "a", stages):
            if kept:
                (stages / kept).mkdir(exist_ok=True)
                begin_use(runs / "a", stages / kept)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail("")
    assert os.listdir(tmp_path) == []
    with pytest.raises(KeyboardInterrupt):
        fail("prepare-0123456789ab")  # which others may use, and which is quickly made
    assert os.listdir(runs) == ["stages"]
    with pytest.raises(KeyboardInterrupt):
        fail("pretrain-0123456789ab")  # which the same command continues
    assert os.listdir(runs / "a" / BEGUN) == ["pretrain-0123456789ab"]
