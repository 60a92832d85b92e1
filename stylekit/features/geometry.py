"""The geometry of networks: which pixels a cell of a feature map depends on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from stylekit._checks import choice, integer


@dataclasses.dataclass(frozen=True)
class Window:
    """The spatial extent of one operation of a network.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the window in cells of the operation's input, including dilation. A
        single number is used for both. Pointwise operations, such as a ReLU, have 1.
    stride : int or (int, int)
        Step between windows, down and to the right.
    padding : str
        ``"same"`` pads with zeros, so that the number of output cells is the number of input cells
        divided by the stride, rounded up. ``"valid"`` does not pad.
    border : ((int, int), (int, int))
        Number of cells that are added before the padding: (above, below) and (left, right).
        Negative numbers crop.

    Attributes
    ----------
    size, stride : int or (int, int)
        A single number if height and width are equal.

    Raises
    ------
    InputError, InputTypeError
        If a size or a stride is not a positive integer, or the padding is unknown.
    """

    size: int | tuple[int, int] = 1
    stride: int | tuple[int, int] = 1
    padding: str = "same"
    border: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))

    def __post_init__(self) -> None:
        for name in ("size", "stride"):
            pair = (
                integer(side, f"a window's {name}", low=1, argument=name)
                for side in _pair(getattr(self, name))
            )
            height, width = pair
            object.__setattr__(self, name, height if height == width else (height, width))
        choice(self.padding, "a window's padding", ("same", "valid"), argument="padding")

    def along(self, axis: int) -> tuple[int, int, tuple[int, int]]:
        """Return size, stride and border along axis 0 (height) or 1 (width)."""
        return _pair(self.size)[axis], _pair(self.stride)[axis], self.border[axis]


@dataclasses.dataclass(frozen=True)
class Grid:
    """The cells of a feature map along one axis of a picture.

    Attributes
    ----------
    cells : int
        Number of cells. 0 if the picture is too small.
    stride : int
        Distance between neighbouring cells in pixels.
    before, after : int
        Cell i needs the pixels from ``i * stride - before`` up to, but not including,
        ``(i + 1) * stride + after``. This range includes the pixels that the cell depends on, and
        pixels that an earlier operation crops. ``after`` is negative if an operation skips pixels.
    """

    cells: int
    stride: int = 1
    before: int = 0
    after: int = 0

    @property
    def field(self) -> int:
        """Number of pixels that a cell needs: the size of its receptive field."""
        return self.before + self.stride + self.after

    def through(self, window: Window, axis: int) -> Grid:
        """Return the grid of the output of an operation that is applied to this grid."""
        size, stride, border = window.along(axis)
        cells, before = self.cells + sum(border), max(0, border[0])
        if window.padding == "same":
            count = -(-cells // stride)
            before += max(0, (count - 1) * stride + size - cells) // 2
        else:
            count = (cells - size) // stride + 1
        after = size - before - stride + sum(max(0, -width) for width in border)
        return Grid(
            max(0, count) if self.cells else 0,
            self.stride * stride,
            self.before + before * self.stride,
            self.after + after * self.stride,
        )


def _pair(value: int | Sequence[int]) -> Sequence[int]:
    return value if isinstance(value, (tuple, list)) else (value, value)


def union(grids: Iterable[Grid]) -> Grid:
    """Return the grid of a combination of feature maps. A cell needs the pixels of all of them."""
    grids = list(grids)
    return Grid(
        min(grid.cells for grid in grids),
        grids[0].stride,
        max(grid.before for grid in grids),
        max(grid.after for grid in grids),
    )
