"""Gradient checkpointing: the first layers are computed in tiles without keeping activations.

The first layers of a network are the largest. In VGG19, the layers before the second pooling have
two thirds of all activations, and each cell depends on at most eight pixels beyond its borders.
They are computed tile by tile, up to a layer that is called the cut. Each tile keeps its share of
the feature map of the cut, and the means of its layers that losses use. The layers after the cut
are computed for the whole picture. When the gradient at the cut is known, each tile is computed
again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import keras
import tensorflow as tf

from stylekit._checks import fail, integer
from stylekit.features import FeatureExtractor
from stylekit.functional import Tensor
from stylekit.losses import Canvas, Loss
from stylekit.transfer.memory.parts import PartedObjective, is_mean, pulled_back
from stylekit.transfer.memory.tiles import Tile
from stylekit.transfer.memory.tiling import TiledCanvas

TILE = 256
"""Side of a tile in pixels."""


class RecomputedObjective(PartedObjective):
    """`Objective` that computes a network's first layers in tiles, and again for the gradient.

    Values and gradients are those of `Objective`, up to rounding errors.

    Parameters
    ----------
    losses, extractor, shape, **options
        See `Objective`.
    recompute : True or str
        The cut: the layer up to which activations are not kept. If True, the cut is the first layer
        whose number of cells is at most 1/16 of the number of pixels, which in VGG19 is
        ``"block2_pool"``. If a loss is not a function of means (`TileableLoss.is_mean`), the whole
        feature maps that it reads are kept.
    tile : int
        Largest side of a tile in pixels, at least 1.

    Raises
    ------
    InputError
        If the network has connections that bypass the cut, or for the same reasons as in
        `Objective`.

    References
    ----------
    Chen, Xu, Zhang, Guestrin: Training Deep Nets with Sublinear Memory Cost, 2016. They recompute
    whole feature maps, so that memory peaks when the first stage is computed again.
    """

    canvas: StagedCanvas

    def __init__(
        self,
        losses: Sequence[Loss],
        extractor: FeatureExtractor,
        shape: tuple[int, int],
        *,
        recompute: Literal[True] | str = True,
        tile: int = TILE,
        **options: Any,
    ) -> None:
        self._cut = cut_of(extractor, recompute)
        self._tile = integer(tile, "tile", low=1)
        super().__init__(losses, extractor, shape, **options)
        self._prepared()
        first, self._rest = split(extractor, self._layers, self._cut)
        whole = {
            layer
            for name, layers in self._reads.items()
            if not is_mean(self.terms[name])
            for layer in layers
        }
        self._maps = [name for name in first if name in whole]
        self._maps += [self._cut] if self._rest else []
        self._first = tuple(dict.fromkeys((*first, *self._maps)))
        self._tiling = self.canvas.tiling(self._first, shape) if self._first else None
        # Build the networks here. Inside a traced function, setting weights would be in the trace.
        if self._rest:
            self.canvas.stage(self._rest)
        if self._first:
            extractor.network(self._first, self.precision)

    def _canvas(self, extractor, shape, **options) -> StagedCanvas:
        return StagedCanvas(extractor, shape, tile=self._tile, cut=self._cut, **options)

    def _terms(self, image, seen):
        features, means = dict(seen["maps"]), seen["means"]
        if self._rest:
            features |= self.canvas.following(features[self._cut], self._rest)
        values, batch = {}, image.shape[0]
        for name in self.terms:
            if name in means:
                own = self._means_behind(name, features)
                pairs = zip(means[name], own, strict=True)
                values[name] = self._value(name, [first | rest for first, rest in pairs], batch)
            else:
                read = {layer: features[layer] for layer in self._reads[name]}
                values[name] = self._computed(name, image, read, self.targets[name])
        return values

    def _means_behind(self, name: str, features) -> list[dict]:
        """Return the means that the parts of a loss compute from the layers after the cut."""
        behind = {layer: features[layer] for layer in self._rest}
        pairs = zip(self._tileable(name).parts, self.targets[name], strict=True)
        extractor = self.canvas.extractor
        return [
            part.means({k: behind[k] for k in part.layers_of(extractor) if k in behind}, targets)
            for part, targets in pairs
        ]

    def _seen(self, image):
        """Return what is kept from the tiles: feature maps by layer, means by loss and part."""
        if self._tiling is None:
            return {"maps": {}, "means": {}}
        names = [name for name, term in self.terms.items() if is_mean(term)]
        return self._tiling.fold(lambda sums, tile: self._collect(sums, tile, image, names))

    def _pulled(self, image, seen, gradient, slopes):
        if gradient is None:
            # Gradients are added in place. tf.zeros would be a constant, which is kept in addition
            # to its copy.
            gradient = tf.raw_ops.Empty(shape=tf.shape(image), dtype=image.dtype, init=True)
        if self._tiling is None:
            return gradient
        slopes = tf.nest.map_structure(
            lambda slope, of: tf.zeros_like(of) if slope is None else slope, slopes, seen
        )
        with tf.control_dependencies(tf.nest.flatten(slopes)):  # after the gradient is known
            shown = tf.identity(image)
        return self._tiling.fold(
            lambda whole, tile: self._add_gradient(whole, tile, shown, slopes), gradient
        )

    def _collect(self, sums, tile: Tile, image, names):
        own = self.canvas.own(tile, tile.window(image), self._first)
        means = self._means(tile, own, names)
        if sums is None:
            maps = {layer: self._empty(own[layer], tile.cells(layer)) for layer in self._maps}
        else:
            maps = sums["maps"]
            means = tf.nest.map_structure(tf.add, sums["means"], means)
        maps = {layer: tile.put(whole, own[layer], layer) for layer, whole in maps.items()}
        return {"maps": maps, "means": means}

    @staticmethod
    def _empty(own, cells):
        shape = (own.shape[0], *cells, own.shape[-1])
        return tf.raw_ops.Empty(shape=shape, dtype=own.dtype, init=True)

    def _add_gradient(self, whole, tile: Tile, image, slopes):
        def see(window):
            own = self.canvas.own(tile, window, self._first)
            maps = {layer: own[layer] for layer in self._maps}
            return {"maps": maps, "means": self._means(tile, own, slopes["means"])}

        parts = {layer: tile.part(slope, layer) for layer, slope in slopes["maps"].items()}
        return tile.add(whole, pulled_back(see, tile.window(image), slopes | {"maps": parts}))


class StagedCanvas(TiledCanvas):
    """A canvas that extracts features in tiles up to a cut, and as a whole after it.

    Parameters
    ----------
    *args, **options
        See `TiledCanvas`.
    cut : str
        A layer.
    """

    def __init__(self, *args: Any, cut: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.cut = cut
        self._stages: dict[tuple[str, ...], keras.Model] = {}

    def following(self, feature: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Return the features of layers after the cut, from the feature map of the cut."""
        features = self.stage(layers)(feature)
        return {layer: features[self.extractor.resolve(layer)] for layer in layers}

    def stage(self, layers: Iterable[str]) -> keras.Model:
        """Return the network from the cut to some layers after it."""
        layers = tuple(layers)
        if layers not in self._stages:
            self._stages[layers] = self.extractor.stages(layers, (self.cut,), self.dtype)[-1]
        return self._stages[layers]

    def extract(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Return the features of an image; see `Canvas.extract`."""
        first, rest = split(self.extractor, layers, self.cut)
        self.check_size(rest, image.shape[1:3])
        features = super().extract(image, dict.fromkeys((*first, self.cut)) if rest else first)
        if rest:
            features |= self.following(features[self.cut], rest)
        return {layer: features[layer] for layer in (*first, *rest)}

    def statistics(self, statistic: Callable, masks: Mapping[str, Any]) -> dict[str, Any]:
        """Return a statistic of the features of a picture; see `Canvas.statistics`."""
        return Canvas.statistics(self, statistic, masks)


def cut_of(extractor: FeatureExtractor, recompute: Literal[True] | str) -> str:
    """Return the name of the layer up to which activations are not kept.

    If `recompute` is True, it is the first layer whose number of cells is at most 1/16 of the
    number of pixels. If the network has no such layer, it is the smallest layer.
    """
    if recompute is not True:
        return extractor.resolve(recompute)
    smallest, most = None, 1
    for layer in extractor.layer_names:
        stride = math.prod(extractor.stride(layer))
        if stride > most:
            smallest, most = layer, stride
        if most >= 16:
            break
    if smallest is None:
        problem = "no layer of the network is smaller than the picture"
        fail(problem, hint="give the layer as `recompute`", argument="recompute")
    return smallest


def split(
    extractor: FeatureExtractor, layers: Iterable[str], cut: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the layers up to the cut, and the layers after it."""
    place = extractor.layer_names.index
    sides: tuple[list[str], list[str]] = ([], [])
    for layer in layers:
        sides[place(extractor.resolve(layer)) > place(cut)].append(layer)
    return tuple(sides[0]), tuple(sides[1])
