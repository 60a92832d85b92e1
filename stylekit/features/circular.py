"""Circular padding: a wrapper of extractors for painting pictures that tile."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import keras

from stylekit._checks import fail
from stylekit.features.extractor import FeatureExtractor, WrappingExtractor, ordered
from stylekit.features.geometry import Grid, Window
from stylekit.features.graph import Call, rerun, tensors_of
from stylekit.features.reach import window_of
from stylekit.functional import Tensor, extended
from stylekit.image.arrays import tiled_axes

RING = 2
"""Number of cells that are padded at each edge. They are sufficient for two 3 x 3 convolutions,
which halves the number of copies."""


class CircularPadding(WrappingExtractor):
    """A wrapper that replaces the zero padding of an extractor by circular padding.

    The inputs of each operation are padded with cells of the opposite edge. The features are equal
    to the features of an infinite grid of copies of the picture. Along axes that do not tile, the
    inputs are padded with their mirror image.

    A run with this extractor paints a picture that tiles. Total variation also compares opposite
    edges, resizing is periodic, the content and the initial image are made periodic by
    `image.periodic`, and the sides of coarse levels are multiples of the stride. Styles and other
    references are padded with their mirror image. `Recompute` and `Tiles` are not supported.

    Parameters
    ----------
    extractor : FeatureExtractor
        The extractor to wrap. Its padding should be ``"same"``, or `keras.layers.ZeroPadding2D`. If
        a convolution has ``"valid"`` padding instead, pixels at the edges have less influence.
    tile : {"x", "y", "both"} or None
        "x": the left edge matches the right edge. "y": the upper edge matches the lower edge. None:
        all edges are mirrored.

    Raises
    ------
    InputError, InputTypeError
        If an argument is invalid. `model` raises `InputError` if the window of an operation is
        unknown.

    Notes
    -----
    Runs require that the sides along the tiled axes are multiples of the stride of each layer. The
    features are then equivariant: rolling the picture by n strides rolls them by n cells.

    Examples
    --------
    >>> import stylekit as sk
    >>> network = sk.features.CircularPadding(sk.VGG19(), "x")  # doctest: +SKIP
    >>> transfer = sk.StyleTransfer([sk.GramStyleLoss("starry.jpg")], extractor=network)
    ... # doctest: +SKIP
    """

    def __init__(self, extractor: FeatureExtractor, tile: str | None = "both") -> None:
        super().__init__(extractor)
        tiled_axes(tile)
        self.tile = tile
        self.layer_names = extractor.layer_names
        self._beside = self if tile is None else CircularPadding(extractor, None)

    def __repr__(self) -> str:
        return f"CircularPadding({self.extractor!r}, tile={self.tile!r})"

    def __eq__(self, other) -> bool:
        return (
            isinstance(other, CircularPadding)
            and self.extractor is other.extractor
            and self.tile == other.tile
        )

    def __hash__(self) -> int:
        return hash((id(self.extractor), self.tile))

    @property
    def beside(self) -> FeatureExtractor:
        """Extractor for references: the same network with mirrored padding at all edges."""
        return self._beside

    def resolve(self, layer: str) -> str:
        """Return the network's name of a layer; see `FeatureExtractor.resolve`."""
        return self.extractor.resolve(layer)

    def available_layers(self) -> tuple[str, ...]:
        """Return the available layers; see `FeatureExtractor.available_layers`."""
        return self.extractor.available_layers()

    def model(self, layers: Iterable[str], dtype: str = "float32") -> keras.Model:
        """Return the network with circular padding; see `FeatureExtractor.model`."""
        names = ordered(self, layers)
        if (names, dtype) not in self._models:
            network = self.extractor.network(names, dtype)
            image = keras.Input(network.input_shape[1:], dtype=network.inputs[0].dtype)
            around = _Around(self.tile)
            features = rerun(network, [image], around)
            outputs = {name: around.inside(features[name]) for name in names}
            self._models[names, dtype] = keras.Model(image, outputs)
        return self._models[names, dtype]

    def windows(self, layer: str) -> tuple[Window, ...]:
        """Return the spatial operations; see `FeatureExtractor.windows`."""
        return self.extractor.windows(layer)

    def pool_mask(self, mask: Tensor, layer: str) -> Tensor:
        """Return a mask pooled to a layer; see `FeatureExtractor.pool_mask`."""
        return self.extractor.pool_mask(mask, layer)

    def grid(self, layer: str, length: int, axis: int) -> Grid:
        """Return the geometry of the cells along an axis; see `FeatureExtractor.grid`."""
        return self.extractor.grid(layer, length, axis)

    def check_windows(self, layer: str) -> None:
        """Raise `InputError`, because a tile of the picture does not contain the opposite edge."""
        fail(
            "a network with circular padding cannot be computed in tiles, or with Recompute",
            expected="Plan(), which computes the picture as a whole",
            hint="use a smaller picture if the memory is not sufficient",
            argument="plan",
        )

    def smallest_size(self, layer: str) -> int:
        """Return the smallest side of a picture whose padding is not larger than the input."""

        def fits(side: int) -> bool:
            for axis in (0, 1):
                grid = Grid(side)
                for window in self.extractor.checked_windows(layer):
                    if max(_wide(window), *window.border[axis]) > grid.cells:
                        return False
                    grid = grid.through(window, axis)
            return True

        return next(filter(fits, itertools.count(self.extractor.smallest_size(layer))))


class _Around:
    """A function for `rerun` that calls operations on padded inputs.

    An input is padded with a ring of cells, which is kept for the following operations. Each
    operation makes the outermost cells of the ring invalid. The ring is padded again before an
    operation that would read invalid cells. Padding costs less after pooling than before pooling.

    Parameters
    ----------
    tile : str or None
        See `CircularPadding`.
    """

    def __init__(self, tile: str | None) -> None:
        self._tile = tile
        # Maps the id of a tensor to the width of its ring, the width of the valid part, and the
        # tensor.
        self._rings: dict[int, tuple[int, int, Any]] = {}

    def __call__(self, operation: keras.Operation, args, kwargs):
        window = _window(operation, args, kwargs)
        rows, columns = window.border
        if min(*rows, *columns) >= 0 < max(*rows, *columns):  # zero padding
            (x,) = tensors_of((args, kwargs))
            return extended(self.inside(x), rows, columns, self._tile)
        step, needed = window.along(0)[1], _reach(window)  # both axes have the same stride
        rings = {self._ring(x) for x in tensors_of((args, kwargs))}
        ring, right = rings.pop() if len(rings) == 1 else (0, -1)
        serves = step == 1 if window.padding == "same" else window.size == window.stride
        if not serves or right < needed or ring % step:
            ring = right = _wide(window)
            side = (ring, ring)
            args, kwargs = keras.tree.map_structure(
                lambda one: (
                    extended(self.inside(one), side, side, self._tile)
                    if isinstance(one, keras.KerasTensor)
                    else one
                ),
                (args, kwargs),
            )
        made = operation(*args, **kwargs)
        for x in tensors_of(made):
            self._rings[id(x)] = ring // step, (right - needed) // step, x
        return made

    def inside(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return a tensor without its ring."""
        ring, _ = self._ring(x)
        return x[:, ring:-ring, ring:-ring] if ring else x

    def _ring(self, x: keras.KerasTensor) -> tuple[int, int]:
        return self._rings.get(id(x), (0, 0, x))[:2]


def _window(operation: keras.Operation, args, kwargs) -> Window:
    """Return the window of an operation, or raise `InputError` if it is unknown."""
    plain = operation.within(*args) if isinstance(operation, Call) else (operation, args, kwargs)
    window = window_of(*plain)
    if window is None or not isinstance(window.stride, int):
        fail(
            f"a network with the operation {operation.name!r} does not support circular padding",
            expected="operations with a known, bounded receptive field and equal strides",
            received=type(plain[0]).__name__,
            hint="choose layers before it, or another network",
            argument="extractor",
        )
    return window


def _reach(window: Window) -> int:
    """Return the number of cells beyond an edge that an operation reads."""
    sizes = [window.along(axis)[0] for axis in (0, 1)]
    return max(sizes) // 2 if window.padding == "same" else 0


def _wide(window: Window) -> int:
    """Return the width of the ring for an operation's input, a multiple of the stride."""
    reach, step = _reach(window), max(window.along(axis)[1] for axis in (0, 1))
    return -(-max(RING, reach) // step) * step if reach else 0
