"""A sharp subject in front of a background that is out of focus."""

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
_POWER = 8  # of the background's share: mixed pixels, whose colours are estimates, get low weights
_FEW = 1e-3  # minimum weight of the background in a disc for its mean to be used


def portrait(
    photo: PictureLike,
    mask: Any,
    *,
    radius: float | None = None,
    margin: int = 2,
    feather: float = 0.0,
) -> np.ndarray:
    """Return the photograph with the background blurred as by a lens, without a halo.

    Parameters
    ----------
    photo : path, PIL image or array_like
    mask : array_like, PIL.Image.Image, path or callable
        The subject's share of each pixel, in [0, 1], of the photograph's size. Masks of
        `stylekit.masks.matte` and `guided` follow hair. If it is 0 everywhere, the whole picture is
        blurred. A callable is called with the photograph.
    radius : float, optional
        Radius in pixels of the disc by which the background is blurred, at least 0; 0 returns the
        photograph. Default: 1/64 of the longer side.
    margin : int, optional
        Width in pixels, at least 0, of a margin around the subject that does not contribute to the
        blurred background. It allows for a mask that is slightly too small.
    feather : float, optional
        Radius in pixels by which the mask is softened first; see `stylekit.masks.feather`.

    Returns
    -------
    ndarray
        ``float32 [H, W, 3]`` in [0, 1], bit-identical to the photograph where the mask is 1.

    Raises
    ------
    FileError, InputError, InputTypeError
        If the picture or the mask cannot be used, their sizes differ, or a number is out of range.

    Notes
    -----
    All colours are in linear light. The photograph is ``I = a F + (1 - a) G`` with the mask a. The
    subject's colours F are estimated by `stylekit.masks.estimate_foreground`, and give the
    background ``G = (I - a F) / (1 - a)``. With the disc k and ``w = (1 - a)^8``, where a is grown
    by `margin`, the blurred background is ``B = (k * w G) / (k * w)``. It contains nothing of the
    subject. The result is ``a F + (1 - a) B``. Where the disc contains no background, B is taken
    from the nearest pixel where it does. Weights of ``1 - a``, and I instead of G, would make the
    colours of a soft edge glow on the background.
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

    Pixels outside the picture have the weight 0. Where the total weight in the disc is almost 0,
    the value is that of the nearest pixel where it is not.
    """
    kernel = _disc(min(radius, max(weight.shape)))  # a larger disc covers the whole picture, too
    weight = weight[..., np.newaxis]
    total = signal.fftconvolve(picture * weight, kernel[..., np.newaxis], "same", axes=(0, 1))
    mass = signal.fftconvolve(weight, kernel[..., np.newaxis], "same", axes=(0, 1))
    enough = mass[..., 0] > min(_FEW, mass.max() / 2)
    mean = total / np.where(enough[..., np.newaxis], mass, 1)
    nearest = ndimage.distance_transform_edt(~enough, return_distances=False, return_indices=True)
    return mean[tuple(nearest)]


def _disc(radius: float) -> np.ndarray:
    """Return a disc of sum 1, whose edge pixels are weighted by about the share it covers."""
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
