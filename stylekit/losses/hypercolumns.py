"""Hypercolumns and their nearest neighbours.

A hypercolumn is the concatenation of the features of several layers at one place.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from stylekit.functional import EPSILON, full_precision
from stylekit.losses.canvas import Canvas
from stylekit.losses.region import Region

CELL = 4
"""Side in pixels of the cell that a hypercolumn describes. Kolkin et al. 2022 match features at a
quarter of the picture's height and width."""

SCORES = 2**22
"""Maximum number of distances that a neighbour search keeps in memory (16 MB)."""


def nearest_neighbors(queries, keys, key_weights=None):
    """Return the nearest key of each query by centred cosine distance.

    The mean of each set is subtracted first. Properties that all queries share, such as the
    brightness of a photograph, then do not affect the match. The search is exact. It is done in
    blocks of at most `SCORES` distances.

    Parameters
    ----------
    queries : tensor [N, C]
    keys : tensor [M, C]
    key_weights : tensor [M], optional
        Weights above 0. The distance to a key is divided by the weight of the key. Default: 1.

    Returns
    -------
    index : tensor [N]
        int32, in [0, M - 1].
    distance : tensor [N]
        1 minus the cosine, in [0, 2], divided by the weight of the key.

    References
    ----------
    Kolkin, Kucera, Paris, Sykora, Shechtman, Shakhnarovich: Neural Neighbor Style Transfer, 2022,
    section 3.2. The key weights are an addition to the paper.
    """
    rows = math.isqrt(SCORES)
    means = [ops.mean(full_precision(one), axis=0, keepdims=True) for one in (queries, keys)]
    found, distances = [], []
    for query in _blocks(queries, rows):
        query = _directions(query, means[0])
        index = distance = None
        for number, key in enumerate(_blocks(keys, rows)):
            first = number * rows
            apart = 1 - ops.matmul(query, ops.transpose(_directions(key, means[1])))
            if key_weights is not None:
                weights = ops.convert_to_tensor(key_weights[first : first + rows])
                apart = apart / ops.cast(weights, apart.dtype)
            near = ops.argmin(apart, axis=1)
            closest = ops.take_along_axis(apart, near[:, None], axis=1)[:, 0]
            near = ops.cast(near, "int32") + first
            if number:
                closer = closest < distance
                near, closest = ops.where(closer, near, index), ops.minimum(closest, distance)
            index, distance = near, closest
        found.append(index)
        distances.append(distance)
    return ops.concatenate(found), ops.concatenate(distances)


def _blocks(rows, count: int):
    for first in range(0, rows.shape[0], count):
        yield full_precision(rows[first : first + count])


def _directions(rows, mean):
    """Return rows ``[N, C]`` minus a mean, scaled to length 1; a row equal to the mean is 0."""
    rows = rows - mean
    length = ops.sqrt(ops.sum(ops.square(rows), axis=1, keepdims=True))
    return rows / ops.maximum(length, EPSILON)


def hypercolumns(maps: Sequence[Any], factors: Sequence[float]):
    """Return the features of several layers at each place, concatenated.

    Parameters
    ----------
    maps : sequence of tensor [B, h_l, w_l, C_l]
        Feature maps. All are resized to the height and width of the first.
    factors : sequence of float
        Factor of each layer.

    Returns
    -------
    tensor [B, h, w, sum C_l]
    """
    shape = maps[0].shape[1:3]
    return ops.concatenate(
        [
            ops.cast(factor, feature.dtype) * resized(feature, shape)
            for feature, factor in zip(maps, factors, strict=True)
        ],
        axis=-1,
    )


def resized(feature, shape):
    """Return a feature map ``[B, h, w, C]`` resized to (height, width).

    The map is reduced by block means and enlarged by repetition of cells. The block means of an
    enlarged map are the original map. Each hypercolumn of a picture therefore matches itself.
    """
    cells = feature.shape[1:3]
    blocks = tuple(max(1, own // wanted) for own, wanted in zip(cells, shape, strict=True))
    feature = block_means(feature, blocks)
    for axis, wanted in enumerate(shape, 1):
        if feature.shape[axis] != wanted:
            feature = ops.take(feature, _repeated(feature.shape[axis], wanted), axis=axis)
    return feature


def _repeated(cells: int, wanted: int) -> np.ndarray:
    """Return the index of the original cell that holds each of `wanted` cells along an axis."""
    times = max(1, wanted // cells)
    if 0 <= wanted - times * cells < times:  # the remainder is less than an original cell
        return np.minimum(np.arange(wanted) // times, cells - 1)
    return ((np.arange(wanted) + 0.5) * cells / wanted).astype(int)


def block_means(feature, size):
    """Return the means over blocks of cells. Incomplete blocks at the border are dropped."""
    if size in (1, (1, 1)):
        return feature
    return ops.average_pool(feature, size, size, "valid", data_format="channels_last")


def block_size(cells, blocks) -> int:
    """Return the side, a power of 2, of the blocks whose means are a reduced feature map.

    Parameters
    ----------
    cells, blocks : (int, int)
        Height and width of the feature map, and of its block means.
    """
    size = 1
    while any(cell // size > block for cell, block in zip(cells, blocks, strict=True)):
        size *= 2
    return size


def regular_sample(shape: tuple[int, int], most: int) -> np.ndarray:
    """Return the indices of at most `most` cells of a grid, evenly spaced in rows and columns.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the grid.
    most : int

    Returns
    -------
    ndarray [M]
        Increasing indices of cells, row by row.
    """
    height, width = shape
    step = max(1.0, (height * width / most) ** 0.5)
    counts = [max(1, int(side / step)) for side in shape]
    rows, across = (
        ((np.arange(count) + 0.5) * side / count).astype(int)
        for count, side in zip(counts, shape, strict=True)
    )
    return (rows[:, None] * width + across).ravel()


def sample_of(shape: tuple[int, int], most: int) -> int:
    """Return the approximate number of compared cells, at most `most`, of an (H, W) picture."""
    return min(most, math.prod(shape) // CELL**2)


def sampled(features: Mapping[str, Any], index: Mapping[str, Any], factors: Mapping[str, Any]):
    """Return the hypercolumns of a sample of cells.

    Parameters
    ----------
    features : mapping of str to tensor [B, h, w, C]
        Feature maps, by layer.
    index : mapping of str to tensor [N, K]
        What `CellGrid.index` returned.
    factors : mapping of str to tensor or float
        Factor of each layer.

    Returns
    -------
    tensor [B, N, sum C]
        At least float32, with the layers in alphabetical order.
    """
    columns = []
    for layer in sorted(index):
        column = cell_means(features[layer], index[layer])
        columns.append(column * ops.cast(factors[layer], column.dtype))
    return ops.concatenate(columns, axis=-1)


def feature_factors(features, index, weights: Mapping[str, float]) -> dict[str, Any]:
    """Return the factor of each layer in the hypercolumns of a sample.

    With these factors, the magnitudes of a layer's features in a hypercolumn sum to the weight of
    the layer, on average over the sample.

    Parameters
    ----------
    features, index
        See `sampled`.
    weights : mapping of str to float
        The weight of each layer.

    Returns
    -------
    dict of str to tensor
        float32 scalars: the weight, divided by the mean magnitude of the features and by the number
        of channels.
    """
    factors = {}
    for layer, weight in weights.items():
        total = ops.mean(ops.sum(ops.abs(cell_means(features[layer], index[layer])), axis=-1))
        factors[layer] = ops.cast(weight / ops.maximum(total, EPSILON), "float32")
    return factors


def cell_means(feature, index):
    """Return the means ``[B, N, C]`` of a map ``[B, h, w, C]`` over sampled cells ``[N, K]``."""
    _, height, width, channels = ops.shape(feature)
    rows = ops.reshape(feature, (-1, height * width, channels))
    return ops.mean(full_precision(ops.take(rows, index, axis=1)), axis=2)


class CellGrid:
    """The feature maps and masks of a picture, averaged over cells of `CELL` x `CELL` pixels.

    A layer with a larger stride keeps its own cells.

    Parameters
    ----------
    canvas : Canvas
    layers : sequence of str
        Layers of the hypercolumns.
    """

    def __init__(self, canvas: Canvas, layers: Sequence[str]) -> None:
        self.canvas = canvas
        self.layers = tuple(layers)
        strides = {layer: max(canvas.extractor.stride(layer)) for layer in layers}
        # The grid is not coarser than the coarsest layer, because tiles start at multiples of the
        # stride of that layer.
        side = min(CELL, max(strides.values()))
        self._blocks = {layer: max(1, side // stride) for layer, stride in strides.items()}

    def maps(self, image) -> dict[str, Any]:
        """Return the averaged features of an image ``[B, H, W, 3]`` by layer, at least float32."""
        features = self.canvas.extract(image, self.layers)
        return {
            layer: block_means(full_precision(features.pop(layer)), self._blocks[layer])
            for layer in self.layers
        }

    def mask(self, mask) -> Mapping[str, Any]:
        """Return a mask ``[H, W]`` averaged over the cells of each layer, ``[1, h, w, 1]``."""
        return {
            layer: block_means(self.canvas.mask(mask, layer), self._blocks[layer])
            for layer in self.layers
        }

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the grid of cells at the finest layer."""
        return self._cells(self._finest)

    def weights(self, region: Region) -> np.ndarray:
        """Return the mean of a region's mask in each cell of the grid, ``[h * w]``, in [0, 1]."""
        if region.mask is None:
            return np.ones(math.prod(self.shape), "float32")
        mask = self.canvas.resolve_mask(region.mask, region.what, region.argument)
        pooled = self.canvas.mask(mask, self._finest)
        return ops.convert_to_numpy(block_means(pooled, self._blocks[self._finest])).ravel()

    def index(self, places: np.ndarray) -> dict[str, Any]:
        """Return the positions of the feature maps that lie in sampled cells; see `sampled`.

        Parameters
        ----------
        places : ndarray [N]
            Indices of cells of the grid, row by row.

        Returns
        -------
        dict of str to tensor [N, K]
            int32: for each layer the indices of the K positions of each cell in the flattened
            feature map.
        """
        return {
            layer: _members(places, self.shape, self._maps[layer], self._blocks[layer])
            for layer in self.layers
        }

    def pixel_index(self, places: np.ndarray):
        """Return the indices of the K pixels of each cell in the picture, int32 ``[N, K]``."""
        pixels = self.canvas.shape
        block = min(own // cells for own, cells in zip(pixels, self.shape, strict=True))
        return _members(places, self.shape, pixels, block)

    @property
    def _finest(self) -> str:
        return max(self.layers, key=lambda layer: math.prod(self._cells(layer)))

    @functools.cached_property
    def _maps(self) -> dict[str, tuple[int, int]]:
        """Height and width of the feature maps."""
        self.canvas.check_size(self.layers)
        ones = ops.ones((1, *self.canvas.shape, 1))
        return {layer: self.canvas.pool(ones, layer).shape[1:3] for layer in self.layers}

    def _cells(self, layer: str) -> tuple[int, int]:
        height, width = self._maps[layer]
        return height // self._blocks[layer], width // self._blocks[layer]


def _members(places: np.ndarray, shape, positions, block: int):
    """Return the positions of a map that lie in the given cells of a grid, int32 ``[N, K]``.

    Parameters
    ----------
    places : ndarray [N]
        Indices of cells, row by row.
    shape, positions : (int, int)
        Height and width of the grid and of the map.
    block : int
        Side of a cell in positions.
    """
    rows, columns = (
        _repeated(own // block, wanted) * block
        for own, wanted in zip(positions, shape, strict=True)
    )
    first = rows[places // shape[1]] * positions[1] + columns[places % shape[1]]
    inside = np.add.outer(np.arange(block) * positions[1], np.arange(block)).ravel()
    return ops.convert_to_tensor(first[:, None] + inside, "int32")
