"""The walk-throughs of docs/extending.md work as they stand there: applied to a copy of the code, and run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "extending.md"
FILE = re.compile(
    r"<!-- (?P<path>[^,]*?)(?:, (?P<where>before|after): (?P<line>.*?))? -->\n```\w*\n(?P<text>.*?)```", re.S
)
ROOMS = ("configs", "data", "model", "train", "stages", "eval", "steps", "run.py")
SMALL = ("pretrain.tokens=2048", "sft.tokens=1024", "corpus.documents=24", "corpus.heldout=2")


def commands() -> list[list[str]]:
    """Those of the page, without the `python` that begins each."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    return [block.replace("\\\n", " ").replace('"', "").split()[1:] for block in blocks]


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with all that the page adds."""
    folder = tmp_path_factory.mktemp("extended")
    for room in ROOMS:
        if (ROOT / room).is_dir():
            shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / room, folder / room)
    for found in FILE.finditer(PAGE.read_text(encoding="utf-8")):
        path, text = folder / found["path"], found["text"]
        if found["where"]:
            before, line, after = path.read_text(encoding="utf-8").partition(found["line"] + "\n")
            assert line, f"{found['path']} has no line {found['line']!r}"
            text = before + text + line + after if found["where"] == "before" else before + line + text + after
        else:
            assert not path.exists(), f"{found['path']} is there already"
        path.write_text(text, encoding="utf-8")
    return folder


def run(folder: Path, arguments: list[str]) -> Path:
    name = next(word.removeprefix("name=") for word in arguments if word.startswith("name="))
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "runs" / name


def test_a_placement_an_objective_a_signal_and_a_probe(extended: Path) -> None:
    together, _ = commands()
    results = json.loads((run(extended, [*together, *SMALL]) / "results.json").read_text())
    assert (results["config"]["objective"]["loss"], results["config"]["tags"]["placement"]) == ("focal", "after_first")
    assert results["probes"]["surprise"]["nats"]["value"] > 0
    handed = results["given"]["attribution"]["never_tuned"]
    assert {handed["system"], *handed["floors"]} == {"declarative"}  # no signal of the page completes statements
    page = (extended / "runs" / "extended" / "report.html").read_text()
    assert "How surprising are the questions?" in page
    said = (extended / "runs" / "extended" / "signals" / "predictions.jsonl").read_text().splitlines()
    assert all("answer_length" in json.loads(line)["signals"] for line in said)


def test_a_reader(extended: Path) -> None:
    _, notes = commands()
    folder = run(extended, notes)
    assert json.loads((folder / "results.json").read_text())["tokens"]["pretrain"] == 2048
    assert json.loads((folder / "prepare" / "done.json").read_text())["documents"] == 2


def test_a_signal_has_its_rows_and_a_system_of_its_own(extended: Path) -> None:
    """Fitted on answers made up here: a short run knows too little to have any policy."""
    code = """
from tests.eval.selective.test_selective_baselines import everything
from dataclasses import replace
from eval.results.abstention_report import AbstentionReport
questions, said = everything(30)
told = [replace(p, signals={**p.signals, "answer_length": float(not q.answers)}) for q, p in zip(questions, said)]
report = AbstentionReport.of(questions, told, 0.02)
print(report.by_system()["answer_length"]["auroc_answerable"]["value"], *report.by_signal()["answer_length"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=extended,
        env={**os.environ, "PYTHONPATH": f"{extended}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == ["1.0", "answerable"]
