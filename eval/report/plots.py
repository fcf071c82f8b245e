"""The figures of the report: scores with their intervals and loss curves, by matplotlib's object interface.

Nothing here touches pyplot's global state. Figures are as wide as the report's column and are read on a phone too, so
each says one thing, in its title.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from eval.metrics.calibration import ReliabilityCurve
from eval.metrics.rule_of_three import bounds
from eval.metrics.statistics import Floats

INK, MUTED, GRID = "#1f2933", "#5f6c7b", "#e3e7ec"
OURS, OTHER = "#2b6cb0", "#a3b1c2"
EXPOSURES = {
    "right": ("right", OURS, "o"),
    "right_cited": ("right and cited", "#2f855a", "s"),
    "withheld": ("withheld", "#c05621", "^"),
}
LOSSES = {"loss": INK, "loss_text": "#2b6cb0", "loss_tag": "#c05621", "loss_answer": "#2f855a"}
WIDTH = 5.4  # inches; the SVG scales to its column, and must be readable on a phone
SMALL, LARGE = 9.5, 11
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}

Curves = Mapping[str, Sequence[Mapping[str, float]]]


def comparison_figure(part: Mapping[str, Any], title: str, metric: str = "cited") -> Figure:
    """One metric of our model and of every other system of a split, with intervals; those without it are left out."""
    bars = {part["system"]: part, **part["floors"]}
    return _bars({_words(name): row for name, row in bars.items()}, metric, title, highlight=_words(part["system"]))


def breakdown_figure(part: Mapping[str, Any], by: str, title: str, metric: str = "joint") -> Figure:
    """One metric for each group of `by_attribute` or `by_support_class`, with intervals and numbers of questions."""
    groups = {f"{_words(name)} (n = {row['n']})": row for name, row in part[by].items() if row["n"]}
    return _bars(groups, metric, title)


def loss_figure(curves: Curves) -> Figure:
    """A panel for each stage: the training loss, and its parts where logged, over tokens (steps where not logged)."""
    stages = {stage: rows for stage, rows in curves.items() if any("loss" in row for row in rows)}
    figure = Figure(figsize=(WIDTH, 2.4 * max(1, len(stages))), layout="constrained")
    for i, (stage, rows) in enumerate(stages.items()):
        axes = figure.add_subplot(len(stages), 1, i + 1)
        cleaned(axes, grid="y")
        clock = "tokens" if all("tokens" in row for row in rows) else "step"
        for key, colour in LOSSES.items():
            points = [(row[clock], row[key]) for row in rows if row.get(key) is not None]
            if points:
                label = "all" if key == "loss" else key.removeprefix("loss_")
                axes.plot(*zip(*points, strict=True), color=colour, label=label, linewidth=1.6)
        axes.set_title(f"Loss during {stage}", loc="left", color=INK, fontsize=LARGE)
        axes.set_xlabel("tokens seen" if clock == "tokens" else "step")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set_ylabel("nats per token")
        axes.set_ylim(bottom=0)
        if len(axes.lines) > 1:
            axes.legend(frameon=False, fontsize=SMALL, labelcolor=MUTED)
    return figure


def reliability_figure(curve: ReliabilityCurve, band: tuple[Floats, Floats] | None, title: str) -> Figure:
    """How often answers of each confidence are right, with a 95% band, over how many there are of each confidence."""
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    above.plot([0, 1], [0, 1], color=OTHER, linewidth=1, linestyle="--", label="as often as said")
    if band is not None:
        above.fill_between(curve.confidence, *band, color=OURS, alpha=0.15, linewidth=0)
    above.plot(curve.confidence, curve.accuracy, color=OURS, linewidth=1.8, label="measured, with 95% band")
    above.set_ylabel("share right")
    above.set_ylim(0, 1)
    above.legend(frameon=False, fontsize=SMALL, labelcolor=MUTED)
    above.set_title(title, loc="left", color=INK, fontsize=LARGE)
    below.fill_between(curve.confidence, 0, curve.density, color=OTHER, linewidth=0)
    below.set_yticks([])
    below.set_ylabel("how many")
    below.set_xlabel("confidence")
    for axes in (above, below):
        cleaned(axes, grid="y")
    return figure


def risk_coverage_figure(curves: Mapping[str, tuple[Floats, Floats]], title: str) -> Figure:
    """Share wrong among the questions that are answered, over the share answered, the most confident first."""
    figure = Figure(figsize=(WIDTH, 3), layout="constrained")
    axes = figure.add_subplot()
    for (name, (coverage, risk)), colour in zip(curves.items(), (OURS, OTHER, INK), strict=False):
        axes.plot(coverage, risk, color=colour, linewidth=1.8, label=_words(name))
    axes.set_xlabel("share of the questions answered")
    axes.set_ylabel("share of these wrong")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=SMALL, labelcolor=MUTED)
    axes.set_title(title, loc="left", color=INK, fontsize=LARGE)
    cleaned(axes, grid="y")
    return figure


def confidence_figure(groups: Mapping[str, Floats], title: str) -> Figure:
    """Every confidence as a dot, a row for each group, and its mean as a stroke."""
    figure = Figure(figsize=(WIDTH, 0.7 + 0.42 * len(groups)), layout="constrained")
    axes = figure.add_subplot()
    for row, values in enumerate(groups.values()):
        height = row + 0.3 * np.sin(np.arange(len(values)) * 2.4)  # spread, the same at each drawing
        axes.scatter(values, height, s=5, color=OURS, alpha=0.25, linewidths=0)
        axes.plot([values.mean()] * 2, [row - 0.35, row + 0.35], color=INK, linewidth=2)
    axes.set_yticks(range(len(groups)), [f"{_words(name)} (n = {len(v)})" for name, v in groups.items()])
    axes.invert_yaxis()
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("confidence")
    axes.set_title(title, loc="left", color=INK, fontsize=LARGE)
    cleaned(axes, grid="x")
    return figure


def exposure_figure(curve: Mapping[str, Any], title: str) -> Figure:
    """The shares of `eval.results.fact_frequency.exposure_curve` over the number of documents that say so, each with a
    band.

    A dashed line marks the singleton rate, of all tellings.
    """
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    axes = figure.add_subplot()
    rows = curve["by_documents"]
    documents = [row["documents"] for row in rows]
    for name, (label, colour, marker) in EXPOSURES.items():
        values = [row[name]["value"] for row in rows]
        bands = [bounds(row[name]["value"], row[name]["interval"], row["n"]) or (np.nan, np.nan) for row in rows]
        axes.fill_between(documents, *(100 * np.array(bands).T), color=colour, alpha=0.13, linewidth=0)
        axes.plot(documents, 100 * np.array(values), color=colour, linewidth=1.8, marker=marker, label=label)
    rate = 100 * curve["singletons"]["value"]
    axes.axhline(rate, color=INK, linewidth=1, linestyle="--", label=f"singleton rate: {rate:.0f}% of all tellings")
    axes.set_xscale("log", base=2)
    axes.set_xticks(documents, [str(number) for number in documents])
    axes.minorticks_off()
    axes.set_xlabel("documents that say so")
    axes.set_ylabel("% of questions, 95% bands")
    axes.set_ylim(-3, 103)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=SMALL, labelcolor=MUTED)
    axes.set_title(title, loc="left", color=INK, fontsize=LARGE)
    cleaned(axes, grid="y")
    return figure


def svg(figure: Figure, salt: str) -> str:
    """The figure as an inline <svg> element that scales to its container; the same figure gives the same text.

    It is laid out by this once and for all: drawing it again costs a third less.

    Args:
        salt: distinguishes the element ids of the figures of one page.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=NO_METADATA)
    figure.set_layout_engine("none")
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _bars(rows: Mapping[str, Mapping[str, Any]], metric: str, title: str, highlight: str = "") -> Figure:
    """Horizontal bars of a share in percent, first row on top."""
    shown = {name: row for name, row in rows.items() if row[metric] is not None}
    figure = Figure(figsize=(WIDTH, 0.9 + 0.36 * max(1, len(shown))), layout="constrained")
    axes = figure.add_subplot()
    cleaned(axes, grid="x")
    for i, (name, row) in enumerate(shown.items()):
        value, interval = 100 * row[metric], row["intervals"][metric]
        axes.barh(i, value, height=0.62, color=OURS if name == highlight or not highlight else OTHER)
        end = value
        if interval:
            low, high = (100 * bound for bound in interval)
            axes.plot([low, high], [i, i], color=INK, linewidth=1.4, solid_capstyle="butt")
            end = max(value, high)
        axes.annotate(
            f"{value:.1f}", (end, i), (5, 0), textcoords="offset points", va="center", color=INK, fontsize=SMALL
        )
    axes.set_yticks(range(len(shown)), list(shown))
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(0, 112)  # room for the number of a full bar
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("% of questions; lines are 95% intervals")
    axes.set_title(title, loc="left", color=INK, fontsize=LARGE)
    return figure


def cleaned(axes: Axes, grid: str) -> None:
    axes.set_facecolor("none")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.grid(axis="x" if grid == "x" else "y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=MUTED)
    axes.xaxis.label.set(color=MUTED, fontsize=SMALL)
    axes.yaxis.label.set(color=MUTED, fontsize=SMALL)


def _words(name: str) -> str:
    return "BM25" if name == "bm25" else name.replace("_", " ")
