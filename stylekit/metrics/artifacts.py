"""Metrics of artifacts: coloured noise, a frame, and a seam between tiles. They need no network."""

from __future__ import annotations

import numpy as np

from stylekit._checks import choice
from stylekit.functional import LUMA
from stylekit.image import PictureLike
from stylekit.image.arrays import TILES, tiled_axes
from stylekit.image.tiling import edge_step
from stylekit.metrics._pictures import large_enough

_BORDER = (0, 2)  # Distances from the edge, in pixels, between which a frame is visible.
_INTERIOR = (6, 12)  # Distances of the band with which the border is compared.


def chroma_noise(picture: PictureLike) -> float:
    """Return how much the colours of a picture change from pixel to pixel.

    Parameters
    ----------
    picture : path, PIL image or array_like
        A picture with at least 3 pixels per side.

    Returns
    -------
    float
        The mean of ``|4 c_p - sum_q c_q|`` over the pixels p inside the border and the three
        channels. q are the four neighbours of p, and c is the picture minus its luma of ITU-R
        BT.601. The value is at least 0, and 0 for grey pictures.

    Raises
    ------
    FileError, InputError, InputTypeError
        If the picture is invalid or too small.

    Notes
    -----
    The metric was developed for stylekit. Edges between colours also increase the value, so divide
    it by the value of the style at the same size. A quotient of 1 means that the picture has as
    much colour detail as the style.

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
    """Return how visible a frame along a picture's border is: the colour difference to the inside.

    Parameters
    ----------
    picture : path, PIL image or array_like
        A picture with at least 13 pixels per side.

    Returns
    -------
    float
        The largest absolute difference, over the three channels, between the mean colour of the
        outer 2 pixels and the mean colour of the band from 6 to 12 pixels inside. The value is in
        [0, 1], and 0 for a constant picture.

    Raises
    ------
    FileError, InputError, InputTypeError
        If the picture is invalid or too small.

    Notes
    -----
    The metric was developed for stylekit. A network pads its input with zeros, so that the border
    of a picture looks like an edge of an object. A style transfer method may paint this edge as a
    frame. Many photographs become darker or brighter towards the border, so subtract the value of
    the photograph.

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
    """Return how visible the seam between adjacent copies of a picture is.

    Parameters
    ----------
    picture : path, PIL image or array
        A picture with at least 3 pixels per side.
    tile : {"x", "y", "both"}
        The axis along which copies are placed: the width or the height. "both" returns the larger
        of the two values.

    Returns
    -------
    float
        The mean absolute step from the last column or row to the first one, divided by the mean
        absolute step between adjacent columns or rows inside. The value is about 1 for a picture
        that tiles, and 2 or more if there is a visible seam. It is infinite if only the steps
        inside are 0.

    Raises
    ------
    FileError, InputError, InputTypeError
        If the picture is invalid or too small, or `tile` is unknown.

    Notes
    -----
    The metric was developed for stylekit.

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
