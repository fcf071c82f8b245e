"""One row a system of each objective, seeds together, and the line that nothing beats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.report.pareto import front
from eval.results.results import build_results, write_results
from eval.sweeps.pretraining import objectives

OBJECTIVE: dict[str, Any] = {"loss": "next_token", "filter": False, "control": "none", "begins": 0.0, "beta": 0.3}
POINTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8)


def write_run(folder: Path, seed: int, lied: dict[str, float], **objective: Any) -> None:
    folder.mkdir(parents=True)
    part = {"joint": 0.5, "answer_em": 0.6, "n": 10, "intervals": {"joint": [0.4, 0.6], "answer_em": [0.5, 0.7]}}
    systems = {name: part for name in lied if name != "whence"}
    results = build_results(
        name="objectives",
        config={"seed": seed, "run_dir": str(folder), "objective": OBJECTIVE | objective},
        seed=seed,
        attribution={"never_tuned": {"system": "whence", **part, "floors": systems}},
        contested={
            name: {
                "n": 10,
                "right": {"value": 1 - value, "interval": [0.1, 0.9]},
                "lied": {"value": value, "interval": [0.1, 0.9]},
            }
            for name, value in lied.items()
        },
        bits_per_byte=1.0 + seed,
        bits_per_byte_given=dict.fromkeys(systems, 2.0),
        stage_seconds={},
        tokens={},
        versions={},
        git=None,
    )
    write_results(folder / "results.json", results)


def test_seeds_share_a_row_and_each_way_of_asking_has_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1):
        write_run(tmp_path / f"plain-{seed}", seed, {"whence": 0.6 + 0.2 * seed})
        told = {"whence": 0.5, "whence_hi": 0.1, "whence_lo": 0.9, "whence_guided": 0.05}
        write_run(tmp_path / f"control-{seed}", seed, told, control="document")
    write_run(tmp_path / "late", 0, {"whence": 0.3}, loss="awr", begins=0.5)
    objectives.main({}, [str(tmp_path)])
    said = capsys.readouterr().out
    rows = {row.system: row for row in objectives._shown([str(tmp_path)])[0]}
    assert set(rows) == {
        "next_token",
        "conditional",
        "conditional, good sources asked for",
        "conditional, bad sources asked for",
        "conditional, guided from bad to good",
        "awr, from 50% of the run on",
    }
    lied = rows["next_token"].values["lied"]
    assert lied is not None and lied.value == pytest.approx(0.7) and rows["next_token"].seeds == (0, 1)
    bits = rows["conditional, good sources asked for"].values["bits_per_byte"]
    assert bits is not None and bits.value == 2.0
    assert "conditional, good sources asked for" in said and not any(row.given for row in rows.values())
    assert "<svg" in (tmp_path / "objectives.svg").read_text()


def test_groups_of_one_objective_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    for beta in (0.1, 0.3):
        write_run(tmp_path / f"{beta}", 0, {"whence": 0.5}, loss="rwr", beta=beta)
    rows, _ = objectives._shown([str(tmp_path)])
    assert [row.system for row in rows] == ["rwr (objective.beta=0.1)", "rwr (objective.beta=0.3)"]


@given(POINTS)
def test_the_front_is_what_no_point_beats(points: list[tuple[int, int]]) -> None:
    line = front(points)
    assert line
    for i, (x, y) in enumerate(points):
        beaten = any(a <= x and b <= y and (a, b) != (x, y) for a, b in points)
        assert (i in line) == (not beaten)
    assert [points[i][0] for i in line] == sorted(points[i][0] for i in line)
