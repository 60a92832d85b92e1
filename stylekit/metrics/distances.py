"""Values of the losses at a result, and the best trade-offs between them."""

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
    term = GramStyleLoss(style, layers=layers or None)
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
    photo, result = same_size(photo, result)
    return _value(ContentLoss(photo, layers=layers or None), result, extractor)


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
    points: np.ndarray = np.asarray(costs, np.float64)
    if points.ndim != 2:
        fail(
            "costs are wrong",
            expected="an array [N, K]",
            received=f"shape {points.shape}",
            argument="costs",
        )
    one, other = points[:, np.newaxis], points[np.newaxis]
    beats = np.all(other <= one, axis=-1) & np.any(other < one, axis=-1)
    return ~(np.any(beats, axis=1) | np.any(np.isnan(points), axis=1))


def _value(term: Loss, image: np.ndarray, extractor: FeatureExtractor) -> float:
    """Return a term's value at a picture."""
    canvas = Canvas(extractor, image.shape[:2])
    batch = ops.convert_to_tensor(as_batch(image))
    features = canvas.extract(batch, term.layers_of(extractor))
    return float(term.compute(batch, features, term.prepare(canvas))[0])
