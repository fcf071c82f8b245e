"""Runs with and without repeats are compared on the same questions; sizes are read between those that were trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from data.records import Citation, Prediction, Question, write_jsonl
from eval.results.results import build_results, write_results
from eval.results.table import read_table
from eval.sweeps.pretraining import repeats
from eval.sweeps.pretraining.repeats import Table, effective_size

MODEL = {"dim": 32, "layers": 1, "heads": 2, "kv_heads": 1, "head_dim": 8, "ffn_dim": 48, "vocab_size": 0}


def ask(n: int) -> Question:
    return Question(f"q{n}", "Where?", ("Oslo",), (f"d{n}",), "single", f"e{n}", "never_tuned")


def write_run(
    folder: Path, bits: float, asked: range, right: int, dim: int = 32, tags: str = "footnote", **repeated: Any
) -> None:
    """A run that answers and cites `right` of its questions rightly, the first of them."""
    heads = {"prefix_matching": 0.5, "previous_token": 0.25, "copying": -0.5}
    probe: dict[str, Any] = {"best": heads, "in_context": -1.0}
    if tags == "repeat":
        figures = [{"value": value, "interval": None} for value in (4.0, 1.0, 3.0, None)]
        probe["id_loss"] = {"intact": figures, "induction": figures, "others": figures}
    config = {
        "seed": 0,
        "model": MODEL | {"dim": dim},
        "tags": {"placement": tags},
        "repeats": {"fraction": 0.0, "times": 16, "kind": "exact"} | repeated,
    }
    results = build_results(
        name="repeats", config=config, seed=0, attribution={}, probes={"induction": probe}, stage_seconds={},
        tokens={}, versions={}, git="1", bits_per_byte=bits, bits_per_byte_train=0.5,
    )  # fmt: skip
    (folder / "answer").mkdir(parents=True)
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text(json.dumps({"vocab_size": 100}))
    write_results(folder / "results.json", results)
    questions = [ask(n) for n in asked]
    write_jsonl(folder / "answer" / "questions.jsonl", questions)
    said = [
        Prediction(q.id, "answered", "Oslo" if i < right else "Lima", (Citation(q.support[0] if i < right else "d9"),))
        for i, q in enumerate(questions)
    ]
    write_jsonl(folder / "answer" / "whence.jsonl", said)


def test_sizes_are_read_between_those_trained() -> None:
    plain = [(100, 2.0), (10_000, 1.0), (1_000_000, 0.5)]
    assert effective_size(1.5, plain) == pytest.approx(1000)  # half-way in loss is half-way in log parameters
    assert effective_size(0.75, plain) == pytest.approx(100_000)
    assert effective_size(2.0, plain) == pytest.approx(100) and effective_size(0.5, plain) == pytest.approx(1_000_000)
    assert effective_size(2.01, plain) is None and effective_size(0.4, plain) is None
    assert effective_size(1.5, plain[:1]) is None and effective_size(1.5, [(1, 1.0), (2, 1.2)]) is None


def test_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    write_run(runs / "a", 1.0, range(8), right=8)
    write_run(runs / "b", 2.0, range(8), right=8, dim=16)
    write_run(runs / "c", 1.5, range(4), right=1, fraction=0.5)
    write_run(runs / "d", 1.25, range(4), right=2, fraction=0.25, times=4)
    write_run(runs / "e", 1.75, range(4), right=0, fraction=0.5, kind="new_id")
    write_run(runs / "f", 3.0, range(8), right=8, tags="repeat")
    hydra = {"overrides": {"task": ["experiment=repeats"], "hydra": []}, "sweeper": {"params": {"seed": "0"}}}
    Table().on_multirun_end(OmegaConf.create({"run_dir": str(runs), "name": "repeats", "hydra": hydra}))
    found = {row.system: row.values for row in read_table("docs/results/repeats.json").rows}
    small = [name for name in found if name.startswith("no repeats")]
    assert len(small) == 3 and small[-1].endswith("tags=repeat") and len(found) == 6
    plain = found[small[0]]
    assert (plain["joint"].value, plain["joint"].n) == (1.0, 4)  # the four that all were asked
    assert plain["joint"].interval == (0.25, 1.0) and plain["size"].value == pytest.approx(1.0)
    exact = next(values for name, values in found.items() if name.startswith("50% of the visits, 16 times, exact"))
    assert (exact["joint"].value, exact["answer_em"].value, exact["cited"].value) == (0.25, 0.25, 0.25)
    assert 0.5 < exact["size"].value < 1 and exact["bits_per_byte"].value == 1.5
    assert exact["prefix_matching"].value == 0.5 and exact["copying"].value == -0.5 and exact["id_first"] is None
    inlined = found[small[-1]]
    assert inlined["size"] is None
    for name in ("", "_silenced"):
        assert (inlined[f"id_first{name}"].value, inlined[f"id_later{name}"].value) == (4.0, 2.0)
    assert inlined["id_later_others"].value == 2.0
    drawn = (runs / "repeats.svg").read_text()
    assert all(f">{number}<" in drawn for number in ("1.000", "1.500", "1.250")) and ">2.000<" not in drawn


def test_runs_of_different_corpora_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1.0, range(4), right=1)
    write_run(tmp_path / "b", 1.0, range(4, 8), right=1, fraction=0.5)
    with pytest.raises(ValueError, match="no never-tuned question in common"):
        repeats.main({}, [str(tmp_path)])
