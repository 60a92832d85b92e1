"""How near the details of a result are to the style's, and its structure to the photograph's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from stylekit._checks import InputTypeError, explain
from stylekit.features import FeatureExtractor
from stylekit.functional import EPSILON
from stylekit.image import PictureLike, as_image
from stylekit.losses.base import layer_tuple
from stylekit.losses.hypercolumns import nearest_neighbors
from stylekit.metrics._pictures import check_side, same_size

_LAYERS = ("block2_conv1", "block3_conv1", "block4_conv1")

# Most cells a side: all pairs of cells are compared, so the cost is the fourth power.
_NEIGHBOR_CELLS = 48
_SIMILARITY_CELLS = 32


def style_nearness(
    style: PictureLike,
    result: PictureLike,
    *,
    extractor: FeatureExtractor,
    layers: Sequence[str] | None = None,
) -> float:
    """Measure how far the details of a result are from the nearest details of a style.

    Parameters
    ----------
    style : path, PIL image or array_like
        It is resized to the result's longer side, so that strokes are compared at their size.
    result : path, PIL image or array_like
    extractor : FeatureExtractor
        The network that judges.
    layers : sequence of str, optional
        Default: conv2_1, conv3_1 and conv4_1, each as much as any other.

    Returns
    -------
    float
        The mean over layers of ``mean_p min_q (1 - cos(r_p, s_q))``, with r_p the features of the
        result's cells and s_q those of the style's, each less the mean of its picture. In [0, 2];
        0 for the style itself. Divide it by the value of the photograph: 1 is no nearer than that.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture cannot be used or is too small, or the extractor has no such layer.

    See Also
    --------
    style_coverage : The same from the style to the result.

    Notes
    -----
    The distance is the one by which Kolkin, Kucera, Paris, Sykora, Shechtman and Shakhnarovich
    match features in *Neural Neighbor Style Transfer*, 2022, section 3.2. Nearness and coverage are
    the two terms of a relaxed earth mover's distance, the style loss of Kolkin, Salavon and
    Shakhnarovich 2019, who do not centre the features. Feature maps are resized to at most 48 cells
    a side, bilinearly. A result that repeats one patch of the style scores well, so measure the
    coverage, too.
    """
    return _mean_nearest(*_style_and_result(style, result, extractor, layers)[::-1])


def style_coverage(
    style: PictureLike,
    result: PictureLike,
    *,
    extractor: FeatureExtractor,
    layers: Sequence[str] | None = None,
) -> float:
    """Measure how far the details of a style are from the nearest details of a result.

    Parameters
    ----------
    style, result : path, PIL image or array_like
    extractor : FeatureExtractor
    layers : sequence of str, optional
        As in `style_nearness`.

    Returns
    -------
    float
        The mean over layers of ``mean_q min_p (1 - cos(r_p, s_q))``, with the features r_p and s_q
        of `style_nearness`. In [0, 2]; 0 for the style itself. It is large where the result has
        only some of what the style has. Divide it by the value of the photograph.

    Raises
    ------
    FileError, InputError, InputTypeError
        As `style_nearness`.

    See Also
    --------
    style_nearness : The same from the result to the style, with the sources.
    """
    return _mean_nearest(*_style_and_result(style, result, extractor, layers))


def self_similarity_distance(
    photo: PictureLike,
    result: PictureLike,
    *,
    extractor: FeatureExtractor,
    layers: Sequence[str] | None = None,
) -> float:
    """Measure how much the structure of a result differs from its photograph's.

    Places that were alike should still be alike, whatever they look like now.

    Parameters
    ----------
    photo, result : path, PIL image or array_like
        Two pictures of one size.
    extractor : FeatureExtractor
        The network that judges.
    layers : sequence of str, optional
        Default: conv2_1, conv3_1 and conv4_1, each as much as any other.

    Returns
    -------
    float
        The mean over layers of ``sum_ij |A_ij - B_ij| / N`` over the N cells of a layer. A holds
        the cosine distances between the features of the photograph's cells, each column divided by
        its sum, and B those of the result's. In [0, 2]; 0 for the photograph itself.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture cannot be used or is too small, their sizes differ, or the extractor has no
        such layer.

    Notes
    -----
    Kolkin, Salavon, Shakhnarovich: *Style Transfer by Relaxed Optimal Transport and
    Self-Similarity* (STROTSS), 2019, the content loss. They divide by ``N^2``; a column sums to 1,
    so dividing by N makes the value independent of the number of cells. They compare a random
    sample of hypercolumns; here all cells of each layer are compared. Feature maps are reduced to
    at most 32 cells a side, by the means over areas.
    """
    photo, result = same_size(photo, result)
    cells = [
        _cells(picture, name, extractor, layers, _area_means)
        for name, picture in (("photo", photo), ("result", result))
    ]
    differences = [
        np.abs(_similarities(one) - _similarities(other)).sum() / len(one)
        for one, other in zip(*cells, strict=True)
    ]
    return float(np.mean(differences))


def _style_and_result(style, result, extractor, layers) -> tuple[list[Any], list[Any]]:
    """Return the cells of a style, brought to the result's size, and those of the result."""
    result = as_image(result, "result")
    style = as_image(style, "style", max(result.shape[:2]))
    return (
        _cells(style, "style", extractor, layers, _interpolated),
        _cells(result, "result", extractor, layers, _interpolated),
    )


def _mean_nearest(queries: list[Any], keys: list[Any]) -> float:
    """Return the mean distance to the nearest key, and of that the mean over layers."""
    distances = [nearest_neighbors(q, k)[1] for q, k in zip(queries, keys, strict=True)]
    # Rounding leaves the distance of a cell to itself a little below 0.
    return max(0.0, float(np.mean([ops.mean(each) for each in distances])))


def _cells(
    picture: np.ndarray,
    name: str,
    extractor: FeatureExtractor,
    layers: Sequence[str] | None,
    reduced: Callable,
) -> list[Any]:
    """Return the features of a picture's cells, ``[N, C]``, by layer."""
    if not isinstance(extractor, FeatureExtractor):
        raise InputTypeError(
            explain(
                "extractor is not a feature extractor",
                expected="an object such as stylekit.VGG19()",
                received=type(extractor).__name__,
            ),
            argument="extractor",
        )
    names = [
        extractor.resolve(layer) for layer in layer_tuple(_LAYERS if layers is None else layers)
    ]
    for layer in names:
        check_side(picture, name, extractor.smallest_size(layer), f"layer {layer}")
    maps = extractor.network(names)(ops.convert_to_tensor(picture[np.newaxis]))
    return [reduced(maps[layer]) for layer in names]


def _interpolated(feature):
    """Return the cells of a feature map of at most `_NEIGHBOR_CELLS` a side, ``[N, C]``."""
    shape = _limited(feature, _NEIGHBOR_CELLS)
    feature = ops.image.resize(feature, shape, data_format="channels_last")
    return ops.reshape(feature, (-1, feature.shape[-1]))


def _area_means(feature) -> np.ndarray:
    """Return the means of a feature map over at most `_SIMILARITY_CELLS` areas a side, ``[N, C]``.

    An area that ends within a cell takes a share of that cell.
    """
    height, width = (
        _overlaps(own, wanted)
        for own, wanted in zip(
            feature.shape[1:3], _limited(feature, _SIMILARITY_CELLS), strict=True
        )
    )
    # In float64: the distances of alike cells are differences of nearly equal numbers.
    values = np.float64(ops.convert_to_numpy(feature)[0])
    means = np.einsum("iy,jx,yxc->ijc", height, width, values, optimize=True)
    return means.reshape(-1, means.shape[-1])


def _limited(feature, cells: int) -> tuple[int, int]:
    height, width = feature.shape[1:3]
    return min(height, cells), min(width, cells)


def _overlaps(cells: int, areas: int) -> np.ndarray:
    """Return the share of each cell in the mean over each area, ``[areas, cells]``."""
    edges = np.linspace(0, cells, areas + 1)[:, np.newaxis]
    ends = np.minimum(edges[1:], np.arange(1, cells + 1))
    starts = np.maximum(edges[:-1], np.arange(cells))
    return np.maximum(ends - starts, 0) * areas / cells


def _similarities(cells: np.ndarray) -> np.ndarray:
    """Return the cosine distances of all pairs of cells; each column sums to 1, or is zero."""
    lengths = np.linalg.norm(cells, axis=1, keepdims=True)
    directions = cells / np.maximum(lengths, EPSILON)
    distances = np.maximum(1 - directions @ directions.T, 0)
    return distances / np.maximum(distances.sum(axis=0), EPSILON)
