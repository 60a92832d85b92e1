"""The geometry of exact tiles: windows of a picture, and the cells of each layer that they own.

A picture is divided into tiles at multiples of S, the least common multiple of all strides, so that
each cell of each layer lies in one tile. The window of a tile is the tile and, except at the border
of the picture, a halo. The halo is the part of the receptive field of the tile's cells that lies
outside the tile, rounded up to S. The zero padding at the edge of a window then affects no cell
that the tile owns. The length of a window is congruent to the length of the picture modulo S, so
that layers with strides round and pad as in the whole picture.

A window that would extend over the border is moved inwards, not cropped. There are therefore few
shapes of windows, and the graph has one loop for each shape.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping

import tensorflow as tf

from stylekit.features import FeatureExtractor, Grid
from stylekit.functional import full_precision
from stylekit.losses.hypercolumns import CELL, block_size


@dataclasses.dataclass(frozen=True)
class Span:
    """Tiles along one axis that own equally many cells, and whose windows have the same length.

    Attributes
    ----------
    starts : tuple of int
        First pixel of each tile. A tile owns the cells from ``start / stride`` on.
    windows : tuple of int
        First pixel of the window of each tile.
    length : int
        Length of a window in pixels.
    cells : dict of str to int
        Number of cells of each layer that a tile owns.
    """

    starts: tuple[int, ...]
    windows: tuple[int, ...]
    length: int
    cells: dict[str, int]


def spans(grids: Mapping[str, Grid], length: int, tile: int, smallest: int = 1) -> tuple[Span, ...]:
    """Return the tiles along one axis, in order, in groups of equal size.

    Parameters
    ----------
    grids : mapping of str to Grid
        The grids of the layers that are read.
    length : int
        Length of the picture in pixels.
    tile : int
        Largest length of a tile in pixels, rounded down to a multiple of S, but at least S. The
        last tile also contains the pixels that are left over at the border.
    smallest : int
        Smallest length of a window in pixels, such as the smallest that the network accepts.
    """
    # The cells of targets have CELL pixels if the cells of a layer are smaller.
    step = math.lcm(CELL, *(g.stride for g in grids.values()))
    before = -(-max(g.before for g in grids.values()) // step) * step
    after = max(0, *(g.after for g in grids.values()))
    # Each tile must have a cell of each layer.
    units = min(-(-length // step), *(g.cells * g.stride // step for g in grids.values()))
    count = -(-max(1, units) // max(1, tile // step))
    starts = range(0, max(1, units) * step, -(-max(1, units) // count) * step)

    tiles = []
    for start, end in itertools.pairwise([*starts, length]):
        cells = {
            layer: (g.cells if end == length else end // g.stride) - start // g.stride
            for layer, g in grids.items()
        }
        tiles.append((start, max(0, start - before), min(length, end + after), cells))

    result = []
    for cells, alike in itertools.groupby(tiles, key=lambda one: one[-1]):
        first, low, high, _ = zip(*alike, strict=True)
        needed = max(smallest, *(b - a for a, b in zip(low, high, strict=True)))
        window = length - (length - needed) // step * step
        result.append(Span(first, tuple(min(a, length - window) for a in low), window, cells))
    return tuple(result)


class Tiling:
    """The tiles of a picture for some layers.

    Parameters
    ----------
    extractor : FeatureExtractor
    layers : iterable of str
    shape : (int, int)
        (H, W) of the picture.
    tile : int
        Largest side of a tile in pixels.
    """

    def __init__(self, extractor: FeatureExtractor, layers, shape, tile: int) -> None:
        layers = tuple(layers)
        self.grids = tuple(
            {layer: extractor.grid(layer, length, axis) for layer in layers}
            for axis, length in enumerate(shape)
        )
        smallest = max(map(extractor.smallest_size, layers))
        self.spans = tuple(
            spans(grids, length, tile, smallest)
            for grids, length in zip(self.grids, shape, strict=True)
        )

    def rows(self) -> Iterator[list[Tile]]:
        """Yield the tiles row by row, from the top left."""
        down, along = self.spans
        for rows, i in ((span, i) for span in down for i in range(len(span.starts))):
            yield [
                Tile(self.grids, rows, columns, i, j)
                for columns in along
                for j in range(len(columns.starts))
            ]

    def fold(self, body: Callable, state=None):
        """Apply ``state = body(state, tile)`` to one tile after the other; return the last state.

        In a graph, tiles of one kind are one loop, for which `body` is called with a `Tile` of
        tensors. If `state` is None the first tile is not part of a loop.
        """
        for rows, columns in itertools.product(*self.spans):
            state = self._fold(rows, columns, body, state)
        return state

    def _fold(self, rows: Span, columns: Span, body: Callable, state):
        wide = len(columns.starts)

        def step(index, state):
            tile = Tile(self.grids, rows, columns, index // wide, index % wide)
            return index + 1, body(state, tile)

        def after(state, index):
            # Otherwise a loop could compute early what does not depend on the state, such as a
            # window.
            with tf.control_dependencies(tf.nest.flatten(state)):
                return tf.identity(index)

        index, count = tf.constant(0), len(rows.starts) * wide
        if state is None:
            index, state = step(index, state)
        elif count == 1:
            _, state = step(after(state, index), state)
        if count > 1:
            loop = (lambda index, _: index < count), step, (after(state, index), state)
            _, state = tf.while_loop(*loop, parallel_iterations=1)
        return state


class Tile:
    """The slices of a picture and of layers that belong to one tile.

    Parameters
    ----------
    grids : (dict, dict)
        Grids of the layers along both axes.
    rows, columns : Span
    row, column : int or tensor
        Index of the tile in each span.
    """

    def __init__(self, grids, rows: Span, columns: Span, row, column) -> None:
        self._grids = grids
        self._spans = rows, columns
        self._start = tf.gather(rows.starts, row), tf.gather(columns.starts, column)
        self._corner = tf.gather(rows.windows, row), tf.gather(columns.windows, column)

    def window(self, image):
        """Return the window of a picture ``[B, H, W, 3]``."""
        return cut(image, self._corner, [span.length for span in self._spans])

    def add(self, whole, window):
        """Return the picture `whole` with a window added in its place."""
        return add(whole, self._corner, window)

    def own(self, feature, layer: str):
        """Return the tile's own cells from the feature map of its window."""
        return self._cells(feature, layer, self._start, self._corner)

    def cells(self, layer: str) -> list[int]:
        """Return the number of cells of the whole layer along each axis."""
        return [grids[layer].cells for grids in self._grids]

    def put(self, whole, own, layer: str):
        """Return the feature map `whole` plus a tile's own cells, where `whole` must be 0."""
        strides = [grids[layer].stride for grids in self._grids]
        corner = [start // stride for start, stride in zip(self._start, strides, strict=True)]
        return add(whole, corner, own)

    def part(self, whole, layer: str):
        """Return the part of a layer's array that belongs to the tile's own cells; None for None.

        There may be one entry for each block of cells, as in the averages of `CellGrid`.
        """
        if whole is None:
            return None
        block = block_size(self.cells(layer), whole.shape[1:3])
        return self._cells(whole, layer, self._start, (0, 0), block)

    def weigh(self, means, layer: str, mask, mass: float | None):
        """Return means over the tile's own cells, times the tile's share of all cells or mask mass.

        Parameters
        ----------
        means : nested dicts of tensors [B, ...]
        layer : str
        mask : tensor [1, h, w, 1] or None
            Mask of the tile's own cells.
        mass : float or None
            Sum of the mask over all cells of the layer.
        """
        if mask is None:
            share = math.prod(self._size(layer)) / math.prod(self.cells(layer))
            share = tf.constant(share, tf.float64)
        else:
            share = tf.reduce_sum(tf.cast(mask, tf.float64)) / mass
        means = tf.nest.map_structure(full_precision, means)
        return tf.nest.map_structure(lambda mean: tf.cast(share, mean.dtype) * mean, means)

    def _cells(self, values, layer: str, start, origin, block: int = 1):
        strides = [grids[layer].stride * block for grids in self._grids]
        begin = [(a - b) // s for a, b, s in zip(start, origin, strides, strict=True)]
        return cut(values, begin, [size // block for size in self._size(layer)])

    def _size(self, layer: str) -> list[int]:
        return [span.cells[layer] for span in self._spans]


def cut(values, corner, size):
    """Return the part of ``[B, H, W, C]`` of a given size that begins at a corner (row, column)."""
    batch, *_, channels = (-1 if n is None else n for n in values.shape)
    return tf.slice(values, tf.stack([0, *corner, 0]), [batch, *size, channels])


def add(whole, corner, part):
    """Return `whole` with a part added in its place. The state of a loop is not copied."""
    begin = tf.stack([0, *corner, 0])
    return tf.raw_ops.TensorStridedSliceUpdate(
        input=whole,
        begin=begin,
        end=begin + tf.shape(part),
        strides=[1, 1, 1, 1],
        value=cut(whole, corner, part.shape[1:3]) + part,
    )
