"""Metrics that compare cells of feature maps: nearest neighbours and self-similarity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from keras import ops
from scipy.special import log_softmax

from stylekit.features import FeatureExtractor
from stylekit.functional import EPSILON
from stylekit.image import PictureLike, as_image
from stylekit.losses.hypercolumns import nearest_neighbors
from stylekit.metrics._pictures import cells_of, same_size

NEIGHBOR_LAYERS = ("block2_conv1", "block3_conv1", "block4_conv1")
STRUCTURE_LAYERS = ("block3_conv1",)

# Maximum number of cells per side. All pairs of cells are compared, so the time grows with the
# fourth power of this number.
_NEIGHBOR_CELLS = 48
_SIMILARITY_CELLS = 32


def style_nearness(
    style: PictureLike,
    result: PictureLike,
    *,
    extractor: FeatureExtractor,
    layers: Sequence[str] | None = None,
) -> float:
    """Return the mean distance of a result's cells from the nearest cells of a style.

    Parameters
    ----------
    style : path, PIL image or array_like
        The style. It is resized to the longer side of the result, so that strokes are compared at
        the same scale.
    result : path, PIL image or array_like
    extractor : FeatureExtractor
        The network whose features are compared.
    layers : sequence of str, optional
        Default: conv2_1, conv3_1 and conv4_1, with equal weights.

    Returns
    -------
    float
        The mean over layers of ``mean_p min_q (1 - cos(r_p, s_q))``, where r_p are the features of
        the result's cells and s_q the features of the style's cells. The mean over the picture is
        subtracted from the features. The value is in [0, 2], and 0 for the style itself. Divide the
        value by the value of the photograph. A quotient of 1 means that the result is not closer to
        the style than the photograph.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture is invalid or too small, or the extractor lacks a layer.

    See Also
    --------
    style_coverage : The distance of the style's cells from the result's cells.

    Notes
    -----
    The distance was introduced by Kolkin, Kucera, Paris, Sykora, Shechtman, Shakhnarovich: *Neural
    Neighbor Style Transfer*, 2022, section 3.2. Nearness and coverage are the two terms of the
    relaxed earth mover's distance. This is the style loss of Kolkin, Salavon and Shakhnarovich
    2019, but they do not centre the features. Feature maps are resized bilinearly to at most 48
    cells per side. A result that repeats one patch of the style has a low nearness, so also use
    `style_coverage`.
    """
    return _mean_nearest(*_style_and_result(style, result, extractor, layers)[::-1])


def style_coverage(
    style: PictureLike,
    result: PictureLike,
    *,
    extractor: FeatureExtractor,
    layers: Sequence[str] | None = None,
) -> float:
    """Return the mean distance of a style's cells from the nearest cells of a result.

    Parameters
    ----------
    style, result : path, PIL image or array_like
    extractor : FeatureExtractor
    layers : sequence of str, optional
        See `style_nearness`.

    Returns
    -------
    float
        The mean over layers of ``mean_q min_p (1 - cos(r_p, s_q))``, with the features r_p and s_q
        of `style_nearness`. The value is in [0, 2], and 0 for the style itself. It is large if
        details of the style are missing in the result. Divide the value by the value of the
        photograph.

    Raises
    ------
    FileError, InputError, InputTypeError
        See `style_nearness`.

    See Also
    --------
    style_nearness : The distance of the result's cells from the style's cells. Has the references.
    """
    return _mean_nearest(*_style_and_result(style, result, extractor, layers))


def self_similarity_distance(
    photo: PictureLike,
    result: PictureLike,
    *,
    extractor: FeatureExtractor,
    layers: Sequence[str] | None = None,
) -> float:
    """Return the difference between the self-similarities of a result and its photograph.

    The metric measures whether places that are similar to each other in the photograph are also
    similar to each other in the result. It does not depend on what these places look like.

    Parameters
    ----------
    photo, result : path, PIL image or array_like
        Two pictures of the same size.
    extractor : FeatureExtractor
        The network whose features are compared.
    layers : sequence of str, optional
        Default: conv2_1, conv3_1 and conv4_1, with equal weights.

    Returns
    -------
    float
        The mean over layers of ``sum_ij |A_ij - B_ij| / N`` over the N cells of a layer. A contains
        the cosine distances between the features of the photograph's cells, with each column
        divided by its sum. B contains the same distances for the result. The value is in [0, 2],
        and 0 for the photograph itself.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture cannot be used or is too small, their sizes differ, or the extractor has no
        such layer.

    Notes
    -----
    The metric is the content loss of Kolkin, Salavon, Shakhnarovich: *Style Transfer by Relaxed
    Optimal Transport and Self-Similarity* (STROTSS), 2019, with two differences. The paper divides
    by ``N^2``. Here the sum is divided by N, which makes the value independent of the number of
    cells, because each column sums to 1. The paper compares a random sample of hypercolumns. Here
    all cells of each layer are compared. Feature maps are reduced to at most 32 cells per side by
    means over areas.
    """
    differences = [
        np.abs(_similarities(one) - _similarities(other)).sum() / len(one)
        for one, other in _areas(
            photo, result, extractor, NEIGHBOR_LAYERS if layers is None else layers
        )
    ]
    return float(np.mean(differences))


def cfsd(
    photo: PictureLike,
    result: PictureLike,
    *,
    extractor: FeatureExtractor,
    layers: Sequence[str] | None = None,
) -> float:
    """Return the content feature structural distance (CFSD) of a result from its photograph.

    For each place, the metric compares the distribution of the similarities between this place and
    all places. In contrast to `self_similarity_distance`, similar places and strong features have
    the largest influence.

    Parameters
    ----------
    photo, result : path, PIL image or array_like
        Two pictures of the same size.
    extractor : FeatureExtractor
        The network whose features are compared.
    layers : sequence of str, optional
        Default: conv3_1.

    Returns
    -------
    float
        The mean over layers and cells i of the divergence ``KL(P_i || R_i)`` in nats. Here
        ``R_i = softmax_j(r_i . r_j / mean_k |r_k|^2)``, where r_i are the features of the result's
        cells. P_i is the same for the photograph. The value is at least 0, and 0 for the photograph
        itself.

    Raises
    ------
    FileError, InputError, InputTypeError
        See `self_similarity_distance`.

    Notes
    -----
    The metric is from Chung, Hyun, Heo: *Style Injection in Diffusion* (StyleID), CVPR 2024. The
    values in the paper are not comparable to the values of this function. The authors' program
    divides by ``C^2`` for C channels instead of the mean square. This suits the features of
    torchvision's VGG19. The features of Keras's VGG19 are so much larger that each cell would be
    similar only to itself. The program also sums over the cells instead of averaging: 16384 cells
    for a picture of 512 pixels. Here feature maps are reduced to at most 32 cells per side by means
    over areas.
    """
    layers = STRUCTURE_LAYERS if layers is None else layers
    divergences = []
    for cells in _areas(photo, result, extractor, layers):
        expected, found = map(_log_affinities, cells)
        divergences.append((np.exp(expected) * (expected - found)).sum(axis=1).mean())
    return max(0.0, float(np.mean(divergences)))  # rounding errors can make the mean negative


def _style_and_result(style, result, extractor, layers) -> tuple[list[Any], list[Any]]:
    """Return the cells of a style and of a result. The style gets the result's longer side."""
    result = as_image(result, "result")
    style = as_image(style, "style", max(result.shape[:2]))
    layers = NEIGHBOR_LAYERS if layers is None else layers
    return (
        cells_of(style, "style", extractor, layers, _interpolated),
        cells_of(result, "result", extractor, layers, _interpolated),
    )


def _areas(photo, result, extractor, layers) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Return for each layer the area means of the photograph and of the result."""
    photo, result = same_size(photo, result)
    return zip(
        cells_of(photo, "photo", extractor, layers, _area_means),
        cells_of(result, "result", extractor, layers, _area_means),
        strict=True,
    )


def _mean_nearest(queries: list[Any], keys: list[Any]) -> float:
    """Return the mean over layers of the mean distance of the queries from their nearest keys."""
    distances = [nearest_neighbors(q, k)[1] for q, k in zip(queries, keys, strict=True)]
    # Rounding can make the distance of a cell from itself negative.
    return max(0.0, float(np.mean([ops.mean(each) for each in distances])))


def _interpolated(feature):
    """Return the cells ``[N, C]`` of a feature map, resized to at most `_NEIGHBOR_CELLS` a side."""
    shape = _limited(feature, _NEIGHBOR_CELLS)
    feature = ops.image.resize(feature, shape, data_format="channels_last")
    return ops.reshape(feature, (-1, feature.shape[-1]))


def _area_means(feature) -> np.ndarray:
    """Return the means ``[N, C]`` of a feature map over `_SIMILARITY_CELLS` areas per side or less.

    A cell that an area covers only partly is weighted by the covered share.
    """
    height, width = (
        _overlaps(own, wanted)
        for own, wanted in zip(
            feature.shape[1:3], _limited(feature, _SIMILARITY_CELLS), strict=True
        )
    )
    # Computed in float64, because distances of similar cells are differences of nearly equal
    # numbers.
    values = np.float64(ops.convert_to_numpy(feature)[0])
    means = np.einsum("iy,jx,yxc->ijc", height, width, values, optimize=True)
    return means.reshape(-1, means.shape[-1])


def _limited(feature, cells: int) -> tuple[int, int]:
    height, width = feature.shape[1:3]
    return min(height, cells), min(width, cells)


def _overlaps(cells: int, areas: int) -> np.ndarray:
    """Return the weight of each cell in the mean over each area, ``[areas, cells]``."""
    edges = np.linspace(0, cells, areas + 1)[:, np.newaxis]
    ends = np.minimum(edges[1:], np.arange(1, cells + 1))
    starts = np.maximum(edges[:-1], np.arange(cells))
    return np.maximum(ends - starts, 0) * areas / cells


def _similarities(cells: np.ndarray) -> np.ndarray:
    """Return the cosine distances of all pairs of cells; each column sums to 1 or is 0."""
    lengths = np.linalg.norm(cells, axis=1, keepdims=True)
    directions = cells / np.maximum(lengths, EPSILON)
    distances = np.maximum(1 - directions @ directions.T, 0)
    return distances / np.maximum(distances.sum(axis=0), EPSILON)


def _log_affinities(cells: np.ndarray) -> np.ndarray:
    """Return ``log softmax_j(c_i . c_j / mean_k |c_k|^2)`` of cells ``[N, C]``, as ``[N, N]``."""
    scale = max(np.square(cells).sum(axis=1).mean(), EPSILON)
    return log_softmax(cells @ cells.T / scale, axis=1)
