"""A network whose picture goes on with its opposite edge, so that what is painted tiles."""

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
"""Cells that are added beyond each edge: for two convolutions of VGG, in half the copies of one."""


class CircularPadding(WrappingExtractor):
    """Another extractor, whose pictures go on beyond an edge with the opposite one.

    Each operation is given its input with cells of the opposite edge beyond this one, instead of
    zeros, and the cells that this adds to the output are cut off. The features are those of the
    picture in an endless row of its copies. Along an axis that does not tile, the input goes
    on as its own mirror image.

    A run with this extractor paints a picture that tiles: total variation compares opposite edges,
    pictures are resized around them, the content and the start are made to tile
    (`image.periodic`), and coarse levels have whole cells. Styles and other references are seen
    mirrored at their edges. Such a run cannot be taken in tiles of memory.

    Parameters
    ----------
    extractor : FeatureExtractor
        Its padding is ``"same"``, or made by `keras.layers.ZeroPadding2D`. Where a convolution has
        ``"valid"`` padding and no such layer before it, edges are seen less than the inside.
    tile : {"x", "y", "both"} or None
        "x": the left and the right edge fit. "y": the upper and the lower. None: neither, and all
        edges are mirrored.

    Raises
    ------
    InputError, InputTypeError
        If an argument cannot be used; by `model`, if it is not known what an operation sees.

    Notes
    -----
    A picture whose sides are multiples of a layer's stride along the axes that tile, which runs
    require, gives features that roll with it: rolled by n strides, they are rolled by n cells.

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
        """The extractor of references: the same one with all edges mirrored."""
        return self._beside

    def resolve(self, layer: str) -> str:
        """Return the network's own name of a layer; see `FeatureExtractor.resolve`."""
        return self.extractor.resolve(layer)

    def available_layers(self) -> tuple[str, ...]:
        """Return the layers whose weights are there; see `FeatureExtractor.available_layers`."""
        return self.extractor.available_layers()

    def model(self, layers: Iterable[str], dtype: str = "float32") -> keras.Model:
        """Return the network with the padding; see `FeatureExtractor.model`."""
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
        """Take a mask to a layer; see `FeatureExtractor.pool_mask`."""
        return self.extractor.pool_mask(mask, layer)

    def grid(self, layer: str, length: int, axis: int) -> Grid:
        """Return the cells along an axis; see `FeatureExtractor.grid`."""
        return self.extractor.grid(layer, length, axis)

    def check_windows(self, layer: str) -> None:
        """Raise `InputError`: a tile of memory does not hold the opposite edge."""
        fail(
            "what a circular network sees cannot be computed in tiles of memory",
            expected="Plan(), which takes the picture as a whole",
            hint="take a smaller picture where the memory does not suffice",
            argument="plan",
        )

    def smallest_size(self, layer: str) -> int:
        """Return the smallest side of a picture: no operation adds more cells than there are."""

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
    """Calls operations on inputs that go on beyond their edges; see `rerun`.

    An input gets a ring of cells, which serves one operation after the other: each spoils the
    outermost cells of the ring, and what is spoilt is renewed before an operation would see it. It
    is cheaper to renew it behind a pooling.

    Parameters
    ----------
    tile : str or None
        See `CircularPadding`.
    """

    def __init__(self, tile: str | None) -> None:
        self._tile = tile
        # By a tensor's id: the width of its ring, how much of it is right, and the tensor.
        self._rings: dict[int, tuple[int, int, Any]] = {}

    def __call__(self, operation: keras.Operation, args, kwargs):
        window = _window(operation, args, kwargs)
        rows, columns = window.border
        if min(*rows, *columns) >= 0 < max(*rows, *columns):  # zeros
            (x,) = tensors_of((args, kwargs))
            return extended(self.inside(x), rows, columns, self._tile)
        step, needed = window.along(0)[1], _reach(window)  # one stride for both axes
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
    """Return what an operation sees, or raise `InputError` if that is not known."""
    plain = operation.within(*args) if isinstance(operation, Call) else (operation, args, kwargs)
    window = window_of(*plain)
    if window is None or not isinstance(window.stride, int):
        fail(
            f"a network with the operation {operation.name!r} cannot see pictures that tile",
            expected="operations that see a bounded part of the picture, with one stride",
            received=type(plain[0]).__name__,
            hint="choose layers before it, or another network",
            argument="extractor",
        )
    return window


def _reach(window: Window) -> int:
    """Return how many cells an operation sees beyond an edge."""
    sizes = [window.along(axis)[0] for axis in (0, 1)]
    return max(sizes) // 2 if window.padding == "same" else 0


def _wide(window: Window) -> int:
    """Return how wide a ring an input gets for an operation: a multiple of the stride."""
    reach, step = _reach(window), max(window.along(axis)[1] for axis in (0, 1))
    return -(-max(RING, reach) // step) * step if reach else 0
