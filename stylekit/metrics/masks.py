"""Seams along a mask, and what changed outside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from stylekit._checks import fail
from stylekit.image import PictureLike
from stylekit.masks.operations import mask_of
from stylekit.metrics._pictures import same_size


def seam_score(photo: PictureLike, result: PictureLike, mask: Any) -> float:
    """Measure how much a border shows: the result's step across it in units of the photograph's.

    Parameters
    ----------
    photo, result : path, PIL image or array_like
        Two pictures of one size.
    mask : array_like, PIL.Image.Image, path or callable
        Its border is where it crosses 0.5. For `stylekit.blend.seam` that is the border that was
        cut, `stylekit.blend.seam_mask`. A callable is given the photograph.

    Returns
    -------
    float
        1: steps as in the photograph; 2: twice as long; below 1: smoothed. Scaling both pictures
        by one factor does not change it. Infinite where the photograph is constant along the
        border and the result is not; 1 where both are.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture or the mask cannot be used, their sizes differ, or the mask has no border.

    Notes
    -----
    ``sum_pq |R_p - R_q| / sum_pq |P_p - P_q|`` over the pairs pq of four-neighbours of which one is
    inside and one is not, with the Euclidean length of colours in sRGB. It looks no further than
    one pixel: a feathered edge scores well and still has a halo, so compare pictures, too.
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
            "mask has no border",
            expected="values on both sides of 0.5",
            received="one side only",
            hint="a mask of the whole picture has no seam",
            argument="mask",
        )
    if before == 0:
        return 1.0 if after == 0 else float("inf")
    return float(after / before)


def leakage(photo: PictureLike, result: PictureLike, mask: Any) -> float:
    """Measure what changed outside a mask.

    Parameters
    ----------
    photo, result : path, PIL image or array_like
        Two pictures of one size.
    mask : array_like, PIL.Image.Image, path or callable
        Outside is where it is 0. A callable is given the photograph.

    Returns
    -------
    float
        The mean of ``|result - photo|`` over the pixels outside and the three channels, in [0, 1].
        0 exactly where nothing changed, and for a mask without an outside.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture or the mask cannot be used, or their sizes differ.
    """
    photo, result = same_size(photo, result)
    outside = mask_of(mask, photo, allow_empty=True) == 0
    if not outside.any():
        return 0.0
    return float(np.abs(result - photo)[outside].mean(dtype=np.float64))


def _lengths(picture: np.ndarray, axis: int) -> np.ndarray:
    """Return the lengths of the steps between neighbours along an axis."""
    return np.linalg.norm(np.diff(picture.astype(np.float64), axis=axis), axis=-1)
