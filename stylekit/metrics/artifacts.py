"""Faults of a result that need no network: coloured noise, a frame, and a seam between copies."""

from __future__ import annotations

import numpy as np

from stylekit._checks import choice
from stylekit.functional import LUMA
from stylekit.image import PictureLike
from stylekit.image.arrays import TILES, tiled_axes
from stylekit.image.tiling import edge_step
from stylekit.metrics._pictures import large_enough

_BORDER = (0, 2)  # Distances from the edge, in pixels, between which a frame shows.
_INTERIOR = (6, 12)  # The band that it is compared with.


def chroma_noise(picture: PictureLike) -> float:
    """Measure how much the colours change from pixel to pixel.

    Parameters
    ----------
    picture : path, PIL image or array_like
        At least 3 pixels a side.

    Returns
    -------
    float
        The mean of ``|4 c_p - sum_q c_q|`` over the pixels p inside the border and the three
        channels. q are the four neighbours of p, and c is the picture less its luma of ITU-R
        BT.601. At least 0, and 0 for grey pictures. Compare it with that of the style.

    Raises
    ------
    FileError, InputError, InputTypeError
        If the picture cannot be used or is too small.

    Notes
    -----
    The measure is ours. Edges between colours count, too, so divide by the value of the style at
    the same size: 1 is as colourful in detail as the style.

    Examples
    --------
    >>> chroma_noise(np.full((8, 8, 3), 0.5))
    0.0
    """
    picture = large_enough(picture, "picture", 3)
    luma = np.sum(picture * np.asarray(LUMA, np.float32), axis=-1, keepdims=True)
    chroma = picture - luma
    inside = chroma[1:-1, 1:-1]
    rows = chroma[:-2, 1:-1] + chroma[2:, 1:-1]
    columns = chroma[1:-1, :-2] + chroma[1:-1, 2:]
    return float(np.abs(4 * inside - rows - columns).mean(dtype=np.float64))


def frame(picture: PictureLike) -> float:
    """Measure whether a picture has a frame: a border of another colour.

    Parameters
    ----------
    picture : path, PIL image or array_like
        At least 13 pixels a side.

    Returns
    -------
    float
        The largest absolute difference, over the three channels, between the mean colour of the
        outer 2 pixels and that of the band from 6 to 12 pixels inside. In [0, 1], and 0 for a
        constant picture.

    Raises
    ------
    FileError, InputError, InputTypeError
        If the picture cannot be used or is too small.

    Notes
    -----
    The measure is ours. A network pads its input with zeros, and so sees the edge of a picture as
    an edge of the scene, which a method may paint. Pictures darken or brighten towards their edges
    on their own: subtract the value of the photograph.

    Examples
    --------
    >>> picture = np.full((30, 40, 3), 0.5)
    >>> picture[:2] = 1  # a stripe along the upper edge
    >>> 0 < frame(picture) < 0.5
    True
    """
    picture = large_enough(picture, "picture", 2 * _INTERIOR[0] + 1)
    border, interior = (_band_mean(picture, *band) for band in (_BORDER, _INTERIOR))
    return float(np.abs(border - interior).max())


def tile_seam(picture: PictureLike, tile: str = "both") -> float:
    """Measure whether copies of a picture, side by side, show a seam.

    Parameters
    ----------
    picture : path, PIL image or array
        At least 3 pixels a side.
    tile : {"x", "y", "both"}
        Along its width, its height, or the larger value of both.

    Returns
    -------
    float
        The mean absolute step from the last column or row to the first one, divided by the mean
        step between neighbours inside. About 1 for a picture that tiles, as for a column or a row
        inside; 2 or more where there is a seam. Infinite if all other steps are 0.

    Raises
    ------
    FileError, InputError, InputTypeError
        If the picture cannot be used or is too small, or `tile` is unknown.

    Notes
    -----
    The measure is ours.

    Examples
    --------
    >>> ramp = np.broadcast_to(np.linspace(0, 1, 11), (20, 11))
    >>> round(tile_seam(ramp, "x"), 3)
    10.0
    """
    axes = tiled_axes(choice(tile, "tile", TILES))
    picture = large_enough(picture, "picture", 3)
    return max(edge_step(picture, axis) for axis in (0, 1) if axes[axis])


def _band_mean(picture: np.ndarray, first: int, last: int) -> np.ndarray:
    """Return the mean colour of the pixels whose distance from the edge is in [first, last)."""
    rows, columns = (
        np.minimum(np.arange(side), np.arange(side)[::-1]) for side in picture.shape[:2]
    )
    distance = np.minimum(rows[:, np.newaxis], columns)
    return picture[(distance >= first) & (distance < last)].mean(axis=0, dtype=np.float64)
