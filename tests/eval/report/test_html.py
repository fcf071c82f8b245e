"""Tables are data until a template makes HTML of them, and no template lets text through as HTML."""

import math

from markupsafe import Markup
from whole_page import EVIL, measure

from eval.report.abstention import probe
from eval.report.html import Cell, Row, Section, Table, render
from eval.report.measures import measures, nested


def test_every_template_escapes_what_is_no_html():
    cell = Row(EVIL, [Cell(EVIL, (EVIL,))], EVIL)
    table = Table([EVIL], [cell, Row(EVIL)], EVIL, {EVIL: EVIL})
    parts = [
        render("page", name=EVIL, headline=EVIL, sections=[Section(EVIL, Markup("<b>1</b>"))]),
        render("systems", table=table),
        render("definitions", items={EVIL: EVIL}),
        render("figures", drawn=[EVIL]),
        render("run", facts={EVIL: EVIL}, config={EVIL: EVIL}),
        probe(EVIL, {EVIL: {EVIL: {EVIL: 1}}, "x": {EVIL: EVIL}}),
    ]
    for part in parts:
        assert "<script>alert" not in part and "&lt;script&gt;alert" in part
    assert "<b>1</b>" in parts[0]
    assert parts[1].count("&lt;script") == 8


def test_groups_at_different_depths_share_no_table():
    found = {"b": {"c": {"x": 1}}, "a": {"x": 2}, "d": {"y": math.nan}}
    assert list(nested(found)) == [
        Table(("", "x"), [Row("b"), Row("c", [Cell("1")])], "narrow"),
        Table(("", "x"), [Row("a", [Cell("2")])], "narrow"),
        Table(("", "y"), [Row("d", [Cell("-")])], "narrow"),
    ]


def test_every_measure_is_found_with_its_path():
    leaf, other = measure(0.5), {"value": None, "interval": None}
    assert list(measures({"a": leaf, "n": 3, "b": {"c": other, "d": {"e": leaf}}})) == [
        (("a",), leaf),
        (("b", "c"), other),
        (("b", "d", "e"), leaf),
    ]
