"""The objective of a picture larger than memory: the same value and gradient, tile by tile.

Of a layer, let S be the means over its cells that the terms are made of, and S_t those over the
cells which tile t owns, with the share m_t of the mass: ``S = sum_t m_t S_t``. The terms are
functions of S, so that with ``D = dL/dS`` the gradient is ``dL/dx = sum_t m_t d<D, S_t>/dx``. One
pass over the tiles sums S; a second one, with D known, adds each window's gradient to the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from stylekit._checks import fail, integer
from stylekit.features import FeatureExtractor
from stylekit.functional import EPSILON
from stylekit.losses import Canvas, Loss, StatisticLoss
from stylekit.losses.base import per_picture
from stylekit.transfer.objective import Objective, named_terms
from stylekit.transfer.tiles import Tile, Tiling


class TiledObjective(Objective):
    """`Objective` in windows of bounded size, so that memory does not grow with activations.

    Value and gradient are those of `Objective` at every size, but for rounding. Each evaluation
    takes the network forward twice and backward once over every window: a tile of T pixels and a
    halo h on either side, 80 for VGG19 to conv5_1, cost ``c ((T + 2 h) / T)^2`` of the untiled
    time, where c is 3 / 2 by count of the passes.

    Parameters
    ----------
    losses, extractor, shape, base_shape, picture, precision
        See `Objective`.
    tile : int
        Most pixels of a tile's side. It is rounded down to the total stride of the deepest layer.

    Raises
    ------
    InputError
        If a term's value does not follow from means over positions; and as `Objective`.

    Notes
    -----
    Terms without layers are taken of the whole image at once. The feature maps of a content are
    held whole; of a style, however large, the statistics alone.
    """

    def __init__(
        self,
        losses: Sequence[Loss],
        extractor: FeatureExtractor,
        shape: tuple[int, int],
        *,
        tile: int,
        base_shape: tuple[int, int] | None = None,
        picture=None,
        precision: str = "float32",
    ) -> None:
        self._tile = integer(tile, "tile", low=1)
        for name, term in named_terms(losses).items():
            _check_term(name, term)
        super().__init__(
            losses, extractor, shape, base_shape=base_shape, picture=picture, precision=precision
        )
        self._tiling = self.canvas.tiling(self._layers, shape) if self._layers else None
        self._masses = {
            name: [{k: _mass(target.get("mask")) for k, target in part.items()} for part in targets]
            for name, targets in self.targets.items()
            if self.terms[name].layers
        }

    def _canvas(self, extractor, shape, **options):
        return TiledCanvas(extractor, shape, tile=self._tile, **options)

    def _prepare(self, term):
        if not term.layers:
            return term.prepare(self.canvas)
        return tuple(part.prepare(self.canvas) for part in term.parts)

    def _term_gradients(self, image, weights):
        gradients: dict[str, Any] = {}
        for name in self.terms:
            # One after the other: side by side they would fill the memory.
            with tf.control_dependencies(list(gradients.values())):
                shown = tf.identity(image)
            gradients[name] = self._evaluate(shown, weights, only=name)[2]
        return gradients

    def _evaluate(self, values, weights, render=None, only=None):
        names = [name for name in self.terms if only in (None, name)]
        tiled = [name for name in names if self.terms[name].layers]
        weights = dict(zip(self.terms, tf.unstack(weights), strict=True))
        batch = values.shape[0]

        def weighed(terms):
            return sum((weights[name] * terms[name] for name in terms), tf.zeros(batch, self.dtype))

        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(values)
            image = values if render is None else render(values)
            terms = {}
            for name in (name for name in names if name not in tiled):
                value = self.terms[name].compute(image, {}, self.targets[name])
                terms[name] = self._checked_value(name, value, batch)
            total = weighed(terms)
            scaled = total * self._scale
        gradient = tape.gradient(scaled, image, unconnected_gradients="zero")

        if tiled:
            # Not beside the terms of the whole image, whose memory would add to that of a tile.
            with tf.control_dependencies([gradient]):
                shown = tf.identity(image)
            means = self._tiling.fold(lambda sums, tile: self._add_means(sums, tile, shown, tiled))
            with tf.GradientTape(watch_accessed_variables=False) as tape_of_means:
                tape_of_means.watch(means)
                values_of = {name: self._value(name, means[name], batch) for name in tiled}
                part = weighed(values_of)
                scaled = part * self._scale
            slopes = tape_of_means.gradient(scaled, means, unconnected_gradients="zero")
            gradient = self._tiling.fold(
                lambda whole, tile: self._add_gradient(whole, tile, shown, slopes), gradient
            )
            terms |= values_of
            total += part
        if render is not None:
            gradient = tape.gradient(image, values, gradient, unconnected_gradients="zero")
        return total, {name: terms[name] for name in names}, gradient / self._scale

    def _add_means(self, sums, tile: Tile, image, names):
        means = self._means(tile, tile.window(image), names)
        return means if sums is None else tf.nest.map_structure(tf.add, sums, means)

    def _add_gradient(self, whole, tile: Tile, image, slopes):
        window = tile.window(image)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(window)
            means = self._means(tile, window, slopes)
            pairs = zip(tf.nest.flatten(slopes), tf.nest.flatten(means), strict=True)
            inner = sum(
                (tf.reduce_sum(slope * mean) for slope, mean in pairs), tf.zeros((), self.dtype)
            )
        return tile.add(whole, tape.gradient(inner, window, unconnected_gradients="zero"))

    def _means(self, tile: Tile, window, names) -> dict[str, list[dict]]:
        """Return the tile's share of the means: by term, a dict by layer for each of its parts."""
        features = self.canvas.extract_window(window, self._layers)
        features = {layer: tile.own(feature, layer) for layer, feature in features.items()}
        result = {}
        for name in names:
            result[name] = []
            parts = self.terms[name].parts, self.targets[name], self._masses[name]
            for part, targets, mass in zip(*parts, strict=True):
                own = {
                    layer: {
                        key: tile.part(value, layer) if key in part.per_cell else value
                        for key, value in target.items()
                    }
                    for layer, target in targets.items()
                }
                seen = {layer: features[layer] for layer in part.layers}
                means = part.means(seen, own).items()
                result[name].append(
                    {k: tile.weigh(m, k, own[k].get("mask"), mass[k]) for k, m in means}
                )
        return result

    def _value(self, name: str, means, batch: int):
        parts = zip(self.terms[name].parts, means, self.targets[name], strict=True)
        value = sum(tf.cast(part.value(*rest), self.dtype) for part, *rest in parts)
        return self._checked_value(name, per_picture(value, batch), batch)


class TiledCanvas(Canvas):
    """A canvas that extracts features tile by tile.

    Parameters
    ----------
    tile : int
        See `TiledObjective`; the others are those of `Canvas`.
    """

    def __init__(self, *args, tile: int, **options) -> None:
        super().__init__(*args, **options)
        self.tile = tile

    def tiling(self, layers: Iterable[str], shape: tuple[int, int]) -> Tiling:
        """Return the tiles of a picture for some layers."""
        for layer in layers:
            self.extractor.check_windows(layer)
        return Tiling(self.extractor, layers, shape, self.tile)

    def extract_window(self, window, layers: Iterable[str]):
        """Return the features of one window; see `Canvas.extract`."""
        return super().extract(window, layers)

    def extract(self, image, layers):
        """Return the features of an image, put together from its tiles; see `Canvas.extract`."""
        layers = tuple(layers)
        if not layers:
            return {}
        self.check_size(layers, image.shape[1:3])
        rows: dict[str, list] = {layer: [] for layer in layers}
        for tiles in self.tiling(layers, image.shape[1:3]).rows():
            row: dict[str, list] = {layer: [] for layer in layers}
            for tile in tiles:
                features = self.extract_window(tile.window(image), layers)
                for layer in layers:
                    row[layer].append(tile.own(features[layer], layer))
            for layer in layers:
                rows[layer].append(tf.concat(row[layer], axis=2))
        return {layer: tf.concat(rows.pop(layer), axis=1) for layer in layers}

    def statistics(self, statistic, masks):
        """Return the mean of a statistic over the tiles by mass; see `Canvas.statistics`."""
        image = self.image
        self.check_size(masks, image.shape[1:3])
        masses = {layer: _mass(mask) for layer, mask in masks.items()}

        def add(sums, tile):
            features = self.extract_window(tile.window(image), masks)
            found = {}
            for layer, mask in masks.items():
                own, mask = tile.own(features[layer], layer), tile.part(mask, layer)
                found[layer] = tile.weigh(statistic(own, mask), layer, mask, masses[layer])
            return found if sums is None else tf.nest.map_structure(tf.add, sums, found)

        return self.tiling(masks, image.shape[1:3]).fold(add) if masks else {}


def _mass(mask) -> float | None:
    return None if mask is None else max(float(np.sum(mask, dtype="float64")), EPSILON)


def _check_term(name: str, term: Loss) -> None:
    if not term.layers or all(part.is_mean for part in term.parts):
        return
    hint = "take the picture as a whole, at a smaller size"
    if isinstance(term, StatisticLoss):
        hint += ", or set is_mean = True if the statistic is a mask-weighted mean"
    fail(
        f"the term {name!r} cannot be taken tile by tile",
        expected="a term that is made of means over positions, as ContentLoss and GramStyleLoss",
        received=type(term).__name__,
        hint=hint,
    )
