"""The geometry of exact tiles: windows of a picture, and the cells of each layer that they own.

A picture is cut into tiles at multiples of S, the least multiple of all strides, so that each cell
of each layer lies in one tile. A tile's window is the tile and, where the picture goes on, a halo:
what its cells see beyond it, rounded up to S. The zero padding at a window's own edge then reaches
no cell that the tile owns. A window is as long as the picture modulo S: layers that stride then
round, and pad, as they do in the whole picture.

A window that would reach over the border is moved inwards, not cut: windows have few shapes, and
a loop in the graph for each.
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
    """Tiles along one axis that own as many cells each, and whose windows have one length.

    Attributes
    ----------
    starts : tuple of int
        The pixel at which each tile begins; it owns the cells from ``start / stride`` on.
    windows : tuple of int
        The pixel at which each tile's window begins.
    length : int
        Of a window, in pixels.
    cells : dict of str to int
        How many cells of a layer a tile owns.
    """

    starts: tuple[int, ...]
    windows: tuple[int, ...]
    length: int
    cells: dict[str, int]


def spans(grids: Mapping[str, Grid], length: int, tile: int, smallest: int = 1) -> tuple[Span, ...]:
    """Return the tiles along one axis, in order: those alike, and the last one if it differs.

    Parameters
    ----------
    grids : mapping of str to Grid
        Of each layer that is read.
    length : int
        Of the picture, in pixels.
    tile : int
        Most pixels of a tile, rounded down to S, but at least S. The last one has those, too, that
        are left over at the border.
    smallest : int
        Fewest pixels of a window, such as the smallest picture that the network takes.
    """
    # Targets may have cells of CELL pixels, where a layer's own are finer.
    step = math.lcm(CELL, *(g.stride for g in grids.values()))
    before = -(-max(g.before for g in grids.values()) // step) * step
    after = max(0, *(g.after for g in grids.values()))
    # Each tile has a cell of each layer.
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
        Most pixels of a tile's side.
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
        """Return the last of ``state = body(state, tile)``, one tile after the other.

        In a graph the tiles of a kind are one loop; `body` is given a `Tile` for them all. The
        first one is outside if `state` is None.
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
            # Also a loop begins with what it needs not the state for, such as the first window.
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
    """What one tile cuts out of a picture, and of the layers.

    Parameters
    ----------
    grids : (dict, dict)
        Of the layers, along both axes.
    rows, columns : Span
    row, column : int or tensor
        Which tile of each.
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
        """Return `whole`, a picture, with a window added in its place."""
        return add(whole, self._corner, window)

    def own(self, feature, layer: str):
        """Return the tile's own cells of the feature map of its window."""
        return self._cells(feature, layer, self._start, self._corner)

    def cells(self, layer: str) -> list[int]:
        """Return how many cells the whole layer has along each axis."""
        return [grids[layer].cells for grids in self._grids]

    def put(self, whole, own, layer: str):
        """Return a layer's `whole` feature map, which is 0 there, with the tile's own cells."""
        strides = [grids[layer].stride for grids in self._grids]
        corner = [start // stride for start, stride in zip(self._start, strides, strict=True)]
        return add(whole, corner, own)

    def part(self, whole, layer: str):
        """Return the entries of the tile's own cells, of all of a layer; None for None.

        There may be one for each block of cells, as `CellGrid` averages them.
        """
        if whole is None:
            return None
        block = block_size(self.cells(layer), whole.shape[1:3])
        return self._cells(whole, layer, self._start, (0, 0), block)

    def weigh(self, means, layer: str, mask, mass: float | None):
        """Return means over the tile's own cells times its share of all cells, or of a mass.

        Parameters
        ----------
        means : nested dicts of tensors [B, ...]
        layer : str
        mask : tensor [1, h, w, 1] or None
            Of the tile's own cells.
        mass : float or None
            The sum of the mask over all cells of the layer.
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
    """Return the part of ``[B, H, W, C]`` that begins at a corner (row, column)."""
    batch, *_, channels = (-1 if n is None else n for n in values.shape)
    return tf.slice(values, tf.stack([0, *corner, 0]), [batch, *size, channels])


def add(whole, corner, part):
    """Return `whole` with a part added in its place; a loop's own state is not copied."""
    begin = tf.stack([0, *corner, 0])
    return tf.raw_ops.TensorStridedSliceUpdate(
        input=whole,
        begin=begin,
        end=begin + tf.shape(part),
        strides=[1, 1, 1, 1],
        value=cut(whole, corner, part.shape[1:3]) + part,
    )
