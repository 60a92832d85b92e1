"""Numbers that judge a result: seams along a mask and leaks beyond it, style against content."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from stylekit._checks import fail
from stylekit.features import FeatureExtractor
from stylekit.image import PictureLike, as_batch, as_image
from stylekit.losses import Canvas, ContentLoss, GramStyleLoss, Loss
from stylekit.masks.operations import mask_of


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
    photo, result = _pictures(photo, result)
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
    photo, result = _pictures(photo, result)
    outside = mask_of(mask, photo, allow_empty=True) == 0
    if not outside.any():
        return 0.0
    return float(np.abs(result - photo)[outside].mean(dtype=np.float64))


def _pictures(photo: PictureLike, result: PictureLike) -> tuple[np.ndarray, np.ndarray]:
    photo, result = as_image(photo, "photo"), as_image(result, "result")
    if result.shape != photo.shape:
        fail(
            "result has another size than photo",
            expected=f"shape {photo.shape}",
            received=f"shape {result.shape}",
            hint="use stylekit.image.resize",
        )
    return photo, result


def _lengths(picture: np.ndarray, axis: int) -> np.ndarray:
    """Return the lengths of the steps between neighbours along an axis."""
    return np.linalg.norm(np.diff(picture.astype(np.float64), axis=axis), axis=-1)


def style_distance(
    style: PictureLike,
    result: PictureLike,
    *,
    extractor: FeatureExtractor,
    layers: Sequence[str] | None = None,
) -> float:
    """Measure how far a result is from a style, whatever it was made with.

    Parameters
    ----------
    style : path, PIL image or array_like
        It is brought to the result's longer side, so that strokes are compared at their size.
    result : path, PIL image or array_like
    extractor : FeatureExtractor
        The network that judges.
    layers : sequence of str, optional
        Default: the extractor's `style_layers`, each as much as any other.

    Returns
    -------
    float
        `GramStyleLoss`: the mean over layers of ``|G - A|^2 / |A|^2``, 0 for the style itself.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture cannot be used or is too small, or there is no such layer.
    """
    result = as_image(result, "result")
    style = as_image(style, "style", max(result.shape[:2]))
    term = GramStyleLoss(style, layers=layers or extractor.style_layers)
    return _value(term, result, extractor)


def content_distance(
    photo: PictureLike,
    result: PictureLike,
    *,
    extractor: FeatureExtractor,
    layers: Sequence[str] | None = None,
) -> float:
    """Measure how far a result is from its photograph's content, whatever it was made with.

    Parameters
    ----------
    photo, result : path, PIL image or array_like
        Two pictures of one size.
    extractor : FeatureExtractor
        The network that judges.
    layers : sequence of str, optional
        Default: the extractor's `content_layers`, each as much as any other.

    Returns
    -------
    float
        `ContentLoss`: the mean over layers of ``mean (F - P)^2 / mean P^2``, 0 for the photograph.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture cannot be used or is too small, their sizes differ, or there is no such layer.
    """
    photo, result = _pictures(photo, result)
    return _value(ContentLoss(photo, layers=layers or extractor.content_layers), result, extractor)


def pareto_front(costs: ArrayLike) -> np.ndarray:
    """Find the points that no other beats: the best trade-offs.

    Parameters
    ----------
    costs : array_like [N, K]
        K costs of each of N points, the lower the better. A point with a NaN is not on the front,
        and beats none.

    Returns
    -------
    ndarray of bool [N]
        Where no other point is as low in every cost and lower in one.

    Examples
    --------
    >>> pareto_front([[1, 3], [2, 2], [3, 3], [3, 1]])
    array([ True,  True, False,  True])
    """
    costs = np.asarray(costs, np.float64)
    if costs.ndim != 2:
        fail("costs are wrong", expected="an array [N, K]", received=f"shape {costs.shape}")
    one, other = costs[:, np.newaxis], costs[np.newaxis]
    beaten = ((other <= one).all(axis=-1) & (other < one).any(axis=-1)).any(axis=1)
    return ~beaten & ~np.isnan(costs).any(axis=1)


def _value(term: Loss, image: np.ndarray, extractor: FeatureExtractor) -> float:
    """Return a term's value at a picture."""
    canvas = Canvas(extractor, image.shape[:2])
    batch = ops.convert_to_tensor(as_batch(image))
    features = canvas.extract(batch, term.layers)
    return float(term.compute(batch, features, term.prepare(canvas))[0])
