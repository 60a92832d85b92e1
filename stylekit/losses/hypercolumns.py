"""Hypercolumns, the features of several layers at one place, and their nearest neighbours."""

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
"""Side of a hypercolumn's cell in pixels: Kolkin et al. 2022 match at a quarter of the size."""

SCORES = 2**22
"""Most distances held at a time while neighbours are searched: 16 MB."""


def nearest_neighbors(queries, keys, key_weights=None):
    """Return the nearest key of each query by centred cosine distance.

    Each set is centred by its own mean, so that what all queries share, such as the brightness of
    a photograph, does not decide. The search is exact, in blocks of `SCORES` distances.

    Parameters
    ----------
    queries : tensor [N, C]
    keys : tensor [M, C]
    key_weights : tensor [M], optional
        Above 0. A distance is divided by the weight of its key. Default: 1.

    Returns
    -------
    index : tensor [N]
        int32, in [0, M - 1].
    distance : tensor [N]
        One minus the cosine, in [0, 2], divided by the weight.

    References
    ----------
    Kolkin, Kucera, Paris, Sykora, Shechtman, Shakhnarovich: Neural Neighbor Style Transfer, 2022,
    section 3.2. The weights are ours.
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
    """Return rows ``[N, C]`` less a mean, of length 1; a row that is the mean is zero."""
    rows = rows - mean
    length = ops.sqrt(ops.sum(ops.square(rows), axis=1, keepdims=True))
    return rows / ops.maximum(length, EPSILON)


def hypercolumns(maps: Sequence[Any], factors: Sequence[float]):
    """Return the features of several layers at each place, concatenated.

    Parameters
    ----------
    maps : sequence of tensor [B, h_l, w_l, C_l]
        Feature maps. The first has the grid of the hypercolumns, to which the others are resized.
    factors : sequence of float
        What each layer is multiplied by.

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
    """Return a feature map at another size: block means to reduce it, repeated cells to enlarge it.

    The block means of an enlarged map are the map again: what is matched with itself stays itself.
    """
    cells = feature.shape[1:3]
    blocks = tuple(max(1, own // wanted) for own, wanted in zip(cells, shape, strict=True))
    feature = block_means(feature, blocks)
    for axis, wanted in enumerate(shape, 1):
        if feature.shape[axis] != wanted:
            feature = ops.take(feature, _repeated(feature.shape[axis], wanted), axis=axis)
    return feature


def _repeated(cells: int, wanted: int) -> np.ndarray:
    """Return which cell each of the wanted ones lies in."""
    times = max(1, wanted // cells)
    if 0 <= wanted - times * cells < times:  # a remainder is less than a cell
        return np.minimum(np.arange(wanted) // times, cells - 1)
    return ((np.arange(wanted) + 0.5) * cells / wanted).astype(int)


def block_means(feature, size):
    """Return the means over blocks of cells; a remainder at the border is left out."""
    if size in (1, (1, 1)):
        return feature
    return ops.average_pool(feature, size, size, "valid", data_format="channels_last")


def block_size(cells, blocks) -> int:
    """Return the side of the blocks, a power of 2, that a map of some cells was reduced by.

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
    """Return the places of at most so many cells of a grid, every so many rows and columns.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the grid.
    most : int

    Returns
    -------
    ndarray [M]
        Indices of cells, row by row, that rise.
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
    """Return about how many cells of a picture, (H, W) in pixels, are compared."""
    return min(most, math.prod(shape) // CELL**2)


def sampled(features: Mapping[str, Any], index: Mapping[str, Any], factors: Mapping[str, Any]):
    """Return the hypercolumns of a sample of cells.

    Parameters
    ----------
    features : mapping of str to tensor [B, h, w, C]
        Feature maps, by layer.
    index : mapping of str to tensor [N, K]
        As `CellGrid.index` returns it.
    factors : mapping of str to tensor or float
        What each layer is multiplied by.

    Returns
    -------
    tensor [B, N, sum C]
        In full precision; the layers in the order of their names.
    """
    columns = []
    for layer in sorted(index):
        column = cell_means(features[layer], index[layer])
        columns.append(column * ops.cast(factors[layer], column.dtype))
    return ops.concatenate(columns, axis=-1)


def feature_factors(features, index, weights: Mapping[str, float]) -> dict[str, Any]:
    """Return by layer the factor that makes its entries in a sample sum to its weight on average.

    Parameters
    ----------
    features, index
        See `sampled`.
    weights : mapping of str to float
        By layer.

    Returns
    -------
    dict of str to tensor
        float32: the weight, divided by the mean magnitude of the features and by their number.
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
    """Feature maps and masks of a picture, averaged over cells of `CELL` pixels.

    A layer of a larger stride keeps its own cells.

    Parameters
    ----------
    canvas : Canvas
    layers : sequence of str
    """

    def __init__(self, canvas: Canvas, layers: Sequence[str]) -> None:
        self.canvas = canvas
        self.layers = tuple(layers)
        strides = {layer: max(canvas.extractor.stride(layer)) for layer in layers}
        # No coarser than the coarsest layer: tiles begin at multiples of its stride.
        side = min(CELL, max(strides.values()))
        self._blocks = {layer: max(1, side // stride) for layer, stride in strides.items()}

    def maps(self, image) -> dict[str, Any]:
        """Return the features of an image ``[B, H, W, 3]``, by layer, in full precision."""
        features = self.canvas.extract(image, self.layers)
        return {
            layer: block_means(full_precision(features.pop(layer)), self._blocks[layer])
            for layer in self.layers
        }

    def mask(self, mask) -> Mapping[str, Any]:
        """Return a mask ``[H, W]``, by layer: ``[1, h, w, 1]``."""
        return {
            layer: block_means(self.canvas.mask(mask, layer), self._blocks[layer])
            for layer in self.layers
        }

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the finest layer's grid of cells."""
        return self._cells(self._finest)

    def weights(self, region: Region) -> np.ndarray:
        """Return what a region's mask weighs in each cell of `shape`: ``[h * w]``, in [0, 1]."""
        if region.mask is None:
            return np.ones(math.prod(self.shape), "float32")
        mask = self.canvas.resolve_mask(region.mask, region.what, region.argument)
        pooled = self.canvas.mask(mask, self._finest)
        return ops.convert_to_numpy(block_means(pooled, self._blocks[self._finest])).ravel()

    def index(self, places: np.ndarray) -> dict[str, Any]:
        """Return which positions of the feature maps make up a sample of cells; see `sampled`.

        Parameters
        ----------
        places : ndarray [N]
            Indices of cells of `shape`, row by row.

        Returns
        -------
        dict of str to tensor [N, K]
            int32, by layer: indices into the feature map of the K positions of each cell.
        """
        return {
            layer: _members(places, self.shape, self._maps[layer], self._blocks[layer])
            for layer in self.layers
        }

    def pixel_index(self, places: np.ndarray):
        """Return the same for the pixels of the picture: a tensor ``[N, K]``."""
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
    """Return the positions ``[N, K]`` of a map that lie in some cells of a grid.

    Parameters
    ----------
    places : ndarray [N]
    shape, positions : (int, int)
        Height and width of the grid, and of the map.
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
