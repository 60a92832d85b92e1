"""Style against content: where each run of a sweep lies, and which are the best trade-offs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from stylekit.recipes.swept import Cell, Sweep

SHOWN = 6
"""Pictures of the front below the curve."""

NUMBERED = 40
"""Cells up to which each point has its number; of more, those on the front alone."""


def plot(sweep: Sweep):
    """Draw a sweep's cells, judged style against judged content; see `Sweep.plot`."""
    import matplotlib.pyplot as plt

    done = [cell for cell in sweep.cells if not cell.problem]
    front = sweep.pareto
    figure = plt.figure(figsize=(9, 7), layout="constrained", dpi=110)
    above, below = figure.subfigures(2, 1, height_ratios=(3, 1.1))
    axes = above.subplots()
    lines = _lines(sweep, done)
    colors = plt.get_cmap("tab10" if len(lines) <= 10 else "tab20").colors
    for index, (label, cells) in enumerate(lines.items()):
        color = colors[index % len(colors)]
        axes.plot(*_points(cells), "o-", color=color, lw=1.2, ms=5, label=label or None)
    for k, style in enumerate(sweep.styles):
        best = [cell for cell in front if cell.labels.get("style") == style]
        axes.plot(*_points(best), color="0.35", ls=":", lw=1, zorder=1)
        axes.scatter(
            *_points(best),
            s=110,
            facecolors="none",
            edgecolors="darkorange",
            linewidths=2,
            zorder=3,
            label=None if k or not best else "Pareto front",
        )
    for cell in done if len(done) <= NUMBERED else front:
        at = cell.content, cell.style
        axes.annotate(str(cell.number), at, (6, 5), textcoords="offset points", fontsize=8)
    axes.set(
        xlabel="content lost (0 is the photograph)",
        ylabel="style still missing (1 is the photograph, 0 the style)",
    )
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
    _pictures(below, front, sweep)
    plt.close(figure)  # a notebook would show it twice
    return figure


def _lines(sweep: Sweep, cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Return the cells that differ in one parameter alone, by the labels of the others."""
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
    """Show some pictures of the front, evenly chosen, from most content to least."""
    if not front:
        return
    chosen = np.unique(np.linspace(0, len(front) - 1, min(SHOWN, len(front))).round().astype(int))
    columns = figure.subplots(1, max(SHOWN, len(chosen)))
    for axes in columns:
        axes.set_axis_off()
    for axes, index in zip(columns, chosen, strict=False):
        cell = front[index]
        axes.imshow(cell.image)
        told = [f"{axis.name} {cell.labels[axis.name]}" for axis in sweep.varied]
        axes.set_title("\n".join([f"{cell.number}", *told]), fontsize=7)
