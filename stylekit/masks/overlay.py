"""Draw a mask over a picture in colour."""

from __future__ import annotations

from typing import Any

import numpy as np

from stylekit._checks import fail, number
from stylekit.image import PictureLike, as_image
from stylekit.masks.color_maps.colors import rgb_color
from stylekit.masks.operations import mask_of

RED = "#ff2020"


def overlay(
    picture: PictureLike, mask: Any, color: Any = RED, *, strength: float = 0.5
) -> np.ndarray:
    """Return a picture with a mask drawn over it in a colour.

    To draw several masks, call the function once per mask, on the result of the previous call.

    Parameters
    ----------
    picture : path, PIL image or array_like
        See `stylekit.image.as_image`.
    mask : array_like [H, W], PIL image, path or callable
        Mask in [0, 1], of the picture's size; see `as_mask`. A callable is called with the picture.
    color : colour or picture
        A CSS name or hex string, three integers in 0-255, or three floats in [0, 1]. Alternatively
        an array ``[H, W, 3]`` of the picture's size with a colour for each pixel.
    strength : float
        Opacity of the colour where the mask is 1, in [0, 1].

    Returns
    -------
    numpy.ndarray, float32 [H, W, 3]
        ``picture + strength * mask * (color - picture)``, in [0, 1].

    Raises
    ------
    InputError, InputTypeError, FileError
        If the picture, the mask or the colour is invalid, or their sizes differ.

    Examples
    --------
    >>> overlay(np.zeros((1, 2, 3)), [[1, 0]], "white")[0]
    array([[0.5, 0.5, 0.5],
           [0. , 0. , 0. ]], dtype=float32)
    """
    under = as_image(picture)
    cover = mask_of(mask, under, allow_empty=True)
    strength = number(strength, "strength", low=0, high=1)
    if getattr(color, "ndim", 0) == 3:
        over = as_image(color, "color")
        if over.shape != under.shape:
            fail(
                "`color` must have the size of the picture",
                expected=f"{under.shape[:2]}",
                received=f"{over.shape[:2]}",
                hint="resize it with stylekit.image.resize(color, picture.shape)",
                argument="color",
            )
    else:
        over = (rgb_color(color, "color") / 255).astype(np.float32)
    return under + np.float32(strength) * cover[..., np.newaxis] * (over - under)
