"""Alpha blending of two pictures, and argument checks of all blending functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from stylekit import masks
from stylekit._checks import fail
from stylekit.image import PictureLike, as_image
from stylekit.masks.operations import mask_of


def paste(
    photo: PictureLike, stylised: PictureLike, mask: Any, *, feather: float = 0.0
) -> np.ndarray:
    """Return the stylised picture blended with the photograph by a mask.

    The result is ``m * stylised + (1 - m) * photo``, where m is the mask.

    Parameters
    ----------
    photo, stylised : path, PIL image or array_like
        Two pictures of the same size.
    mask : array_like, PIL.Image.Image, path or callable
        The share of the stylised picture at each pixel, in [0, 1]. Must have the size of the
        pictures, and may be 0 or 1 everywhere. A callable is called with the photograph.
    feather : float, optional
        Radius in pixels, at least 0, by which the edge of the mask is softened before blending; see
        `stylekit.masks.feather`. The softened mask extends up to ``2 * feather`` pixels further
        along rows and columns.

    Returns
    -------
    ndarray
        ``float32 [H, W, 3]`` in [0, 1]. It is bit-identical to the photograph where the softened
        mask is 0, and to the stylised picture where it is 1.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture or the mask is invalid, or their sizes differ.
    """
    photo, stylised, mask = checked(photo, stylised, mask)
    return over(photo, stylised, masks.feather(mask, feather))


def over(photo: np.ndarray, stylised: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return ``photo + alpha * (stylised - photo)``. It is exact where alpha is 0 or 1."""
    share = alpha[..., np.newaxis].astype(np.float32)
    mixed = np.clip(photo + share * (stylised - photo), 0, 1)
    return np.where(share == 1, stylised, np.where(share == 0, photo, mixed))


def checked(
    photo: PictureLike, stylised: PictureLike, mask: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return two pictures and a mask after checking that their sizes are equal."""
    photo, stylised = alike(photo, stylised)
    return photo, stylised, mask_of(mask, photo, allow_empty=True)


def alike(photo: PictureLike, stylised: PictureLike) -> tuple[np.ndarray, np.ndarray]:
    """Return two pictures after checking that their sizes are equal."""
    photo, stylised = as_image(photo, "photo"), as_image(stylised, "stylised")
    if stylised.shape != photo.shape:
        height, width = photo.shape[:2]
        fail(
            "`stylised` must have the size of `photo`",
            expected=f"shape {photo.shape}",
            received=f"shape {stylised.shape}",
            hint=f"use image.resize(stylised, ({height}, {width}))",
            argument="stylised",
        )
    return photo, stylised
