"""Figures show the numbers they were given, with their bounds, and nothing that is undefined."""

from __future__ import annotations

import re

import numpy as np
import pytest
from whole_page import CURVES

from eval.report.plots import breakdown_figure, exposure_figure, loss_figure, svg


def test_loss_curves_by_stage_and_part() -> None:
    pretrain, tune = loss_figure(CURVES).axes
    assert [line.get_label() for line in pretrain.lines] == ["all", "text"]
    assert list(pretrain.lines[0].get_xdata()) == [10 * i for i in range(1, 9)]
    assert pretrain.get_xlabel() == "tokens seen"
    assert tune.get_xlabel() == "step"


def test_bars_show_values_and_intervals_and_leave_out_what_is_undefined() -> None:
    rows = {
        "city": {"n": 4, "joint": 0.25, "intervals": {"joint": [0.1, 0.5]}},
        "height": {"n": 9, "joint": None, "intervals": {"joint": None}},
        "never said": {"n": 0, "joint": None, "intervals": {"joint": None}},
    }
    (axes,) = breakdown_figure({"by_attribute": rows}, "by_attribute", "title").axes
    assert [bar.get_width() for bar in axes.patches] == [25.0]
    assert list(axes.lines[0].get_xdata()) == [10.0, 50.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["city (n = 4)"]


def exposed(documents: int, n: int, right: float, interval: list[float] | None) -> dict:
    half = {"value": right / 2, "interval": None}
    return {
        "documents": documents,
        "n": n,
        "right": {"value": right, "interval": interval},
        "right_cited": half,
        "withheld": half,
    }


def test_exposures_have_a_band_and_a_line_for_what_is_told_once() -> None:
    rows = [exposed(1, 50, 0.5, [0.4, 0.6]), exposed(4, 20, 0.75, [0.5, 0.875]), exposed(64, 6, 1.0, [1.0, 1.0])]
    curve = {"by_documents": rows, "singletons": {"value": 0.25, "interval": None, "n": 100}}
    figure = exposure_figure(curve, "title")
    (axes,) = figure.axes
    right, cited, withheld, once = axes.lines
    assert list(right.get_xdata()) == list(withheld.get_xdata()) == [1, 4, 64]
    assert list(right.get_ydata()) == [50, 75, 100]
    assert list(cited.get_ydata()) == [25, 37.5, 50]
    assert list(once.get_ydata()) == [25, 25]
    assert [text.get_text() for text in figure.legends[0].texts] == [
        "right",
        "right and cited",
        "withheld",
        "singleton rate: 25% of all tellings",
    ]
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "4", "64"]
    band = axes.collections[0].get_paths()[0].vertices
    for documents, low, high in ((1, 40, 60), (4, 50, 87.5), (64, 50, 100)):  # six right of six: the rule of three
        heights = band[np.isclose(band[:, 0], documents), 1]
        assert (heights.min(), heights.max()) == pytest.approx((low, high))


def test_svg_ids_differ_between_figures_of_a_page() -> None:
    figures = [svg(loss_figure(CURVES), salt) for salt in ("a", "b")]
    ids = [set(re.findall(r'clipPath id="([^"]+)"', figure)) for figure in figures]
    assert ids[0] and ids[0].isdisjoint(ids[1])
