"""The figure of tasks over the size of the model: loss and accuracy, a line a family, a dot a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from eval.report.plots import INK, LARGE, OTHER, OURS, SMALL, WIDTH, cleaned

COLOURS = (OURS, "#c05621", "#2f855a", "#6b46c1")
PANELS = (("loss, nats", np.log(2.0), 1.0), ("accuracy, %", 50.0, 100.0))  # title, chance of two choices, scale


@dataclass(frozen=True)
class Curve:
    """One family: its losses and accuracies, of each size those of its seeds."""

    name: str
    sizes: Sequence[float]
    losses: Sequence[Sequence[float]]
    accuracies: Sequence[Sequence[float]]


def scaling_figure(curves: Sequence[Curve]) -> Figure:
    """Two panels side by side, with the line of chance."""
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    for number, (title, chance, scale) in enumerate(PANELS):
        axes = figure.add_subplot(1, len(PANELS), number + 1)
        axes.axhline(chance, color=OTHER, linewidth=1, linestyle="--", zorder=1)
        for colour, curve in zip(COLOURS, curves, strict=False):
            values = (curve.losses, curve.accuracies)[number]
            axes.plot(curve.sizes, [scale * np.mean(each) for each in values], color=colour, label=curve.name, zorder=2)
            for size, each in zip(curve.sizes, values, strict=True):
                axes.scatter([size] * len(each), [scale * one for one in each], s=12, color=colour, zorder=3)
        axes.set_xscale("log")
        axes.set_xlabel("parameters")
        axes.set_title(title, loc="left", color=INK, fontsize=SMALL)
        cleaned(axes, grid="y")
    figure.suptitle("Larger models, on the same data", x=0.02, ha="left", color=INK, fontsize=LARGE)
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=2, fontsize=SMALL, frameon=False
    )
    return figure
