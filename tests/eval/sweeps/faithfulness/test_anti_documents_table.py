"""A row for each way to a citation, seeds together; what had the statement form is marked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eval.results.results import build_results, write_results
from eval.sweeps.faithfulness.anti_documents import Table


def share(value: float) -> dict[str, Any]:
    return {"value": value, "interval": [0.0, 1.0], "n": 10}


def write_run(folder: Path, seed: int, found: dict[str, Any]) -> None:
    folder.mkdir()
    results = build_results(
        name="x", config={"seed": seed}, seed=seed, attribution={}, stage_seconds={}, tokens={}, versions={}, git=None,
        probes={"anti_documents": found},
    )  # fmt: skip
    write_results(folder / "results.json", results)


def test_rows_are_ways_and_figures_are_over_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, twin in ((0, 0.1), (1, 0.3)):
        found = {f"{way}.source": share(0.5) for way in ("dialogue", "statement", "bm25")}
        found |= {"dialogue.twin": share(twin), "dialogue.other.twin": share(twin), "known": share(1.0)}
        write_run(tmp_path / str(seed), seed, found)
    made = Table.show([str(tmp_path)])
    assert [(row.system, row.given, row.seeds) for row in made] == [
        ("in dialogue", False, (0, 1)),
        ("behind the right statement", True, (0, 1)),
        ("BM25", False, (0, 1)),
    ]
    value = made[0].values["other_twin"]
    assert value is not None and value.value == pytest.approx(0.2) and value.sd == pytest.approx(0.1414, abs=1e-3)
    assert made[0].values["known"] is not None and made[2].values["known"] is None and made[2].values["twin"] is None
    assert "twin cited 20.0 ± 14.1" in capsys.readouterr().out


def test_runs_without_twins_have_no_table(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0, {})
    with pytest.raises(ValueError, match="no run here has a source with a twin"):
        Table.show([str(tmp_path)])
