"""What is given the statement form says so wherever it stands, and nothing else does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from eval.report.abstention import abstention, systems
from eval.report.attribution import attribution, headline
from eval.results.given import MARK, marked, systems_of
from eval.results.results import read_results
from eval.score import abstention_table, table

MEASURE = {"value": 0.5, "interval": None}


def part(joint: float, **floors: Any) -> dict[str, Any]:
    """Of one system, all metrics alike, with others beside it."""
    names = ("joint", "answer_em", "citation", "hits10", "cited", "cited10", "valid_unconstrained", "set_recall")
    found: dict[str, Any] = dict.fromkeys(names, joint) | {"system": "whence", "intervals": dict.fromkeys(names)}
    return found | {"n": 4, "n_absent": 0, "missing": 0, "outcomes": {}, "by_support_class": {}, "floors": floors}


def page(part: Mapping[str, Any]) -> str:
    results = {"attribution": {"never_tuned": part}, "bits_per_byte": None, "single_run": False}
    return headline(results)


def test_its_figures_stand_apart_and_are_read_from_there() -> None:
    results = {"given": {"attribution": {"never_tuned": part(0.75, declarative=part(0.625)) | {"system": "cloze"}}}}
    found = systems_of(results, "never_tuned")
    assert {name: system["joint"] for name, system in found.items()} == {"cloze": 0.75, "declarative": 0.625}
    assert systems_of(results, "in_domain") == systems_of({}, "never_tuned") == {}


def test_on_the_terminal() -> None:
    handed = {"never_tuned": part(0.75) | {"system": "cloze"}}
    shown = table({"never_tuned": part(0.25, cloze=part(0.5), bm25=part(0.5))}, "whence", handed)
    assert shown.splitlines()[2].split() == ["whence", "cloze", "bm25", "cloze*"] and f"* {MARK}" in shown
    assert MARK not in table({"never_tuned": part(0.25, bm25=part(0.5))}, "whence")
    test = {"n": 3, "policy": "selected", "smooth_ece": MEASURE}
    assert marked("selected") in abstention_table({"test": test}, {"test": test})
    assert MARK not in abstention_table({"test": test})


def test_on_the_page_and_never_in_its_headline() -> None:
    found = part(0.25, cloze=part(0.625), bm25=part(0.5))
    assert "25.0%" in page(found) and "50.0%" in page(found)
    assert "62.5" not in page(found)
    assert attribution(found, {"cloze": part(0.75)}).count(MARK) == 1
    assert MARK not in attribution(found)
    own, handed = {"selected": {"brier": MEASURE}, "p_ik": {}}, {"selected": {"brier": None}, "p_ik": {}}
    assert systems(own, handed, {}).count(MARK) == 1  # only what it makes different
    test = {"n": 3, "n_by_class": {}, "policy": "selected", "smooth_ece": MEASURE}
    assert MARK in abstention(test, test) and MARK not in abstention(test)


def test_a_results_file_of_before_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"schema": 2}')
    with pytest.raises(ValueError, match="which stands under `given` now"):
        read_results(tmp_path / "results.json")
