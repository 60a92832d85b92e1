"""Refine masks by a guided filter or alpha matting, and estimate foreground colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from scipy import ndimage

from stylekit._checks import SetupError, choice, explain, fail, integer, number
from stylekit.image import PictureLike, as_image
from stylekit.masks.operations import mask_of

_Mean: TypeAlias = Callable[[np.ndarray], np.ndarray]

_STRIP = 64  # minimum number of rows that are filtered at a time, to save memory

_MATTING = {"cf": "estimate_alpha_cf", "knn": "estimate_alpha_knn"}
_LEAST_SIDE = 3  # side of a window of closed-form matting
_LEAST = 20  # number of neighbours of a pixel in KNN matting


def guided(
    picture: PictureLike, mask: Any, *, radius: int | None = None, epsilon: float = 1e-4
) -> np.ndarray:
    """Return a mask whose edges are aligned with the edges of the picture by a guided filter.

    In every window, the mask is fitted by a linear function of the picture's colour. The value of a
    pixel is the mean of the fits of all windows that contain it. Edges move to edges of the picture
    in the same window, and hair and fur become soft. The filter is fast and local: errors of the
    mask that are larger than `radius` remain.

    Parameters
    ----------
    picture : path, PIL image or array_like
        The guide. Must have the size of the mask.
    mask : array_like, PIL.Image.Image, path or callable
        The mask to refine; see `as_mask`. A callable is called with the picture.
    radius : int, optional
        Radius of the windows, at least 1. The windows are squares with a side of ``2 * radius + 1``
        pixels, cropped at the picture's border. Default: 1/64 of the longer side.
    epsilon : float, optional
        Ridge penalty of the fit in units of squared colour, above 0. Where differences in colour
        are much smaller than the square root of `epsilon`, the mask is blurred.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1].

    Raises
    ------
    InputError, InputTypeError
        If the picture or the mask cannot be used, their sizes differ, or a number is out of range.

    Notes
    -----
    Let I be the colours of the guide, p the mask, and E the mean over a window around a pixel. The
    fit in a window has the coefficients ``a = (Cov(I, I) + epsilon * 1)^-1 Cov(I, p)`` and
    ``b = E[p] - a . E[I]``. The result is ``E[a] . I + E[b]``, clipped to [0, 1]. The paper does
    not specify the treatment of the border. Here a mean includes only the pixels of a window that
    are in the picture, so a constant mask stays constant up to the border.

    References
    ----------
    .. [1] K. He, J. Sun, X. Tang: Guided Image Filtering. ECCV 2010; IEEE Transactions on Pattern
       Analysis and Machine Intelligence 35(6), 2013, equations 11 and 19 to 21.
    """
    image, values = _pair(picture, mask)
    radius = _reach(image, 1 / 64) if radius is None else integer(radius, "radius", low=1)
    epsilon = number(epsilon, "epsilon", low=0, open_low=True)
    result = np.empty_like(values)
    strip = max(_STRIP, 8 * radius)
    for top in range(0, len(values), strip):
        # A pixel depends on pixels up to two radii away.
        first = max(0, top - 2 * radius)
        rows = slice(first, top + strip + 2 * radius)
        filtered = _guided(image[rows].astype(np.float64), values[rows], radius, epsilon)
        result[top : top + strip] = filtered[top - first : top - first + strip]
    return result


def matte(
    picture: PictureLike, mask: Any, *, width: int | None = None, method: str = "cf"
) -> np.ndarray:
    """Return an alpha matte: a mask with the subject's share of each pixel near its edge.

    Pixels further than `width` from the edge of ``mask >= 0.5`` are assumed to be known and become
    exactly 0 or 1. The values of the other pixels are computed, down to single hairs. If a
    connected area of the mask or of its complement is nowhere deeper than `width`, its inner half
    is assumed to be known.

    Parameters
    ----------
    picture : path, PIL image or array_like
        The picture. Must have the size of the mask.
    mask : array_like, PIL.Image.Image, path or callable
        The mask of the subject; see `as_mask`. A callable is called with the picture.
    width : int, optional
        Maximum distance in pixels, at least 1, between the edge of the mask and the true edge.
        Default: 1/40 of the longer side.
    method : {"cf", "knn"}, optional
        ``"cf"``: closed-form matting, which assumes that the colours near a pixel lie on a line in
        colour space. ``"knn"``: matting by nearest neighbours in colour and position. Compared with
        ``"cf"`` it works for larger values of `width`, takes about ten times as long, and leaves
        thin lines at the border of the known pixels.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1].

    Raises
    ------
    SetupError
        If pymatting is not installed.
    InputError, InputTypeError
        If the picture or the mask cannot be used, their sizes differ, the subject or the background
        has no pixel, or the picture is smaller than 3 x 3 pixels or has fewer than 20 in total.

    Notes
    -----
    The first import of pymatting compiles functions, which takes about a minute. The compiled
    functions are cached.

    References
    ----------
    .. [1] A. Levin, D. Lischinski, Y. Weiss: A Closed-Form Solution to Natural Image Matting. IEEE
       Transactions on Pattern Analysis and Machine Intelligence 30(2), 2008.
    .. [2] Q. Chen, D. Li, C.-K. Tang: KNN Matting. CVPR 2012.
    .. [3] T. Germer, T. Uelwer, S. Conrad, S. Harmeling: PyMatting: A Python Library for Alpha
       Matting. Journal of Open Source Software 5(54), 2020.
    """
    image, values = _pair(picture, mask)
    width = _reach(image, 1 / 40) if width is None else integer(width, "width", low=1)
    choice(method, "method", _MATTING)
    inside = values >= 0.5
    for region, what in ((inside, "subject"), (~inside, "background")):
        if not region.any():
            fail(
                f"`mask` must have pixels of the {what}",
                expected="values of at least 0.5 and values below 0.5",
                received=f"values from {values.min():g} to {values.max():g}",
                argument="mask",
            )
    if min(values.shape) < _LEAST_SIDE or values.size < _LEAST:
        height, across = values.shape
        fail(
            "the picture is too small for a matte",
            expected=f"at least {_LEAST_SIDE} pixels per side and {_LEAST} in total",
            received=f"{across}x{height} pixels",
            hint="use the guided filter",
            argument="picture",
        )
    trimap = np.full(values.shape, 0.5)
    trimap[_core(inside, width)] = 1
    trimap[_core(~inside, width)] = 0
    alpha = getattr(_pymatting(), _MATTING[method])(image.astype(np.float64), trimap)
    return np.where(trimap == 0.5, np.clip(alpha, 0, 1), trimap).astype(np.float32)


def estimate_foreground(picture: PictureLike, matte: Any) -> np.ndarray:
    """Return the colours of the subject, without the background that is mixed in at its edge.

    With these colours F and the matte a, the subject can be composed with a new background B as
    ``a * F + (1 - a) * B``, without a rim in the colour of the old background.

    Parameters
    ----------
    picture : path, PIL image or array_like
        The picture of the subject.
    matte : array_like, PIL.Image.Image, path or callable
        The subject's share of each pixel, in [0, 1]. Must have the size of the picture. A callable
        is called with the picture.

    Returns
    -------
    ndarray
        ``float32 [H, W, 3]`` in [0, 1]: the picture itself where the matte is 1, and estimated
        colours of the subject elsewhere. Far from the subject the values have no meaning.

    Raises
    ------
    InputError, InputTypeError
        If the picture or the matte cannot be used, or their sizes differ.

    Notes
    -----
    The method is blur fusion. Let E be the mean over a window. The method computes
    ``F' = E[a F] / E[a]``, ``B' = E[(1 - a) B] / E[1 - a]`` and
    ``F = F' + a (I - a F' - (1 - a) B')``. It starts from ``F = B = I`` with a wide window, and
    repeats the computation with a narrow window. This implementation differs from the paper in
    three points. The wide window is used twice, which reduces the old background under a wide soft
    edge to a third. The paper's radii of 90 and 6 pixels are for pictures of about 1000 pixels.
    Here the radii are proportional to the longer side. Windows are cropped at the border.

    References
    ----------
    .. [1] M. Forte: Approximate Fast Foreground Colour Estimation. ICIP 2021, equations 4 to 7.
    """
    image, values = _pair(picture, matte, name="matte")
    alpha = values[..., np.newaxis].astype(np.float64)
    original = image.astype(np.float64)
    foreground = background = original
    for share in (0.09, 0.09, 0.006):
        mean = _box_mean(_reach(image, share), values.shape)
        foreground = _weighted(mean, foreground, alpha, original)
        background = _weighted(mean, background, 1 - alpha, original)
        left = original - alpha * foreground - (1 - alpha) * background
        foreground = np.clip(foreground + alpha * left, 0, 1)
    return np.where(alpha == 1, image, foreground).astype(np.float32)


def _guided(guide: np.ndarray, values: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """Return a mask ``[H, W]`` filtered with a guide, ``float64 [H, W, 3]``."""
    mean = _box_mean(radius, values.shape)
    mean_guide, mean_mask = mean(guide), mean(values.astype(np.float64))
    covariance = np.empty((*values.shape, 3, 3))
    for i, j in zip(*np.triu_indices(3), strict=True):
        plane = mean(guide[..., i] * guide[..., j]) - mean_guide[..., i] * mean_guide[..., j]
        covariance[..., i, j] = covariance[..., j, i] = plane
    covariance += epsilon * np.eye(3)
    cross = mean(guide * values[..., np.newaxis]) - mean_guide * mean_mask[..., np.newaxis]
    slope = np.linalg.solve(covariance, cross[..., np.newaxis])[..., 0]
    offset = mean_mask - np.sum(slope * mean_guide, axis=-1)
    result = np.sum(mean(slope) * guide, axis=-1) + mean(offset)
    return np.clip(result, 0, 1).astype(np.float32)


def _weighted(
    mean: _Mean, colors: np.ndarray, weight: np.ndarray, otherwise: np.ndarray
) -> np.ndarray:
    """Return the weighted mean of colours in each window, or `otherwise` if all weights are 0."""
    mass = mean(weight)
    found = mass > 1e-6  # smaller values are rounding errors of the running sums
    return np.where(found, mean(weight * colors) / np.where(found, mass, 1), otherwise)


def _box_mean(radius: int, shape: tuple[int, ...]) -> _Mean:
    """Return a function that averages planes over square windows, cropped at the border."""
    side = 2 * radius + 1

    def total(values: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(values, side, mode="constant", axes=(0, 1))

    covered = total(np.ones(shape))

    def mean(values: np.ndarray) -> np.ndarray:
        return total(values) / covered.reshape(shape + (1,) * (values.ndim - 2))

    return mean


def _core(region: np.ndarray, width: int) -> np.ndarray:
    """Return the pixels deeper than `width` in a region, or the inner half of a thin component."""
    depth = ndimage.distance_transform_edt(region)
    labels, count = ndimage.label(region, np.ones((3, 3)))
    deepest = np.zeros(count + 1)
    deepest[1:] = ndimage.maximum(depth, labels, np.arange(1, count + 1))
    return region & (depth > np.minimum(width, deepest / 2)[labels])


def _pair(picture: PictureLike, mask: Any, name: str = "mask") -> tuple[np.ndarray, np.ndarray]:
    image = as_image(picture)
    return image, mask_of(mask, image, name=name)


def _reach(image: np.ndarray, share: float) -> int:
    return max(1, round(share * max(image.shape[:2])))


def _pymatting() -> Any:
    try:
        import pymatting
    except ImportError as error:
        raise SetupError(
            explain(
                "pymatting is not installed",
                expected="the package that computes mattes",
                hint="install it with: pip install pymatting; or use the guided filter, which "
                "needs no additional package",
            )
        ) from error
    return pymatting
