"""Faults of a result that need no network: coloured noise, and a frame along the border."""

from __future__ import annotations

import numpy as np

from stylekit.functional import LUMA
from stylekit.image import PictureLike
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


def _band_mean(picture: np.ndarray, first: int, last: int) -> np.ndarray:
    """Return the mean colour of the pixels whose distance from the edge is in [first, last)."""
    rows, columns = (
        np.minimum(np.arange(side), np.arange(side)[::-1]) for side in picture.shape[:2]
    )
    distance = np.minimum(rows[:, np.newaxis], columns)
    return picture[(distance >= first) & (distance < last)].mean(axis=0, dtype=np.float64)
