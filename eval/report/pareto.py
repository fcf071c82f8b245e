"""The figure of a trade: the rate of lies over what is paid for fewer, and the line that nothing beats in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from eval.report.plots import INK, LARGE, MUTED, OTHER, OURS, SMALL, WIDTH, cleaned

PANELS = {"bits_per_byte": ("bits per byte, held out", 1.0, 1), "joint": ("joint, %", 100.0, -1)}  # title, scale, sense


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Which points nothing else beats: none is as low in both and lower in one. In order of the first."""
    best = [i for i, (x, y) in enumerate(points) if not any(a <= x and b <= y and (a < x or b < y) for a, b in points)]
    return sorted(best, key=lambda i: points[i])


def pareto_figure(points: Sequence[tuple[str, Mapping[str, float]]]) -> Figure:
    """Lies over each cost of `PANELS`, a dot a system, numbered; the legend below names them.

    Args:
        points: systems with their `lied` and the costs.
    """
    figure = Figure(figsize=(WIDTH, 3.4 + 0.2 * len(points)), layout="constrained")
    for number, (key, (title, scale, sense)) in enumerate(PANELS.items()):
        axes = figure.add_subplot(1, len(PANELS), number + 1)
        at = [(scale * values[key], 100 * values["lied"]) for _, values in points]
        line = front([(sense * x, y) for x, y in at])
        axes.plot([at[i][0] for i in line], [at[i][1] for i in line], color=OTHER, linewidth=1.4, zorder=1)
        for i, (x, y) in enumerate(at):
            axes.scatter([x], [y], s=26, color=OURS if i in line else OTHER, zorder=2)
            axes.annotate(str(i + 1), (x, y), (4, 4), textcoords="offset points", color=INK, fontsize=SMALL)
        axes.set_xlabel(title)
        axes.set_ylim(-3, 103)
        if not number:
            axes.set_ylabel("% lies on contested facts")
            axes.set_title("Fewer lies, and what they cost", loc="left", color=INK, fontsize=LARGE)
        cleaned(axes, grid="y")
    named = "\n".join(f"{i + 1}  {name}" for i, (name, _) in enumerate(points))
    figure.supxlabel(named, x=0.02, ha="left", fontsize=SMALL, color=MUTED)
    return figure
