"""Results before and after a change: the same under other names, or every difference told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.results_compare import main


def results(stage: str, system: str, signal: str, pair: str, **changed: Any) -> dict[str, Any]:
    key, share = ("row", "absent") if stage == "tune" else ("seq_len", "idk_fraction")
    second = "second" if stage == "tune" else "abstention_sft"
    return {
        "schema": 1,
        "config": {"batch": {key: 256}, stage: {"tokens": 8}, second: {share: 0.2}, "run_dir": stage},
        "attribution": {"never_tuned": {"joint": 0.5, "floors": {"bm25": {"joint": 0.1}}}},
        "systems": {system: {"brier": {"value": 0.25, "interval": [0.1, 0.3]}}},
        "signals": {signal: {pair: {"value": 0.75, "interval": None}}},
        "tokens": {stage: 8},
        "seconds": len(stage),
        **changed,
    }


OLD, NEW = ("tune", "two_way", "told", "told"), ("sft", "bidirectional", "lp_statement_given_id", "answerable")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "the same: "),
        ({"tokens": {"sft": 9}}, "tokens.sft: 8, now 9"),
        ({"tokens": {}}, "tokens.sft: 8, only in the old"),
        ({"more": 1}, "more: 1, only in the new"),
        ({"tokens": {"sft": 8.0}}, "tokens.sft: 8, now 8.0"),
        ({"systems": {"bidirectional": {"brier": {"value": 0.25, "interval": [0.1, 0.31]}}}},
         "systems.bidirectional.brier.interval: [0.1, 0.3], now [0.1, 0.31]"),
    ],
)  # fmt: skip
def test_old_names_are_read_as_new_ones_and_every_difference_is_told(
    changed: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.json").write_text(json.dumps(results(*OLD)))
    (tmp_path / "new.json").write_text(json.dumps(results(*NEW, **changed)))
    assert main([str(tmp_path / "old.json"), str(tmp_path / "new.json")]) == (1 if changed else 0)
    assert said in capsys.readouterr().out


def test_what_is_no_results_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text("[]")
    assert main([str(tmp_path / "a.json"), str(tmp_path / "a.json")]) == 2
    assert "a.json: no results.json" in capsys.readouterr().err
