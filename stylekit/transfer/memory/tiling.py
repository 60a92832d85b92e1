"""The objective in tiles, for pictures that need more memory than there is.

For a layer, let S be the means over its cells that the losses use, and S_t the means over the cells
that tile t owns, where m_t is the tile's share of the mask's sum. Then ``S = sum_t m_t S_t``. The
losses are functions of S. With ``D = dL/dS``, the gradient is ``dL/dx = sum_t m_t d<D, S_t>/dx``. A
first pass over the tiles computes S. A second pass, with D known, adds the gradient of each window
to the whole. A loss that reads no layers and is a mean over pixels is computed in one pass, one
band of rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeGuard

import tensorflow as tf

from stylekit._checks import fail, integer
from stylekit.features import FeatureExtractor
from stylekit.functional import Tensor
from stylekit.losses import Canvas, Loss, StatisticLoss, TileableLoss
from stylekit.transfer.memory.bands import Band, Bands
from stylekit.transfer.memory.parts import PartedObjective, is_mean, mass, pulled_back
from stylekit.transfer.memory.tiles import Tile, Tiling
from stylekit.transfer.objective import named_terms


class TiledObjective(PartedObjective):
    """`Objective` that evaluates one window at a time, which limits the memory of activations.

    The value and gradient are the same as in `Objective` at every size, up to rounding errors. Each
    evaluation computes the network twice forward and once backward in every window. With tiles of T
    pixels and a halo of h on either side, which is 80 for VGG19 up to conv5_1, an evaluation takes
    ``c ((T + 2 h) / T)^2`` times as long as without tiles, where c = 3 / 2 follows from the number
    of passes.

    Parameters
    ----------
    losses, extractor, shape, **options
        See `Objective`.
    tile : int
        Largest side of a tile in pixels, at least 1. It is rounded down to a multiple of the total
        stride of the deepest layer.

    Raises
    ------
    InputError
        If a loss is not a function of means over positions, or for the same reasons as in
        `Objective`.

    Notes
    -----
    A loss without layers is computed in bands of as many pixels as a tile if it declares its reach
    (`TileableLoss.reach`), and otherwise for the whole image at once. The feature maps of a content
    are held as a whole. For a style, only the statistics are held, whatever its size.
    """

    canvas: TiledCanvas

    def __init__(
        self,
        losses: Sequence[Loss],
        extractor: FeatureExtractor,
        shape: tuple[int, int],
        *,
        tile: int,
        **options: Any,
    ) -> None:
        self._tile = integer(tile, "tile", low=1)
        for name, term in named_terms(losses).items():
            check_term(name, term)
        super().__init__(losses, extractor, shape, **options)
        self._tiling = self.canvas.tiling(self._layers, shape) if self._layers else None
        self._prepared()

    def _prepared(self):
        super()._prepared()
        self._banded = {
            name: mass((self.targets[name] or {}).get("mask"))
            for name, term in self.terms.items()
            if _in_bands(term) and name in self.targets
        }
        reach = max((self._tileable(name).reach or 0 for name in self._banded), default=0)
        self._bands = Bands(self.canvas.shape, self._tile**2, reach)

    def _canvas(self, extractor, shape, **options) -> TiledCanvas:
        return TiledCanvas(extractor, shape, tile=self._tile, **options)

    def _term_gradients(self, image, weights):
        gradients: dict[str, Any] = {}
        for name in self.terms:
            # Compute the gradients one after the other, because their memory adds up if they are
            # computed in parallel.
            with tf.control_dependencies(list(gradients.values())):
                shown = tf.identity(image)
            gradients[name] = self._evaluate(shown, weights, only=name)[2]
        return gradients

    def _evaluate(self, values, weights, render=None, only=None):
        names = [name for name in self.terms if only in (None, name)]
        tiled = [name for name in names if self._reads[name]]
        banded = [name for name in names if name in self._banded]
        weights = dict(zip(self.terms, tf.unstack(weights), strict=True))
        batch = values.shape[0]

        def weighed(terms):
            return sum((weights[name] * terms[name] for name in terms), tf.zeros(batch, self.dtype))

        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(values)
            image = values if render is None else render(values)
            terms = {}
            for name in (name for name in names if name not in tiled + banded):
                terms[name] = self._computed(name, image, {}, self.targets[name])
            total = weighed(terms)
            scaled = total * self._scale
        gradient = tape.gradient(scaled, image)
        if gradient is None:
            # Gradients are added in place. tf.zeros would be a constant, which is kept in addition
            # to its copy.
            gradient = tf.raw_ops.Empty(shape=tf.shape(image), dtype=image.dtype, init=True)

        if banded:
            zeros = {name: tf.zeros(batch, self.dtype) for name in banded}
            sums, gradient = self._bands.fold(
                lambda state, band: self._add_band(state, band, image, weighed), (zeros, gradient)
            )
            terms |= sums
            total += weighed(sums)
        if self._tiling is not None and tiled:
            # This follows the losses of the whole image, whose memory would add to that of a tile.
            with tf.control_dependencies([gradient]):
                shown = tf.identity(image)
            means = self._tiling.fold(lambda sums, tile: self._add_means(sums, tile, shown, tiled))
            with tf.GradientTape(watch_accessed_variables=False) as tape_of_means:
                tape_of_means.watch(means)
                values_of = {name: self._value(name, means[name], batch) for name in tiled}
                part = weighed(values_of)
                scaled = part * self._scale
            slopes = tape_of_means.gradient(scaled, means, unconnected_gradients="zero")
            with tf.control_dependencies(tf.nest.flatten(slopes)):  # after the first pass
                again = tf.identity(image)
            gradient = self._tiling.fold(
                lambda whole, tile: self._add_gradient(whole, tile, again, slopes), gradient
            )
            terms |= values_of
            total += part
        if render is not None:
            gradient = tape.gradient(image, values, gradient, unconnected_gradients="zero")
        return total, {name: terms[name] for name in names}, gradient / self._scale

    def _add_band(self, state, band: Band, image, weighed):
        sums, whole = state
        rows = band.cut(image)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(rows)
            found = {name: self._band_value(name, band, rows) for name in sums}
            scaled = weighed(found) * self._scale
        sums = tf.nest.map_structure(lambda total, value: total + band.sign * value, sums, found)
        gradient = tape.gradient(scaled, rows, unconnected_gradients="zero")
        return sums, band.add(whole, gradient)

    def _band_value(self, name: str, band: Band, rows):
        """Return the mean of a loss over rows, times their share of the picture or mask."""
        term, whole = self._tileable(name), self._banded[name]
        targets = self.targets[name] and {
            key: band.cut(value) if key in term.per_cell and value is not None else value
            for key, value in self.targets[name].items()
        }
        value = self._computed(name, rows, {}, targets)
        if whole is None:
            return value * (band.rows / self.canvas.shape[0])
        share = tf.reduce_sum(tf.cast(targets["mask"], tf.float64)) / whole
        return value * tf.cast(share, value.dtype)

    def _add_means(self, sums, tile: Tile, image, names):
        means = self._means(tile, self.canvas.own(tile, tile.window(image), self._layers), names)
        return means if sums is None else tf.nest.map_structure(tf.add, sums, means)

    def _add_gradient(self, whole, tile: Tile, image, slopes):
        def see(window):
            return self._means(tile, self.canvas.own(tile, window, self._layers), slopes)

        return tile.add(whole, pulled_back(see, tile.window(image), slopes))


class TiledCanvas(Canvas):
    """A canvas that extracts features in tiles.

    Parameters
    ----------
    *args, **options
        See `Canvas`.
    tile : int
        See `TiledObjective`.
    """

    def __init__(self, *args: Any, tile: int, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.extractor.tile:  # raise also if no loss reads a layer
            self.extractor.check_windows(self.extractor.layer_names[0])
        self.tile = tile

    def tiling(self, layers: Iterable[str], shape: tuple[int, int]) -> Tiling:
        """Return the tiles of a picture for some layers."""
        for layer in layers:
            self.extractor.check_windows(layer)
        return Tiling(self.extractor, layers, shape, self.tile)

    def own(self, tile: Tile, window: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Return the features of a tile's own cells, from its window; see `Canvas.extract`."""
        features = Canvas.extract(self, window, layers)
        shape = window.shape[1:3]
        for layer, feature in features.items():
            cells = [self.extractor.grid(layer, side, k).cells for k, side in enumerate(shape)]
            self.check_cells(layer, shape, feature.shape[1:3], cells)
        return {layer: tile.own(feature, layer) for layer, feature in features.items()}

    def extract(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Return the features of an image, assembled from its tiles; see `Canvas.extract`."""
        layers = tuple(layers)
        if not layers:
            return {}
        self.check_size(layers, image.shape[1:3])
        rows: dict[str, list] = {layer: [] for layer in layers}
        for tiles in self.tiling(layers, image.shape[1:3]).rows():
            row: dict[str, list] = {layer: [] for layer in layers}
            for tile in tiles:
                for layer, own in self.own(tile, tile.window(image), layers).items():
                    row[layer].append(own)
            for layer in layers:
                rows[layer].append(tf.concat(row[layer], axis=2))
        return {layer: tf.concat(rows.pop(layer), axis=1) for layer in layers}

    def statistics(self, statistic: Callable, masks: Mapping[str, Any]) -> dict[str, Any]:
        """Return the mass-weighted mean of a statistic over tiles; see `Canvas.statistics`."""
        image = self.image
        self.check_size(masks, image.shape[1:3])
        masses = {layer: mass(mask) for layer, mask in masks.items()}

        def add(sums, tile):
            found = {}
            for layer, own in self.own(tile, tile.window(image), masks).items():
                mask = tile.part(masks[layer], layer)
                found[layer] = tile.weigh(statistic(own, mask), layer, mask, masses[layer])
            return found if sums is None else tf.nest.map_structure(tf.add, sums, found)

        return self.tiling(masks, image.shape[1:3]).fold(add) if masks else {}


def _in_bands(term: Loss) -> TypeGuard[TileableLoss]:
    return isinstance(term, TileableLoss) and term.layers == () and term.reach is not None


def check_term(name: str, term: Loss) -> None:
    """Raise `InputError` if a loss cannot be evaluated in tiles."""
    if _in_bands(term):
        integer(term.reach, f"the reach of the loss {name!r}", low=0)
    if term.layers == () or is_mean(term):
        return
    hint = "use a plan without tiles, at a smaller size"
    if isinstance(term, StatisticLoss):
        hint += ", or set is_mean = True if the statistic is a mask-weighted mean"
    elif not isinstance(term, TileableLoss):
        hint += ", or derive the class from stylekit.losses.TileableLoss"
    fail(
        f"the loss {name!r} cannot be evaluated in tiles",
        expected="a loss that is a function of means over positions, such as GramStyleLoss",
        received=type(term).__name__,
        hint=hint,
    )
