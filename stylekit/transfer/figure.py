"""A run as a figure: its image, how its losses fell, and how long it took."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from stylekit.transfer.result import Result

DECADES = 5
"""Of the losses below the largest total that are shown: a content term that begins at the content
begins at nothing, and would press all else together."""


def draw(result: Result) -> Figure:
    """Return the figure of `Result.plot`."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(11, 4.8), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 1), width_ratios=(1, 1.1))
    picture = figure.add_subplot(grid[:, 0])
    losses = figure.add_subplot(grid[0, 1])
    times = figure.add_subplot(grid[1, 1], sharex=losses)
    image = result.image
    picture.imshow(image if image.ndim == 3 else np.concatenate(list(image), axis=1))
    picture.set_axis_off()
    stop = "" if result.stopped_by == "steps" else f", stopped by {result.stopped_by}"
    picture.set_title(f"{result.steps} steps in {result.seconds:.3g} s{stop}", fontsize=10)
    _draw_losses(losses, result)
    times.plot(result.times, color="0.3", marker=_marker(result.times))
    times.set(xlabel="step", ylabel="seconds", ylim=(0, 1.05 * max(result.times, default=1)))
    losses.tick_params(labelbottom=False)
    for axis in (losses, times):
        axis.grid(alpha=0.3)
        axis.margins(x=0.01)
    _mark_levels((losses, times), result)
    plt.close(figure)  # a notebook would show it twice
    return figure


def _draw_losses(axis: Any, result: Result) -> None:
    axis.set(ylabel="loss", yscale="log")
    if not result.losses:
        return
    # A mixed run's two networks may have terms of different names.
    names = list(dict.fromkeys(name for row in result.losses for name in row))
    curves = {
        name: np.array([np.mean(row.get(name, np.nan)) for row in result.losses]) for name in names
    }
    for name, values in curves.items():
        axis.plot(
            np.where(values > 0, values, np.nan),
            label="total (weighted)" if name == "total" else name,
            color="black" if name == "total" else None,
            linewidth=1.8 if name == "total" else 1.3,
            marker=_marker(values),
        )
    positive = [values[values > 0] for values in curves.values()]
    lowest = min((values.min() for values in positive if len(values)), default=0)
    least = np.nanmax(curves["total"]) * 10.0**-DECADES
    if 0 < lowest < least:
        axis.set_ylim(bottom=least)
    axis.legend(fontsize=8, loc="best")


def _marker(values: Any) -> str | None:
    return "o" if len(values) == 1 else None  # one point alone is no line


def _mark_levels(axes: tuple[Any, ...], result: Result) -> None:
    """Shade every other level, and write their sizes above."""
    sizes = _sizes(result.manifest)
    runs = [(level, len(list(rows))) for level, rows in itertools.groupby(result.levels)]
    if len(runs) < 2:
        return
    begin = 0
    for number, (level, count) in enumerate(runs):
        end = min(begin + count, len(result.levels) - 1)
        for axis in axes:
            if number % 2:
                axis.axvspan(begin, end, color="0.5", alpha=0.12, linewidth=0)
        if end > begin:
            axes[0].annotate(
                sizes.get(level, ""),
                ((begin + end) / 2, 1.02),
                xycoords=("data", "axes fraction"),
                ha="center",
                fontsize=8,
            )
        begin = end


def _sizes(manifest: dict[str, Any]) -> dict[int, str]:
    """Return the width and height of each level, those of a first network before."""
    levels = [*manifest.get("before", {}).get("levels", ()), *manifest.get("levels", ())]
    sizes = (level["size"] for level in levels)
    return {index: f"{width} x {height}" for index, (height, width) in enumerate(sizes)}
