"""Plots the style and the content of each run of a sweep, and the Pareto front."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from stylekit.recipes.sweep.result import Cell, Sweep

SHOWN = 6
"""Number of pictures of the Pareto front below the plot."""

ORANGE = (2, 3)
"""Indices of the orange colors of matplotlib's "tab20", which only the Pareto front has."""

NUMBERED = 40
"""Maximum number of cells that are all numbered. If there are more, only those on the front are
numbered."""


def plot(sweep: Sweep):
    """Return the figure of `Sweep.plot`."""
    import matplotlib.pyplot as plt

    done = [cell for cell in sweep.cells if not cell.problem]
    front = sweep.pareto
    figure: Any = plt.figure(figsize=(9, 7), layout="constrained", dpi=110)
    above, below = figure.subfigures(2, 1, height_ratios=(3, 1.1))
    axes = above.subplots()
    lines = _lines(sweep, done)
    palette: Any = plt.get_cmap("tab20")
    colors = [one for k, one in enumerate(palette.colors) if k not in ORANGE]
    colors = colors[::2] + colors[1::2]  # saturated colors first
    for index, (label, cells) in enumerate(lines.items()):
        color = colors[index % len(colors)]
        axes.plot(*_points(cells), "o-", color=color, lw=1.2, ms=5, label=label or None)
        # Lines may lie close together, so the numbers alternate between the two sides of a line.
        beside = {"xytext": (-5, -11), "ha": "right"} if index % 2 else {"xytext": (5, 5)}
        for cell in cells:
            if len(done) <= NUMBERED or cell in front:
                at = cell.content, cell.style
                how = {"textcoords": "offset points", "fontsize": 8, "color": color, **beside}
                axes.annotate(str(cell.number), at, **how)
    for style in sweep.styles:
        # Cells above and to the right of the stepped line are dominated.
        best = [cell for cell in front if cell.labels.get("style") == style]
        axes.plot(*_points(best), color="0.5", ls=":", lw=1, zorder=1, drawstyle="steps-post")
    rings = {"facecolors": "none", "edgecolors": "darkorange", "linewidths": 2, "zorder": 3}
    axes.scatter(*_points(front), s=110, label="Pareto front", **rings)
    axes.margins(0.08)  # leave room for the numbers
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set(
        xlabel="content lost (0 is the photograph)",
        ylabel="style still missing (1 is the photograph, 0 the style)",
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    _pictures(below, front, sweep)
    plt.close(figure)  # otherwise a notebook shows it twice
    return figure


def _lines(sweep: Sweep, cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Return groups of cells that differ in one parameter, by the other parameters' labels."""
    names = [axis.name for axis in sweep.varied]
    along = "strength" if "strength" in names else names[-1] if names else None
    lines: dict[str, list[Cell]] = {}
    for cell in cells:
        label = ", ".join(f"{name} {cell.labels[name]}" for name in names if name != along)
        lines.setdefault(label, []).append(cell)
    return lines


def _points(cells: Sequence[Cell]) -> tuple[list[float], list[float]]:
    return [cell.content for cell in cells], [cell.style for cell in cells]


def _pictures(figure, front: Sequence[Cell], sweep: Sweep) -> None:
    """Draw evenly chosen pictures of the Pareto front, from most content to least."""
    if not front:
        return
    chosen = np.unique(np.linspace(0, len(front) - 1, min(SHOWN, len(front))).round().astype(int))
    columns = figure.subplots(1, max(SHOWN, len(chosen)))
    for axes in columns:
        axes.set_axis_off()
    for axes, index in zip(columns, chosen, strict=False):
        cell = front[index]
        axes.imshow(cell.image)
        lines = sweep.described(cell.labels)
        told = [str(cell.number), *(textwrap.fill(line, 28) for line in lines)]
        axes.set_title("\n".join(told), fontsize=7)
