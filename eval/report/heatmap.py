"""A heat map: a number for each share and number of repeats, written into its cell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from eval.report.plots import INK, LARGE, SMALL, WIDTH


def heatmap_figure(cells: Mapping[tuple[float, int], float], title: str) -> Figure:
    """Values by (share of the visits, times repeated): shares from below, times from the left; empty where none is."""
    shares, times = sorted({share for share, _ in cells}), sorted({n for _, n in cells})
    grid = np.array([[cells.get((share, n), np.nan) for n in times] for share in shares]).reshape(len(shares), -1)
    figure = Figure(figsize=(WIDTH, 1.6 + 0.5 * len(shares)), layout="constrained")
    axes = figure.add_subplot()
    if cells:
        axes.imshow(grid, cmap="Blues", origin="lower", aspect="auto")
        middle = (np.nanmin(grid) + np.nanmax(grid)) / 2
    for row, column in np.argwhere(~np.isnan(grid)).tolist():
        value = grid[row, column]
        axes.text(
            column,
            row,
            f"{value:.3f}",
            ha="center",
            va="center",
            fontsize=SMALL,
            color="white" if value > middle else INK,
        )
    axes.set_xticks(range(len(times)), [f"{n}" for n in times])
    axes.set_yticks(range(len(shares)), [f"{share:.0%}" for share in shares])
    axes.set_xlabel("times that a repeated document is read where others are read once")
    axes.set_ylabel("share of the visits")
    axes.set_title(title, loc="left", color=INK, fontsize=LARGE)
    return figure
