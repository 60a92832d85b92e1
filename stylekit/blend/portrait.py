"""Blur the background of a photograph, and keep the subject sharp."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage, signal

from stylekit import masks
from stylekit._checks import integer, number
from stylekit.image import PictureLike, as_image
from stylekit.masks.operations import mask_of
from stylekit.masks.refine.matting import estimate_foreground

_RADIUS = 1 / 64  # of the longer side
_POWER = (
    8  # of the background's share, so that mixed pixels, whose colours are estimated, weigh little
)
_FEW = (
    1e-3  # minimum weight of the background in a disc. Below it, the mean of the disc is not used
)


def portrait(
    photo: PictureLike,
    mask: Any,
    *,
    radius: float | None = None,
    margin: int = 2,
    feather: float = 0.0,
) -> np.ndarray:
    """Return the photograph with a background that is blurred as by a lens, without a halo.

    Parameters
    ----------
    photo : path, PIL image or array_like
    mask : array_like, PIL.Image.Image, path or callable
        The subject's share of each pixel, in [0, 1]. Must have the size of the photograph. Masks
        that `stylekit.masks.matte` and `guided` return follow hair. If the mask is 0 everywhere,
        the whole picture is blurred. A callable is called with the photograph.
    radius : float, optional
        Radius in pixels, at least 0, of the disc with which the background is blurred. With 0 the
        photograph is returned. Default: 1/64 of the longer side.
    margin : int, optional
        Width in pixels, at least 0, of a margin around the subject that does not contribute to the
        blurred background. It allows for a mask that is slightly too small.
    feather : float, optional
        Radius in pixels by which the mask is softened before it is used; see
        `stylekit.masks.feather`.

    Returns
    -------
    ndarray
        ``float32 [H, W, 3]`` in [0, 1], bit-identical to the photograph where the mask is 1.

    Raises
    ------
    FileError, InputError, InputTypeError
        If the picture or the mask is invalid, their sizes differ, or a number is out of range.

    Notes
    -----
    All colours are in linear light. The photograph is ``I = a F + (1 - a) G``, where a is the mask,
    F are the colours of the subject, and G are the colours of the background. F is estimated by
    `stylekit.masks.estimate_foreground`, and ``G = (I - a F) / (1 - a)``. Let k be the disc, ``*``
    a convolution, and ``w = (1 - a)^8`` with the mask a grown by `margin`. The blurred background
    is ``B = (k * w G) / (k * w)``. It contains no colours of the subject. The result is
    ``a F + (1 - a) B``. If the disc around a pixel contains no background, B is copied from the
    nearest pixel whose disc contains some. With the weights ``1 - a`` and with I instead of G, the
    colours of a soft edge would glow on the background.
    """
    photo = as_image(photo, "photo")
    mask = masks.feather(mask_of(mask, photo, allow_empty=True), feather)
    radius = _RADIUS * max(photo.shape) if radius is None else number(radius, "radius", low=0)
    grown = masks.dilate(mask, integer(margin, "margin", low=0)).astype(np.float64)
    weight = (1 - grown) ** _POWER
    if radius == 0 or not weight.any():
        return photo
    alpha = mask[..., np.newaxis].astype(np.float64)
    linear = _to_linear(photo.astype(np.float64))
    subject = estimate_foreground(linear, mask).astype(np.float64) if mask.any() else linear
    behind = (linear - alpha * subject) / np.where(alpha < 1, 1 - alpha, 1)
    blurred = _blur(np.clip(behind, 0, 1), weight, radius)
    result = _to_srgb(np.clip(alpha * subject + (1 - alpha) * blurred, 0, 1))
    return np.where(alpha == 1, photo, result).astype(np.float32)


def _blur(picture: np.ndarray, weight: np.ndarray, radius: float) -> np.ndarray:
    """Return the weighted mean of a picture in a disc around each pixel.

    Pixels outside the picture have the weight 0. If the total weight in the disc is almost 0, the
    value is copied from the nearest pixel where the weight is larger.
    """
    kernel = _disc(min(radius, max(weight.shape)))  # larger discs also cover the whole picture
    weight = weight[..., np.newaxis]
    total = signal.fftconvolve(picture * weight, kernel[..., np.newaxis], "same", axes=(0, 1))
    mass = signal.fftconvolve(weight, kernel[..., np.newaxis], "same", axes=(0, 1))
    enough = mass[..., 0] > min(_FEW, mass.max() / 2)
    mean = total / np.where(enough[..., np.newaxis], mass, 1)
    nearest = ndimage.distance_transform_edt(~enough, return_distances=False, return_indices=True)
    return mean[tuple(nearest)]


def _disc(radius: float) -> np.ndarray:
    """Return a disc of sum 1. Edge pixels are weighted by about the share that the disc covers."""
    reach = int(np.ceil(radius))
    offsets = np.arange(-reach, reach + 1)
    distance = np.hypot(offsets[:, np.newaxis], offsets)
    disc = np.clip(radius + 0.5 - distance, 0, 1)
    return disc / disc.sum()


def _to_linear(values: np.ndarray) -> np.ndarray:
    """Return sRGB values decoded to linear light (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _to_srgb(values: np.ndarray) -> np.ndarray:
    """Return linear values encoded as sRGB."""
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
