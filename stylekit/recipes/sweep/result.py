"""What a sweep gives: a cell a run, and all of them on a sheet, in a table and along a curve."""

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
"""What `Sweep.save` writes beside a picture a cell."""

FRAME = (1.0, 0.55, 0.0)
"""Around the pictures on the front: orange, which stands out from most of them."""

COLUMNS = 8
"""Most pictures in a row of a sheet, unless one parameter has more values."""


@dataclasses.dataclass(eq=False)
class Cell:
    """One run of a sweep.

    Attributes
    ----------
    number : int
        From 1, in the grid's order: its name on the sheet, on the curve and among the files.
    parameters : dict of str
        Of the grid.
    labels : dict of str to str
        What the parameters' values are called.
    result : Result or None
        None where the run did not begin.
    style : float
        Judged: how far the image is from the style, `stylekit.metrics.style_distance`, relative to
        the photograph: 1 is as far as that, 0 the style itself. NaN where the run broke off.
    content : float
        Judged: how far the image is from the photograph's content,
        `stylekit.metrics.content_distance`: 0 is the photograph. NaN where the run broke off.
    problem : str
        Why the run broke off; "" if it did not.
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
        """The image, or what a broken run has come to; None where it did not begin."""
        return None if self.result is None else self.result.image


@dataclasses.dataclass(eq=False)
class Sweep:
    """Runs over a grid; see `stylekit.sweep`.

    Attributes
    ----------
    axes : list
        The grid: each parameter's `name`, `values` and `labels`.
    photo : ndarray [H, W, 3]
        The content at the size of the runs.
    styles : dict of str to list of ndarray
        The style pictures, by the labels of the axis "style"; under None without one.
    planned : int
        Cells of the whole grid.
    cells : list of Cell
        Those that have been run.
    interrupted : bool
        Whether it was cut off.
    """

    axes: list[Axis]
    photo: np.ndarray
    styles: dict[str | None, list[np.ndarray]]
    planned: int
    cells: list[Cell] = dataclasses.field(default_factory=list)
    interrupted: bool = False

    @property
    def varied(self) -> list[Axis]:
        """The axes that have more than one value."""
        return [axis for axis in self.axes if len(axis.values) > 1]

    def described(self, labels: Mapping[str, str]) -> list[str]:
        """Return what sets a cell of some labels apart, such as ``["strength 0.3"]``."""
        return [f"{axis.name} {labels[axis.name]}" for axis in self.varied]

    @property
    def pareto(self) -> list[Cell]:
        """The cells that no other beats in both style and content, from most content to least.

        Among those of the same style: how near one comes to a style says nothing of another.
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
        """The table, a dict a cell.

        The cell's number, the labels of its parameters, steps and seconds, each term's last value
        (the total weighted, the terms not), the style and content that were judged, whether it is
        on the front, and its problem.
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
        """Return all pictures on one sheet, each with its parameters and what was judged.

        Parameters
        ----------
        size : int
            Longer side of a picture in pixels, at least 16.
        columns : int, optional
            Default: as many as there are values of the last parameter, or of the last few.

        Returns
        -------
        ndarray, float32 [H, W, 3]
            In the first row the photograph and the styles; pictures on the front have an orange
            frame, those of runs that broke off are pale.
        """
        columns = self._columns() if columns is None else integer(columns, "columns", low=1)
        border = max(2, size // 48)
        front = [cell.number for cell in self.pareto]
        pictures = [self.photo]
        texts: list[Sequence[str]] = [["photograph"]]
        for label, styles in self.styles.items():
            pictures += styles
            texts += [["style" if label is None else f"style {label}"]] * len(styles)
        while len(pictures) % columns:  # the cells begin a row
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
        """Draw style against content, with the front marked and its pictures below.

        Returns
        -------
        matplotlib.figure.Figure
        """
        return tradeoff.plot(self)

    def save(self, folder) -> Path:
        """Write the sheet, the curve, the table and the pictures.

        Parameters
        ----------
        folder : path
            Made if it is not there. Gets ``sheet.png``, ``curve.png``, ``sweep.csv``, and a picture
            a cell, ``cell-01.png``, which holds its manifest as `Result.save` has it.

        Returns
        -------
        Path
            Of the folder.

        Raises
        ------
        FileError
            If something cannot be written.
        """
        folder = prepare_folder(folder)
        sheet, curve, table = (folder / name for name in FILES)
        for cell in self.cells:
            if cell.result is not None:
                cell.result.save(folder / f"cell-{cell.number:02d}.png")
        write_image(sheet, self.sheet())
        with caused_by("folder"), replacing(curve) as file:
            self.plot().savefig(file, format="png")
        # A run that broke off may lack terms that others have.
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
        # The first parameter goes down the sheet.
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
        broken = sum(bool(cell.problem) for cell in self.cells)
        told = ", interrupted" if self.interrupted else ""
        told += f", {broken} broke off" if broken else ""
        return f"Sweep({axes}: {len(self.cells)} of {self.planned} cells{told})"


def _figures(result: Result | None) -> dict[str, Any]:
    """Return a result's figures for the table."""
    if result is None:
        return {}
    last = result.losses[-1] if result.losses else {}
    return {"steps": result.steps, "seconds": round(result.seconds, 2), **last}


def _brief(value: Any) -> Any:
    """Return a float with the digits that mean something."""
    return f"{value:.6g}" if isinstance(value, float) else value


def _ordered(names) -> list[str]:
    """Return the columns' names with the judged ones last."""
    last = ("judged_style", "judged_content", "pareto", "problem")
    return [*(name for name in names if name not in last), *last]


def _framed(image: np.ndarray, size: int, border: int, color) -> np.ndarray:
    """Return a picture of a longer side in a frame."""
    image = as_image(image, size=size)
    height, width = image.shape[:2]
    framed = np.empty((height + 2 * border, width + 2 * border, 3), np.float32)
    framed[:] = color
    framed[border:-border, border:-border] = image
    return framed
