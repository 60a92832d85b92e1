"""Metrics that are values of losses, and the Pareto front of several costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from stylekit._checks import fail
from stylekit.features import FeatureExtractor
from stylekit.image import PictureLike, as_batch, as_image
from stylekit.losses import Canvas, ContentLoss, GramStyleLoss, Loss
from stylekit.metrics._pictures import same_size


def style_distance(
    style: PictureLike,
    result: PictureLike,
    *,
    extractor: FeatureExtractor,
    layers: Sequence[str] | None = None,
) -> float:
    """Return the distance of a result from a style: the value of `GramStyleLoss`.

    It does not depend on the losses or the settings that produced the result.

    Parameters
    ----------
    style : path, PIL image or array_like
        The style. It is resized to the longer side of the result, so that strokes are compared at
        the same scale.
    result : path, PIL image or array_like
    extractor : FeatureExtractor
        The network whose features are compared.
    layers : sequence of str, optional
        Layers whose features are compared, with equal weights. Default: the extractor's
        `style_layers`.

    Returns
    -------
    float
        The mean over layers of ``|G - A|^2 / |A|^2`` with the Gram matrices G of the result and A
        of the style. The value is at least 0, and 0 for the style itself.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture is invalid or too small, or the extractor lacks a layer.
    """
    result = as_image(result, "result")
    style = as_image(style, "style", max(result.shape[:2]))
    term = GramStyleLoss(style, layers=layers or None)
    return _value(term, result, extractor)


def content_distance(
    photo: PictureLike,
    result: PictureLike,
    *,
    extractor: FeatureExtractor,
    layers: Sequence[str] | None = None,
) -> float:
    """Return the distance of a result from its photograph: the value of `ContentLoss`.

    It does not depend on the losses or the settings that produced the result.

    Parameters
    ----------
    photo, result : path, PIL image or array_like
        Two pictures of the same size.
    extractor : FeatureExtractor
        The network whose features are compared.
    layers : sequence of str, optional
        Layers whose features are compared, with equal weights. Default: the extractor's
        `content_layers`.

    Returns
    -------
    float
        The mean over layers of ``mean (F - P)^2 / mean P^2`` with the features F of the result and
        P of the photograph. The value is at least 0, and 0 for the photograph itself.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture is invalid or too small, the sizes differ, or the extractor lacks a layer.
    """
    photo, result = same_size(photo, result)
    return _value(ContentLoss(photo, layers=layers or None), result, extractor)


def pareto_front(costs: ArrayLike) -> np.ndarray:
    """Return which points are on the Pareto front, the set of best trade-offs between costs.

    Parameters
    ----------
    costs : array_like [N, K]
        K costs of N points. Lower costs are better. A point with a NaN is not on the front and does
        not dominate other points.

    Returns
    -------
    ndarray of bool [N]
        True for points that no other point dominates. A point dominates another point if none of
        its costs is higher and at least one cost is lower.

    Examples
    --------
    >>> pareto_front([[1, 3], [2, 2], [3, 3], [3, 1]])
    array([ True,  True, False,  True])
    """
    points: np.ndarray = np.asarray(costs, np.float64)
    if points.ndim != 2:
        fail(
            "`costs` must have two dimensions",
            expected="an array [N, K]",
            received=f"shape {points.shape}",
            argument="costs",
        )
    one, other = points[:, np.newaxis], points[np.newaxis]
    beats = np.all(other <= one, axis=-1) & np.any(other < one, axis=-1)
    return ~(np.any(beats, axis=1) | np.any(np.isnan(points), axis=1))


def _value(term: Loss, image: np.ndarray, extractor: FeatureExtractor) -> float:
    """Return the value of a loss at an image ``[H, W, 3]``."""
    canvas = Canvas(extractor, image.shape[:2])
    batch = ops.convert_to_tensor(as_batch(image))
    features = canvas.extract(batch, term.layers_of(extractor))
    return float(term.compute(batch, features, term.prepare(canvas))[0])
