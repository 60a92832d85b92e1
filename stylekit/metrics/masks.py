"""Metrics of localized transfer: seams along a mask, and changes outside the mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from stylekit._checks import fail
from stylekit.image import PictureLike
from stylekit.masks.operations import mask_of
from stylekit.metrics._pictures import same_size


def seam_score(photo: PictureLike, result: PictureLike, mask: Any) -> float:
    """Return how visible a mask's border is: the steps across it, relative to the photograph.

    Parameters
    ----------
    photo, result : path, PIL image or array_like
        Two pictures of the same size.
    mask : array_like, PIL.Image.Image, path or callable
        The border of the mask is where its values cross 0.5. For results of `stylekit.blend.seam`,
        use the mask that `stylekit.blend.seam_mask` returns. A callable is called with the
        photograph.

    Returns
    -------
    float
        1 means that the steps across the border are as large as in the photograph. 2 means that
        they are twice as large. Below 1 the result is smoother across the border than the
        photograph. The value does not change if both pictures are scaled by the same factor. It is
        infinite if only the photograph is constant across the border, and 1 if both pictures are
        constant there.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture or the mask is invalid, their sizes differ, or the mask has no border.

    Notes
    -----
    The value is ``sum_pq |R_p - R_q| / sum_pq |P_p - P_q|`` with the result R and the photograph P.
    The sum is over pairs pq of 4-neighbours with one pixel inside and one outside the mask. The
    lengths are Euclidean in sRGB. Only adjacent pixels are compared. A feathered edge therefore has
    a low value even if there is a halo, so also look at the pictures.
    """
    photo, result = same_size(photo, result)
    inside = mask_of(mask, photo) >= np.float32(0.5)
    before = after = 0.0
    crossings = 0
    for axis in (0, 1):
        crossed = np.diff(inside, axis=axis)
        crossings += int(crossed.sum())
        before += _lengths(photo, axis)[crossed].sum()
        after += _lengths(result, axis)[crossed].sum()
    if not crossings:
        fail(
            "`mask` must have a border",
            expected="values below 0.5 and values of at least 0.5",
            received="values on one side of 0.5 only",
            hint="a mask of the whole picture has no seam",
            argument="mask",
        )
    if before == 0:
        return 1.0 if after == 0 else float("inf")
    return float(after / before)


def leakage(photo: PictureLike, result: PictureLike, mask: Any) -> float:
    """Return the mean change of the pixels outside a mask.

    Parameters
    ----------
    photo, result : path, PIL image or array_like
        Two pictures of the same size.
    mask : array_like, PIL.Image.Image, path or callable
        A pixel is outside if the mask is 0 there. A callable is called with the photograph.

    Returns
    -------
    float
        The mean of ``|result - photo|`` over the pixels outside and the three channels, in [0, 1].
        The value is exactly 0 if no pixel outside changed, or if the mask is above 0 everywhere.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture or the mask is invalid, or their sizes differ.
    """
    photo, result = same_size(photo, result)
    outside = mask_of(mask, photo, allow_empty=True) == 0
    if not outside.any():
        return 0.0
    return float(np.abs(result - photo)[outside].mean(dtype=np.float64))


def _lengths(picture: np.ndarray, axis: int) -> np.ndarray:
    """Return the Euclidean lengths of the colour steps between neighbours along an axis."""
    return np.linalg.norm(np.diff(picture.astype(np.float64), axis=axis), axis=-1)
