"""What is given the statement form says so wherever it stands, and nothing else does."""

from collections.abc import Mapping
from typing import Any

from eval.abstention_table import ROWS
from eval.report.abstention import abstention, signals, systems
from eval.report.attribution import attribution, headline
from eval.results.given import MARK, SIGNALS, SYSTEMS, marked
from eval.score import abstention_table, table
from eval.selective.policy import LEARNT, SELECTED, SUM
from eval.selective.selective_baselines import WEIGHTS

MEASURE = {"value": 0.5, "interval": None}


def part(joint: float, **floors: Any) -> dict[str, Any]:
    """Of one system, all metrics alike, with others beside it."""
    names = ("joint", "answer_em", "citation", "hits10", "cited", "cited10", "valid_unconstrained", "set_recall")
    found: dict[str, Any] = dict.fromkeys(names, joint) | {"intervals": dict.fromkeys(names)}
    return found | {"n": 4, "n_absent": 0, "missing": 0, "outcomes": {}, "by_support_class": {}, "floors": floors}


def page(part: Mapping[str, Any]) -> str:
    results = {"attribution": {"never_tuned": part}, "bits_per_byte": None, "single_run": False}
    return "".join(headline(results))


def test_systems_that_weigh_statements_are_those_that_are_marked() -> None:
    statement = {name for name, weights in WEIGHTS.items() if weights in (SUM, LEARNT, SELECTED)}
    assert statement == {"selected", "bidirectional", "bidirectional_sum"} <= set(SYSTEMS)
    others = {signal for name, weights in WEIGHTS.items() if name not in statement for signal in weights}
    assert not others & {*SIGNALS}
    assert marked("whence") == "whence" and MARK in marked("cloze") and MARK in marked("lp_statement")


def test_on_the_terminal() -> None:
    shown = table({"never_tuned": part(0.25, cloze=part(0.75), bm25=part(0.5))}, "whence")
    assert "cloze*" in shown and "bm25*" not in shown and f"* {MARK}" in shown
    assert MARK not in table({"never_tuned": part(0.25, bm25=part(0.5))}, "whence")
    assert MARK in abstention_table({"test": {"n": 3, "policy": "selected"}})
    assert MARK not in abstention_table({"test": {"n": 3, "policy": "with_citation"}})


def test_on_the_page_and_never_in_its_headline() -> None:
    found = part(0.25, cloze=part(0.75), declarative=part(0.625), bm25=part(0.5))
    assert "25.0%" in page(found) and "50.0%" in page(found)
    assert "75.0" not in page(found) and "62.5" not in page(found)
    assert "".join(attribution(found)).count(MARK) == 2
    assert "".join(systems({"selected": {}, "log_probability": {}}, {})).count(MARK) == 1
    assert "".join(signals({"lp_statement": {}, "citation": {}})).count(MARK) == 1
    assert MARK in "".join(abstention({"n": 3, "n_by_class": {}, "policy": "bidirectional"}))


def test_in_the_table_of_runs() -> None:
    assert {system for (_, system), label in ROWS.items() if MARK in label} == {*SYSTEMS} - {"declarative", "cloze"}
