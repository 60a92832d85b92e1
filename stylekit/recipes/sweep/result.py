"""The result of a sweep: its cells, and their sheet, table and plot."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stylekit._checks import caused_by, integer
from stylekit._defaults import PREVIEW_SIZE
from stylekit._write import replacing
from stylekit.image import as_image, contact_sheet, write_image
from stylekit.image.write import prepare_folder
from stylekit.metrics import pareto_front
from stylekit.recipes.sweep import tradeoff
from stylekit.recipes.sweep.grid import Axis
from stylekit.transfer import Result

FILES = ("sheet.png", "curve.png", "sweep.csv")
"""Names of the files that `Sweep.save` writes in addition to the pictures."""

FRAME = (1.0, 0.55, 0.0)
"""Color of the frame of pictures on the Pareto front: orange, which few pictures have."""

COLUMNS = 8
"""Maximum number of pictures in a row of a sheet, unless one parameter has more values."""


@dataclasses.dataclass(eq=False)
class Cell:
    """One run of a sweep.

    Attributes
    ----------
    number : int
        Number in the order of the grid, from 1. It identifies the cell on the sheet, in the plot
        and among the files.
    parameters : dict of str
        Values of the grid's parameters in this cell.
    labels : dict of str to str
        Labels of these values.
    result : Result or None
        None if the run did not begin.
    style : float
        Measure of style: `stylekit.metrics.style_distance` of the image from the style, divided by
        the distance of the photograph from the style. It is 0 for the style and 1 for the
        photograph. NaN if the run did not finish.
    content : float
        Measure of content: `stylekit.metrics.content_distance` of the image from the photograph,
        which is 0 for the photograph. NaN if the run did not finish.
    problem : str
        Why the run failed or was interrupted; "" otherwise.
    """

    number: int
    parameters: dict[str, Any]
    labels: dict[str, str]
    result: Result | None = None
    style: float = math.nan
    content: float = math.nan
    problem: str = ""

    @property
    def image(self) -> np.ndarray | None:
        """The image, or the last image of a failed run; None if the run did not begin."""
        return None if self.result is None else self.result.image


@dataclasses.dataclass(eq=False)
class Sweep:
    """The result of `stylekit.sweep`.

    Attributes
    ----------
    axes : list
        The parameters of the grid, each with its `name`, `values` and `labels`.
    photo : ndarray [H, W, 3]
        The content at the size of the runs.
    styles : dict of str to list of ndarray
        The style pictures by the labels of the axis "style", or under None without that axis.
    planned : int
        Number of cells of the grid.
    cells : list of Cell
        The cells that were run, in the order of the grid.
    interrupted : bool
        Whether the sweep was interrupted.
    """

    axes: list[Axis]
    photo: np.ndarray
    styles: dict[str | None, list[np.ndarray]]
    planned: int
    cells: list[Cell] = dataclasses.field(default_factory=list)
    interrupted: bool = False

    @property
    def varied(self) -> list[Axis]:
        """The axes with more than one value."""
        return [axis for axis in self.axes if len(axis.values) > 1]

    def described(self, labels: Mapping[str, str]) -> list[str]:
        """Return the labels of the parameters that vary, such as ``["strength 0.3"]``."""
        return [f"{axis.name} {labels[axis.name]}" for axis in self.varied]

    @property
    def pareto(self) -> list[Cell]:
        """The Pareto front: cells that no other cell beats in both style and content.

        Only cells with the same style are compared, because distances to different styles are not
        comparable. The cells are sorted by decreasing preservation of the content.
        """
        front: list[Cell] = []
        for style in self.styles:
            cells = [cell for cell in self.cells if cell.labels.get("style") == style]
            costs = np.reshape([(cell.style, cell.content) for cell in cells], (-1, 2))
            best = itertools.compress(cells, pareto_front(costs))
            front += sorted(best, key=lambda cell: cell.content)
        return front

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The table, as one dict per cell.

        Each row has the number of the cell, the labels of its parameters, steps, seconds, the last
        value of each term (the total is weighted, the terms are not), the measures of style and
        content, whether the cell is on the Pareto front, and its problem.
        """
        front = [cell.number for cell in self.pareto]
        return [
            {
                "cell": cell.number,
                **cell.labels,
                **_figures(cell.result),
                "judged_style": cell.style,
                "judged_content": cell.content,
                "pareto": cell.number in front,
                "problem": cell.problem,
            }
            for cell in self.cells
        ]

    def sheet(self, size: int = PREVIEW_SIZE, columns: int | None = None) -> np.ndarray:
        """Return all pictures on one sheet, each with its parameters and measures.

        Parameters
        ----------
        size : int
            Longer side of a picture in pixels, at least 16.
        columns : int, optional
            Number of pictures per row. Default: the number of values of the last parameter, or the
            number of combinations of the last few parameters.

        Returns
        -------
        ndarray, float32 [H, W, 3]
            The first row has the photograph and the styles. Pictures on the Pareto front have an
            orange frame. Pictures of failed runs are pale.
        """
        columns = self._columns() if columns is None else integer(columns, "columns", low=1)
        border = max(2, size // 48)
        front = [cell.number for cell in self.pareto]
        pictures = [self.photo]
        texts: list[Sequence[str]] = [["photograph"]]
        for label, styles in self.styles.items():
            pictures += styles
            texts += [["style" if label is None else f"style {label}"]] * len(styles)
        while len(pictures) % columns:  # cells begin in a new row
            pictures.append(np.ones_like(self.photo))
            texts.append([])
        pictures = [_framed(one, size, border, 1.0) for one in pictures]
        for cell in self.cells:
            image = np.full_like(self.photo, 0.8) if cell.image is None else cell.image
            image = 0.4 * image + 0.6 if cell.problem else image
            frame = FRAME if cell.number in front else 1.0
            pictures.append(_framed(image, size, border, frame))
            texts.append(self._text(cell))
        return contact_sheet(pictures, texts, columns, size=size + 2 * border, gap=8)

    def plot(self):
        """Plot style against content, with the Pareto front and some of its pictures.

        Returns
        -------
        matplotlib.figure.Figure
        """
        return tradeoff.plot(self)

    def save(self, folder) -> Path:
        """Write the sheet, the plot, the table and the pictures.

        Parameters
        ----------
        folder : path
            Created if necessary. It receives ``sheet.png``, ``curve.png``, ``sweep.csv``, and one
            picture per cell, such as ``cell-01.png``, with its manifest as in `Result.save`.

        Returns
        -------
        pathlib.Path
            The folder.

        Raises
        ------
        FileError
            If a file cannot be written.
        """
        folder = prepare_folder(folder)
        sheet, curve, table = (folder / name for name in FILES)
        for cell in self.cells:
            if cell.result is not None:
                cell.result.save(folder / f"cell-{cell.number:02d}.png")
        write_image(sheet, self.sheet())
        with caused_by("folder"), replacing(curve) as file:
            self.plot().savefig(file, format="png")
        # A failed run may lack terms that other runs have.
        names = dict.fromkeys(name for row in self.rows for name in row)
        text = io.StringIO()
        writer = csv.DictWriter(text, [*_ordered(names)])
        writer.writeheader()
        for row in self.rows:
            writer.writerow({name: _brief(value) for name, value in row.items()})
        with caused_by("folder"), replacing(table) as file:
            file.write(text.getvalue().encode())
        return folder

    def _columns(self) -> int:
        counts = [len(axis.values) for axis in self.varied] or [1]
        columns = counts.pop()
        # The first parameter varies from row to row.
        while len(counts) > 1 and columns * counts[-1] <= COLUMNS:
            columns *= counts.pop()
        return columns

    def _text(self, cell: Cell) -> list[str]:
        judged = cell.problem or f"style {cell.style:.2f}, content {cell.content:.2f}"
        return [f"{cell.number}: {judged}", *self.described(cell.labels)]

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray((self.sheet() * 255 + 0.5).astype(np.uint8)).save(buffer, "PNG")
        return buffer.getvalue()

    def __repr__(self) -> str:
        axes = ", ".join(f"{axis.name}={list(axis.labels)}" for axis in self.axes)
        failed = sum(bool(cell.problem) for cell in self.cells)
        told = ", interrupted" if self.interrupted else ""
        told += f", {failed} failed" if failed else ""
        return f"Sweep({axes}: {len(self.cells)} of {self.planned} cells{told})"


def _figures(result: Result | None) -> dict[str, Any]:
    """Return the steps, seconds and losses of a result, for the table."""
    if result is None:
        return {}
    last = result.losses[-1] if result.losses else {}
    return {"steps": result.steps, "seconds": round(result.seconds, 2), **last}


def _brief(value: Any) -> Any:
    """Return a float as text with six significant digits, and any other value unchanged."""
    return f"{value:.6g}" if isinstance(value, float) else value


def _ordered(names) -> list[str]:
    """Return the names of the columns, with the measures last."""
    last = ("judged_style", "judged_content", "pareto", "problem")
    return [*(name for name in names if name not in last), *last]


def _framed(image: np.ndarray, size: int, border: int, color) -> np.ndarray:
    """Return a picture, resized to a longer side, in a frame."""
    image = as_image(image, size=size)
    height, width = image.shape[:2]
    framed = np.empty((height + 2 * border, width + 2 * border, 3), np.float32)
    framed[:] = color
    framed[border:-border, border:-border] = image
    return framed
