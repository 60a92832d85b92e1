"""Edges that follow the picture: the guided filter, mattes, and a subject's own colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from scipy import ndimage

from stylekit._checks import SetupError, choice, explain, fail, integer, number
from stylekit.image import PictureLike, as_image
from stylekit.masks.operations import mask_of

_Mean: TypeAlias = Callable[[np.ndarray], np.ndarray]

_STRIP = 64  # rows filtered at a time, or more for a large radius: to save memory

_MATTING = {"cf": "estimate_alpha_cf", "knn": "estimate_alpha_knn"}
_LEAST_SIDE = 3  # windows of closed-form matting
_LEAST = 20  # neighbours of a pixel in KNN matting


def guided(
    picture: PictureLike, mask: Any, *, radius: int | None = None, epsilon: float = 1e-4
) -> np.ndarray:
    """Let the edges of a mask follow those of the picture: the guided filter.

    In every window the mask is fitted by a linear function of the picture's colour, and each pixel
    takes the mean of the fits of the windows that hold it. Edges within a window's reach move to
    the picture's; hair and fur become soft. It is quick, and it knows no more than what is near: a
    mask that is wrong by more than `radius` stays wrong.

    Parameters
    ----------
    picture : path, PIL image or array_like
        The guide, of the mask's size.
    mask : array_like, PIL.Image.Image, path or callable
        What is to be refined, as `as_mask` takes it; a callable is given the picture.
    radius : int, optional
        The windows are squares of side ``2 * radius + 1`` pixels, cut off at the picture's border.
        Default: a 64th of the longer side, at least 1.
    epsilon : float, optional
        The ridge penalty, in units of squared colour: differences in colour well below its root
        count as flat, and the mask is blurred there.

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
    With the guide's colours I and the mask p, means over the window w around a pixel (E) give
    ``a = (Cov(I, I) + epsilon * 1)^-1 Cov(I, p)`` and ``b = E[p] - a . E[I]``, and the result is
    ``E[a] . I + E[b]``. The paper leaves the border open; here every mean is over the pixels that
    a window shares with the picture, so that a constant mask stays constant up to the border. The
    result is clipped to [0, 1].

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
        # A pixel depends on what two windows reach.
        first = max(0, top - 2 * radius)
        rows = slice(first, top + strip + 2 * radius)
        filtered = _guided(image[rows].astype(np.float64), values[rows], radius, epsilon)
        result[top : top + strip] = filtered[top - first : top - first + strip]
    return result


def matte(
    picture: PictureLike, mask: Any, *, width: int | None = None, method: str = "cf"
) -> np.ndarray:
    """Estimate how much of each pixel near a mask's edge belongs to the subject: a matte.

    Pixels further than `width` from the edge of ``mask >= 0.5`` are held to be known and become
    exactly 0 or 1; those between are solved for, so that single hairs are found. A component of
    the mask, or of what is around it, that is nowhere deeper than `width` keeps its inner half.

    Parameters
    ----------
    picture : path, PIL image or array_like
        Where the mask lies, of its size.
    mask : array_like, PIL.Image.Image, path or callable
        The subject, as `as_mask` takes it; a callable is given the picture.
    width : int, optional
        The distance in pixels within which the mask may be wrong. Default: a 40th of the longer
        side, at least 1.
    method : {"cf", "knn"}, optional
        Closed-form matting, in which colours near a pixel lie on a line, or matting among nearest
        neighbours in colour and place: that bridges wider bands, takes about ten times as long, and
        leaves thin lines where the known pixels begin.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1].

    Raises
    ------
    SetupError
        If pymatting is not installed.
    InputError, InputTypeError
        If the picture or the mask cannot be used, their sizes differ, one of subject and
        background has no pixel, or the picture is smaller than 3 x 3 or than 20 pixels.

    Notes
    -----
    The first import of pymatting compiles its loops and takes about a minute; after that they come
    from its cache.

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
                f"mask leaves no {what}",
                expected="pixels of at least 0.5 and pixels below",
                received=f"values from {values.min():g} to {values.max():g}",
                argument="mask",
            )
    if min(values.shape) < _LEAST_SIDE or values.size < _LEAST:
        height, across = values.shape
        fail(
            "picture is too small for a matte",
            expected=f"at least {_LEAST_SIDE} pixels a side, and {_LEAST} in all",
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
    """Estimate the subject's own colours, without the background that shines through its edge.

    With them a matte puts the subject on a new background, ``a * F + (1 - a) * B``, without a rim
    in the colour of the old one.

    Parameters
    ----------
    picture : path, PIL image or array_like
        What the subject is taken from.
    matte : array_like, PIL.Image.Image, path or callable
        The subject's share of each pixel, of the picture's size; a callable is given the picture.

    Returns
    -------
    ndarray
        ``float32 [H, W, 3]`` in [0, 1]: the picture itself where the matte is 1, the colours of
        the subject nearby where it is less. Far from the subject the values mean nothing.

    Raises
    ------
    InputError, InputTypeError
        If the picture or the matte cannot be used, or their sizes differ.

    Notes
    -----
    Blur fusion: with means over a window (E), ``F' = E[a F] / E[a]``, ``B' = E[(1 - a) B] / E[1 -
    a]`` and ``F = F' + a (I - a F' - (1 - a) B')``, first from ``F = B = I`` with a wide window,
    then again with a narrow one. We depart in three things: the wide window is used twice, which
    leaves a third of the old background under a wide soft edge; the paper's radii, 90 and 6 pixels,
    are for pictures of about 1000 pixels, and here follow the longer side; windows are cut off at
    the border.

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
    """Return the guided filter of a mask [H, W] by a guide, ``float64 [H, W, 3]``."""
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
    """Return the weighted mean of colours in each window, and `otherwise` where no weight is."""
    mass = mean(weight)
    found = mass > 1e-6  # below is the rounding of the running sums
    return np.where(found, mean(weight * colors) / np.where(found, mass, 1), otherwise)


def _box_mean(radius: int, shape: tuple[int, ...]) -> _Mean:
    """Return the function that averages planes over square windows cut off at the border."""
    side = 2 * radius + 1

    def total(values: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(values, side, mode="constant", axes=(0, 1))

    covered = total(np.ones(shape))

    def mean(values: np.ndarray) -> np.ndarray:
        return total(values) / covered.reshape(shape + (1,) * (values.ndim - 2))

    return mean


def _core(region: np.ndarray, width: int) -> np.ndarray:
    """Return what is deeper than `width` in a region, or in the deeper half of a thin component."""
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
                expected="the package that solves for mattes",
                hint="install it with: pip install pymatting; or use the guided filter, which "
                "needs no extra",
            )
        ) from error
    return pymatting
