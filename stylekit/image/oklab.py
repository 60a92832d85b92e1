"""Convert between sRGB and OKLab, a colour space that is approximately perceptually uniform."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_CONES, _FROM_LAB = np.linalg.inv(_TO_CONES), np.linalg.inv(_TO_LAB)

_HALVINGS = 20  # bisection steps for the chroma; they give a relative accuracy of 1e-6
_ROUNDING = 1e-6  # linear RGB may exceed [0, 1] by this much and still be inside the gamut


def srgb_to_oklab(rgb: npt.ArrayLike) -> np.ndarray:
    """Return sRGB colours in OKLab.

    Parameters
    ----------
    rgb : array_like [..., 3]
        sRGB-encoded values in [0, 1].

    Returns
    -------
    ndarray [..., 3]
        Lightness L in [0, 1], and the channels a (green to red) and b (blue to yellow), which are
        between about -0.35 and 0.35. float64 for float64 input, else float32.

    References
    ----------
    Björn Ottosson: A perceptual color space for image processing, 2020. IEC 61966-2-1 for the
    transfer function of sRGB.
    """
    rgb = _floats(rgb)
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    return _times(np.cbrt(_times(linear, _TO_CONES)), _TO_LAB)


def oklab_to_srgb(lab: npt.ArrayLike) -> np.ndarray:
    """Return OKLab colours in sRGB. Colours outside the sRGB gamut become paler.

    Parameters
    ----------
    lab : array_like [..., 3]
        Colours as `srgb_to_oklab` returns them. Lightness outside [0, 1] is clipped.

    Returns
    -------
    ndarray [..., 3]
        sRGB-encoded values in [0, 1]. float64 for float64 input, else float32.

    Notes
    -----
    Clipping red, green and blue would change the lightness and the hue. Instead, a and b are
    multiplied by the largest factor in [0, 1] that keeps the colour inside the gamut. This keeps L
    and the hue. The factor is found by bisection.
    """
    lab = _floats(lab)
    lab = np.concatenate([np.clip(lab[..., :1], 0, 1), lab[..., 1:]], axis=-1)
    linear = _linear(lab)
    outside = ~_inside(linear)
    if outside.any():
        colors = lab[outside]
        low, high = np.zeros_like(colors[:, :1]), np.ones_like(colors[:, :1])
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            fits = _inside(_linear(_paler(colors, middle)))[:, None]
            low, high = np.where(fits, middle, low), np.where(fits, high, middle)
        linear[outside] = _linear(_paler(colors, low))
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return np.clip(encoded, 0, 1)


def _floats(values: npt.ArrayLike) -> np.ndarray:
    values = np.asarray(values)
    return values if values.dtype == np.float64 else values.astype(np.float32)


def _times(colors: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return colors @ matrix.T.astype(colors.dtype)


def _linear(lab: np.ndarray) -> np.ndarray:
    """Return OKLab colours in linear RGB. Values outside [0, 1] are outside the gamut."""
    return _times(_times(lab, _FROM_LAB) ** 3, _FROM_CONES)


def _inside(linear: np.ndarray) -> np.ndarray:
    return np.all((linear >= -_ROUNDING) & (linear <= 1 + _ROUNDING), axis=-1)


def _paler(lab: np.ndarray, share: np.ndarray) -> np.ndarray:
    return np.concatenate([lab[:, :1], share * lab[:, 1:]], axis=-1)
