"""A row for each way of asking in each world, seeds together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eval.compare import Run, find, grouped
from eval.results.results import build_results, read_results, write_results
from eval.results.table import Table, read_table, write_table
from eval.sweeps.answering.worlds import columns, main, rows


def write_run(folder: Path, world: int, seed: int, share: float, **more: Any) -> None:
    def part(value: float) -> dict[str, Any]:
        return {"over_abstention": {"value": value, "interval": [value, value + 0.1]}}

    results = build_results(
        name="worlds", config={"seed": seed, "corpus": {"seed": world}}, seed=seed, attribution={},
        abstention={"test": part(share), "reworded": part(share + 0.3)}, stage_seconds={}, tokens={}, versions={},
        git="1", **more,
    )  # fmt: skip
    results["given"] = {"abstention": {"test": part(share / 2)}}
    folder.mkdir()
    write_results(folder / "results.json", results)


def read(folder: Path) -> list[Any]:
    return rows(grouped([Run(path, read_results(path)) for path in find([str(folder)])])[0])


def test_worlds_are_rows_and_seeds_are_averaged_over(tmp_path: Path) -> None:
    for world, seed, share in ((1, 0, 0.1), (1, 1, 0.3), (2, 0, 0.5)):
        write_run(tmp_path / f"{world}-{seed}", world, seed, share)
    found = read(tmp_path)
    own = "its own statements"
    names = [f"corpus.seed={world}, {name}" for world in (1, 2) for name in (own, f"{own}, questions reworded")]
    names[2:2], names[5:] = ["corpus.seed=1, statements of the corpus"], ["corpus.seed=2, statements of the corpus"]
    assert [row.system for row in found] == names
    assert [row.given for row in found] == [False, False, True] * 2
    values = [row.values["over_abstention"].value for row in found]
    assert values == pytest.approx([0.2, 0.5, 0.1, 0.5, 0.8, 0.25])
    assert found[0].seeds == (0, 1) and found[0].values["over_abstention"].sd == pytest.approx(0.02**0.5)
    assert [column.key for column in columns(found)] == ["over_abstention"]
    table = Table("worlds", "Worlds", None, None, "one", "2026-11-28", columns(found), found)
    write_table(tmp_path / "table.json", table)  # which refuses figures that no column has
    assert [row.system for row in read_table(tmp_path / "table.json").rows] == names


def test_a_run_that_was_not_asked_about_its_ignorance_is_named(tmp_path: Path) -> None:
    results = build_results(
        name="r", config={"seed": 0}, seed=0, attribution={}, stage_seconds={}, tokens={}, versions={}, git="1"
    )
    (tmp_path / "a").mkdir()
    write_results(tmp_path / "a" / "results.json", results)
    with pytest.raises(ValueError, match=r"results.json says nothing of abstention"):
        main({}, [str(tmp_path)])
