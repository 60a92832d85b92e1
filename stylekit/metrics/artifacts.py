"""Metrics of artifacts that need no network: coloured noise, a frame, and a seam of tiles."""

from __future__ import annotations

import numpy as np

from stylekit._checks import choice
from stylekit.functional import LUMA
from stylekit.image import PictureLike
from stylekit.image.arrays import TILES, tiled_axes
from stylekit.image.tiling import edge_step
from stylekit.metrics._pictures import large_enough

_BORDER = (0, 2)  # Distances from the edge, in pixels, between which a frame shows.
_INTERIOR = (6, 12)  # The band that the border is compared with.


def chroma_noise(picture: PictureLike) -> float:
    """Return how much the colours change from pixel to pixel.

    Parameters
    ----------
    picture : path, PIL image or array_like
        At least 3 pixels per side.

    Returns
    -------
    float
        The mean of ``|4 c_p - sum_q c_q|`` over the pixels p inside the border and the three
        channels. q are the four neighbours of p, and c is the picture minus its luma of ITU-R
        BT.601. At least 0, and 0 for grey pictures. Compare it with the value of the style.

    Raises
    ------
    FileError, InputError, InputTypeError
        If the picture cannot be used or is too small.

    Notes
    -----
    The metric is stylekit's own. Edges between colours count as well, so divide it by the value of
    the style at the same size. 1 means as much detail in colour as in the style.

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
    """Return how much the colour of a picture's border differs from the inside: a frame.

    Parameters
    ----------
    picture : path, PIL image or array_like
        At least 13 pixels per side.

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
    The metric is stylekit's own. A network pads its input with zeros, so the border of a picture
    looks like an edge in the scene, and a method may paint it. Many photographs become darker or
    brighter towards their borders. Subtract the value of the photograph.

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
    """Return how visible the seam is between copies of a picture side by side.

    Parameters
    ----------
    picture : path, PIL image or array
        At least 3 pixels per side.
    tile : {"x", "y", "both"}
        The axis along which copies are placed: the width, the height, or the one with the larger
        value.

    Returns
    -------
    float
        The mean absolute step from the last column or row to the first one, divided by the mean
        step between neighbours inside. It is about 1 for a picture that tiles, and 2 or more if
        there is a visible seam. Infinite if all other steps are 0.

    Raises
    ------
    FileError, InputError, InputTypeError
        If the picture cannot be used or is too small, or `tile` is unknown.

    Notes
    -----
    The metric is stylekit's own.

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
