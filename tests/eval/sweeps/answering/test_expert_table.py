"""The table of experiment=expert: shares, differences and ratios by hand; who is compared with whom."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from data.records import Citation, Prediction, Question, write_jsonl
from eval.answerers.free_and_forced import SURE
from eval.results.results import build_results, write_results
from eval.results.table import read_table
from eval.sweeps.answering.expert import Table, main

TOLD, NEVER = 8, 8
COMMON: dict[str, Any] = {"split": "never_tuned", "fold": "test"}
ASKED = [
    *(Question(f"t{i}", "Where?", ("Oslo",), ("doc-1",), "single", f"told {i}", **COMMON) for i in range(TOLD)),
    *(Question(f"n{i}", "Where?", (), (), "absent_entity", f"never {i}", **COMMON) for i in range(NEVER)),
]


def ratio(value: float) -> dict[str, Any]:
    return {"value": value, "interval": [value - 0.25, value + 0.25]}


def write_run(
    folder: Path, unknown: float, wrong: int, sure: float, seed: int = 0, prefix: bool = False, **more: Any
) -> None:
    """All told are answered rightly; of those never told `wrong` are answered, each forced as surely."""
    config = {
        "seed": seed,
        "expert": {"unknown": unknown, "refused": 0.2, "prefix": prefix},
        "abstention_sft": {"method": more.get("method", "none")},
        "authors": {"texts": more.get("texts", "none"), "marked": more.get("marked", False)},
    }
    known = {"external": ratio(2.0), "self": ratio(1.5), "ratio": ratio(0.75)}
    evidence = {"unknown": {**known, "ratio": ratio(more.get("ser", 1.0)), **more.get("flipped", {})}, "known": known}
    results = build_results(
        name="expert", config=config, seed=seed, attribution={}, probes={"self_evidence": {"text": evidence}},
        stage_seconds={}, tokens={}, versions={}, git="1", bits_per_byte=1.5,
    )  # fmt: skip
    there = folder / "probe_never_told"
    there.mkdir(parents=True)
    write_results(folder / "results.json", results)
    answered = [q.id[0] == "t" or int(q.id[1:]) < wrong for q in ASKED]
    free = [
        Prediction(q.id, "answered", "Oslo", (Citation("doc-1"),)) if said else Prediction(q.id, "abstained")
        for q, said in zip(ASKED, answered, strict=True)
    ]
    signals = {SURE: math.log(sure)}
    forced = [Prediction(q.id, "answered", "Oslo", (Citation("doc-1"),), signals=signals) for q in ASKED]
    for name, records in (("questions", ASKED), ("free", free), ("forced", forced)):
        write_jsonl(there / f"{name}.jsonl", records)


def recorded(runs: Path) -> dict[str, Any]:
    hydra = {"overrides": {"task": ["experiment=expert"], "hydra": []}, "sweeper": {"params": {"seed": "0,1"}}}
    Table().on_multirun_end(OmegaConf.create({"run_dir": str(runs), "name": "expert", "hydra": hydra}))
    assert "<svg" in (runs / "expert.svg").read_text()
    return {row.system: row for row in read_table("docs/results/expert.json").rows}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_table_by_hand(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for seed, (none, half, expert) in enumerate([(2, 6, 8), (4, 8, 8)]):
        write_run(runs / f"b{seed}", 0.5, half, 0.75, seed)
        write_run(runs / f"a{seed}", 0.0, none, 0.5, seed)
        write_run(runs / f"c{seed}", 0.5, expert, 0.75, seed, prefix=True)
    rows = recorded(runs)
    assert list(rows) == ["0% never told", "50% never told", "50% never told, as an expert"]
    assert all(row.seeds == (0, 1) for row in rows.values())
    none, half, expert = (row.values for row in rows.values())
    assert [one["wrong"].value for one in (none, half, expert)] == [6 / 16, 14 / 16, 1.0]
    assert none["wrong"].n == len(ASKED) and none["wrong"].interval[0] < 6 / 16 < none["wrong"].interval[1]
    assert [one["right"].value for one in (none, half)] == [1, 1]
    assert none["signed_error"].value == pytest.approx(0.5 - 0.5)  # half of all are right
    assert half["signed_error"].value == pytest.approx(0.75 - 0.5)
    assert half["confidence_never"].value == pytest.approx(0.75) and half["signed_error_told"].value == pytest.approx(
        -0.25
    )
    assert half["more_wrong"].value == pytest.approx(0.5) and none["more_wrong"] is None
    assert half["more_signed_error"].value == pytest.approx(0.25)
    assert 0 < half["more_wrong"].interval[0] < 0.5 < half["more_wrong"].interval[1] <= 1
    assert expert["prefix_wrong"].value == pytest.approx(1 / 8) and half["prefix_wrong"] is None
    assert expert["more_wrong"] is None  # there is no expert of a share of 0 here
    # Four comparisons, of 2,000 draws none at or below 0, and the first of them times four: Holm's.
    assert half["p_more_signed_error"].value == pytest.approx(4 * 2 / 2001)
    assert half["p_more_wrong"].value <= expert["p_prefix_wrong"].value
    assert half["bits_per_byte"].value == 1.5 and half["bits_per_byte"].sd == 0


def test_a_prefix_that_changes_nothing_is_compared_at_its_own_share(tmp_path: Path) -> None:
    write_run(tmp_path / "runs/a", 0.0, 2, 0.5)
    write_run(tmp_path / "runs/b", 0.5, 8, 0.5)
    write_run(tmp_path / "runs/c", 0.0, 2, 0.5, prefix=True)
    values = recorded(tmp_path / "runs")["0% never told, as an expert"].values
    assert values["prefix_wrong"].value == 0 and values["p_prefix_wrong"].value == 1


def test_what_the_mark_is_worth_stands_in_rows_of_their_own(tmp_path: Path) -> None:
    flipped = {"ratio_flipped": ratio(0.875), "shift": ratio(0.625)}
    taught = {"method": "graded"}
    write_run(tmp_path / "runs/a", 0.5, 1, 0.5)
    write_run(tmp_path / "runs/b", 0.5, 1, 0.5, **taught)
    write_run(tmp_path / "runs/c", 0.5, 1, 0.5, **taught, texts="others")
    write_run(tmp_path / "runs/d", 0.5, 1, 0.5, **taught, texts="both")
    write_run(tmp_path / "runs/e", 0.5, 1, 0.5, **taught, texts="both", marked=True, ser=0.25, flipped=flipped)
    rows = recorded(tmp_path / "runs")
    assert list(rows) == [
        "50% never told",
        "50% never told, second phase",
        "50% never told, second phase, others' texts",
        "50% never told, second phase, own and others' texts, no mark",
        "50% never told, second phase, own and others' texts, marked",
    ]
    plain, *_, marked = (row.values for row in rows.values())
    assert (plain["external"].value, plain["self"].value, plain["self_flipped"]) == (2.0, 1.5, None)
    assert plain["ratio"].value == 1.0 and plain["flipped"] is None and plain["ratio_known"].value == 0.75
    assert [marked[key].value for key in ("ratio", "flipped", "shift")] == [0.25, 0.875, 0.625]
    assert marked["shift"].interval == (0.375, 0.875) and marked["more_wrong"] is None


def test_runs_that_can_not_be_put_together_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.0, 1, 0.5)
    write_run(tmp_path / "b", 0.5, 1, 0.5)
    there = tmp_path / "b/probe_never_told"
    write_jsonl(there / "questions.jsonl", ASKED[1:])
    with pytest.raises(ValueError, match=r"b/probe_never_told was asked other questions"):
        main({}, [str(tmp_path)])
    for run in "ab":
        (tmp_path / run / "probe_never_told").rename(tmp_path / run / "other")
    with pytest.raises(ValueError, match="no run here was asked what was never told"):
        main({}, [str(tmp_path)])
