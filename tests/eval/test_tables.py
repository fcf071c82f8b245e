"""Results as data: what is on pages is what docs/results/*.json say, and files that are none are named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pages import PAGES, ROOT, tables

from eval.results.table import Column, Row, Table, Value, figure, markdown, over_seeds, read_table, write_table
from eval.tables import RESULTS, main, put

SMALL = Table(
    name="small",
    title="A small one",
    command="python run.py experiment=small",
    revision="0123456789abcdef+",
    machine="two cores",
    date="2026-11-27",
    columns=(Column("joint", "joint", "%", 1, "higher"), Column("ece", "smooth ECE", "", 3, "lower")),
    rows=(
        Row("told", {"joint": Value(0.996, (0.991, 1.0), None, 570), "ece": None}, given=True, seeds=(0,)),
        Row("ours", {"joint": Value(0.816, None, 0.021, 570), "ece": Value(0.0041)}, seeds=(0, 1, 2)),
    ),
    note="Intervals hold 95%.",
    headline=1,
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """README and docs/ of this checkout, to write to."""
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_pages_show_what_the_files_say() -> None:
    assert put(ROOT, write=False) == [], "make results puts them right"


def test_every_file_is_on_a_page_and_says_where_it_comes_from() -> None:
    shown = {name for page in PAGES for name in tables(page)}
    for path in (ROOT / RESULTS).glob("*.json"):
        table = read_table(path)
        assert table.name == path.stem
        assert path.stem in shown, f"{path.stem} is on no page"
        assert table.revision and table.command and table.command.startswith(("python ", "make "))


def test_a_digit_changed_in_a_file_is_on_the_pages_at_the_next_command(checkout: Path) -> None:
    (joint,) = (row.values["joint"] for row in read_table(checkout / RESULTS / "demo.json").rows[:1])
    assert joint is not None
    before, after = f"{100 * joint.value:.1f} [", f"{100 * joint.value - 1:.1f} ["
    change(checkout / RESULTS / "demo.json", f'"value": {joint.value}', f'"value": {joint.value - 0.01}')
    differing = [(Path("README.md"), "demo"), (Path("docs/results.md"), "demo")]
    assert put(checkout, write=False) == differing
    assert f"** | {before}" in (checkout / "README.md").read_text()
    assert put(checkout) == differing
    assert f"** | {after}" in (checkout / "README.md").read_text()
    assert put(checkout) == []


def test_a_digit_changed_on_a_page_is_found_and_put_right(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    before = Path("docs/results.md").read_text()
    change(Path("docs/results.md"), "94.2 ± 2.1", "94.3 ± 2.1")
    with pytest.raises(SystemExit, match="1"):
        main(["--check"])
    assert "docs/results.md: table placement differs from docs/results/placement.json" in capsys.readouterr().out
    main([])
    assert Path("docs/results.md").read_text() == before
    main(["--check"])
    assert capsys.readouterr().out.count("\n") == 1  # what was made anew


def test_a_table_without_data_or_without_an_end_is_named(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "docs" / "new.md").write_text("<!-- table: new -->\n\n<!-- end -->\n")
    with pytest.raises(ValueError, match=r"docs/new.md: table new has no docs/results/new.json"):
        put(checkout)
    (checkout / "docs" / "new.md").write_text(
        "<!-- table: demo -->\n\n<!-- end\n<!-- table: demo -->\n\n<!-- end -->\n"
    )
    with pytest.raises(ValueError, match=r"docs/new.md: a table has no end"):
        put(checkout)
    (checkout / RESULTS / "demo.json").rename(checkout / RESULTS / "other.json")
    monkeypatch.chdir(checkout)
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert 'error: docs/results/other.json: "name" must be "other" as the file is called' in capsys.readouterr().err


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_table(tmp_path / "small.json", SMALL)
    assert read_table(tmp_path / "small.json") == SMALL


def test_people_see_percentages_intervals_and_spreads() -> None:
    assert markdown(SMALL) == (
        "| system | joint (%) | smooth ECE |\n"
        "| --- | --- | --- |\n"
        "| told (given the statement form) | 99.6 [99.1, 100.0] | - |\n"
        "| **ours** (3 seeds) | 81.6 ± 2.1 | 0.004 |\n"
        "\n"
        "Measured on 2026-11-27 at revision 0123456+."
    )


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (None, Column("k", "t"), "-"),
        (Value(0.9999), Column("k", "t", "", 3), "0.9999"),
        (Value(0.99996), Column("k", "t", "%", 1), "100.00"),
        (Value(0.9996, sd=0.0001), Column("k", "t", "%", 1), "99.96 ± 0.01"),
        (Value(1.0), Column("k", "t", "", 3), "1.000"),
        (Value(8597, (8485, 8619)), Column("k", "t", "", 0), "8,597 [8,485-8,619]"),
        (Value(5.3), Column("k", "t", "x", 1), "5.3 x"),
    ],
)
def test_a_figure(value: Value | None, column: Column, text: str) -> None:
    assert figure(value, column) == text


def test_seeds_are_put_together_where_each_has_a_value() -> None:
    one, other = Value(0.4, (0.3, 0.5), None, 10), Value(0.6, (0.5, 0.7), None, 20)
    assert over_seeds([one]) == one
    assert over_seeds([one, other]) == Value(0.5, None, pytest.approx(0.02**0.5), None)
    assert over_seeds([one, None]) is over_seeds([]) is None


BAD: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "schema": (lambda t: t.update(schema=2), '"schema" must be 1, not 2'),
    "key": (lambda t: t.update(seed=2), "unknown key 'seed'"),
    "machine": (lambda t: t.pop("machine"), '"machine" must be a non-empty string, not missing'),
    "name": (lambda t: t.update(name=3), '"name" must be a non-empty string, not 3'),
    "date": (lambda t: t.update(date="today"), '"date" must be YYYY-MM-DD, not "today"'),
    "columns": (lambda t: t.update(columns=[]), '"columns" must be at least one'),
    "unit": (lambda t: t["columns"][0].update(unit="percent"), r'columns\[0\]: "unit" must be one of'),
    "digits": (lambda t: t["columns"][1].update(digits=1.5), r'columns\[1\]: "digits" must be a whole number'),
    "given": (lambda t: t["rows"][0].update(given="yes"), r'rows\[0\]: "given" must be true or false'),
    "seeds": (lambda t: t["rows"][0].update(seeds=["0"]), r'rows\[0\]: "seeds" must be whole numbers'),
    "column": (lambda t: t["rows"][1]["values"].update(auroc=None), r"rows\[1\]: unknown key 'auroc'"),
    "value": (
        lambda t: t["rows"][1]["values"]["joint"].update(value="0.8"),
        r'rows\[1\]: values.joint: "value" must be a number',
    ),
    "interval": (
        lambda t: t["rows"][0]["values"]["joint"].update(interval=[1.0, 0.9]),
        r'rows\[0\]: values.joint: "interval" must be \[low, high\]',
    ),
    "not finite": (lambda t: t["rows"][1]["values"]["ece"].update(sd=float("nan")), '"sd" must be a finite number'),
    "headline": (lambda t: t.update(headline=0), '"headline" must be a row that is not given the statement form'),
    "rows": (lambda t: t.update(rows="many"), '"rows" must be a list'),
}


@pytest.mark.parametrize("key", BAD)
def test_a_bad_file_is_named_with_its_key(tmp_path: Path, key: str) -> None:
    write_table(tmp_path / "small.json", SMALL)
    value = json.loads((tmp_path / "small.json").read_text())
    spoil, message = BAD[key]
    spoil(value)
    (tmp_path / "small.json").write_text(json.dumps(value))
    with pytest.raises(ValueError, match=f"small.json: .*{message}"):
        read_table(tmp_path / "small.json")


def test_what_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "small.json").write_text("{")
    with pytest.raises(ValueError, match=r"small.json: not JSON"):
        read_table(tmp_path / "small.json")
