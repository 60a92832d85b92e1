"""The sliced Wasserstein distance between the distributions of the features of two pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from keras import ops

from stylekit._checks import integer
from stylekit.features import FeatureExtractor
from stylekit.functional import EPSILON
from stylekit.image import PictureLike, as_image
from stylekit.metrics._pictures import cells_of

_CELLS = (
    128  # Maximum number of cells per side. More cells are slower and give the same distribution.
)


def sliced_wasserstein_distance(
    style: PictureLike,
    result: PictureLike,
    *,
    extractor: FeatureExtractor,
    layers: Sequence[str] | None = None,
    directions: int = 64,
    seed: int = 0,
) -> float:
    """Return the sliced Wasserstein distance between the features of a result and of a style.

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
    directions : int
        Number of random directions onto which the features of a layer are projected, at least 1.
    seed : int
        Seed of the directions, at least 0. The same seed gives the same value.

    Returns
    -------
    float
        The mean over layers of ``mean_v W(R v, S v) / mean_v,q (s_q . v)^2`` over the directions v.
        R v are the projections of the result's features, and S v the projections of the style's
        features s_q. W is the squared 2-Wasserstein distance of two sets of numbers, which is the
        mean squared difference of their quantiles. The value is at least 0, 0 for the style itself,
        and 1 for features that are all 0.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture is invalid or too small, the extractor lacks a layer, or a number is out of
        range.

    Notes
    -----
    The distance is from Heitz, Vanhoey, Chambon, Belcour: *A Sliced Wasserstein Loss for Neural
    Texture Synthesis*, CVPR 2021. The paper does not divide by the style's mean square, and uses as
    many directions as a layer has channels. Here sets of different sizes are compared exactly,
    because their quantile functions are step functions. At most 128 cells per side of a feature map
    are used, evenly spaced.

    In contrast to the Gram distance, this metric compares whole distributions and not only their
    second moments. Like the Gram distance, it does not depend on positions. The value varies by a
    few percent with the seed.
    """
    directions = integer(directions, "directions", low=1)
    seed = integer(seed, "seed", low=0)
    result = as_image(result, "result")
    style = as_image(style, "style", max(result.shape[:2]))
    sets = (
        cells_of(picture, name, extractor, layers, _sampled)
        for picture, name in ((result, "result"), (style, "style"))
    )
    return float(
        np.mean([_sliced(one, other, directions, seed) for one, other in zip(*sets, strict=True)])
    )


def _sampled(feature) -> np.ndarray:
    """Return evenly spaced cells ``[N, C]`` of a feature map, at most `_CELLS` per side."""
    rows, columns = (
        np.arange(count) * cells // count
        for cells, count in ((cells, min(cells, _CELLS)) for cells in feature.shape[1:3])
    )
    sampled = ops.convert_to_numpy(feature)[0, rows[:, np.newaxis], columns]
    return sampled.reshape(-1, feature.shape[-1])


def _sliced(one: np.ndarray, other: np.ndarray, directions: int, seed: int) -> float:
    """Return the distance of two sets of cells, relative to the mean square of `other`."""
    vectors = np.random.default_rng(seed).standard_normal((directions, one.shape[1]))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    width, first, second = _common_steps(len(one), len(other))
    distance = square = 0.0
    for vector in vectors.astype(one.dtype):
        a, b = np.sort(one @ vector), np.sort(other @ vector)
        distance += np.square(a[first] - b[second]) @ width
        square += np.square(b).mean(dtype=np.float64)
    return distance / max(square, EPSILON)


def _common_steps(one: int, other: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the intervals on which the quantile functions of two sets of numbers are constant.

    Parameters
    ----------
    one, other : int
        The sizes of the sets.

    Returns
    -------
    width : ndarray of float64
        The lengths of the intervals, which sum to 1.
    first, second : ndarray of int
        For each interval, the index into the sorted numbers of each set.
    """
    edges = np.union1d(np.arange(one + 1) * other, np.arange(other + 1) * one)  # times one * other
    starts = edges[:-1]
    return np.diff(edges) / (one * other), starts // other, starts // one
