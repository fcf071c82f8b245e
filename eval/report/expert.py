"""The figure of tuning on what was never told: wrong answers and overconfidence over its share, a line a prefix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from eval.report.plots import INK, LARGE, OTHER, OURS, SMALL, WIDTH, cleaned
from eval.results.table import Value

COLOURS = (OURS, "#c05621")
PANELS = {"wrong": ("answers to what was never told, %", 100.0), "signed_error": ("confidence less accuracy", 1.0)}


@dataclass(frozen=True)
class Line:
    """One way to be asked: its shares, rising, and of each panel's measure the values there."""

    name: str
    shares: Sequence[float]
    values: Mapping[str, Sequence[Value]]


def expert_figure(lines: Sequence[Line]) -> Figure:
    """Two panels side by side, with bands of 95%; the line of no overconfidence is dashed."""
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    for number, (key, (title, scale)) in enumerate(PANELS.items()):
        axes = figure.add_subplot(1, len(PANELS), number + 1)
        if key == "signed_error":
            axes.axhline(0, color=OTHER, linewidth=1, linestyle="--", zorder=1)
        for colour, line in zip(COLOURS, lines, strict=False):
            shares, values = [100 * share for share in line.shares], line.values[key]
            bands = scale * np.array([value.interval or (np.nan, np.nan) for value in values])
            axes.fill_between(shares, *bands.T, color=colour, alpha=0.13, linewidth=0)
            axes.plot(shares, [scale * v.value for v in values], color=colour, marker="o", label=line.name, zorder=2)
        axes.set_xlabel("% of tuning answers never told")
        axes.set_title(title, loc="left", color=INK, fontsize=SMALL)
        if key == "wrong":
            axes.set_ylim(-3, 103)
        cleaned(axes, grid="y")
    figure.suptitle("Tuning on what was never told", x=0.02, ha="left", color=INK, fontsize=LARGE)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=2, fontsize=SMALL)
    return figure
