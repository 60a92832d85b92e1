"""Objectives for losses on means over cells. Means of tiles are combined by mask mass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeGuard

import numpy as np
import tensorflow as tf

from stylekit.functional import EPSILON
from stylekit.losses import Loss, TileableLoss
from stylekit.losses.base import per_picture
from stylekit.transfer.memory.tiles import Tile
from stylekit.transfer.objective import Objective


class PartedObjective(Objective):
    """`Objective` that evaluates losses on means (`TileableLoss.is_mean`) tile by tile.

    The targets of such a loss are a tuple with one entry for each of the loss's parts.
    """

    keeps_trace = False  # the masses of masks are constants of the trace
    can_compile = False  # XLA requires that the slice that a loop takes is known beforehand

    def _prepare(self, term):
        if not is_mean(term):
            return super()._prepare(term)
        return tuple(part.prepare(self.canvas) for part in term.parts)

    def _prepared(self) -> None:
        """Sum the masks of each part over all cells."""
        self._masses = {
            name: [{k: mass(target.get("mask")) for k, target in part.items()} for part in targets]
            for name, targets in self.targets.items()
            if is_mean(self.terms[name])
        }

    def _tileable(self, name: str) -> TileableLoss:
        """Return a loss that can be evaluated in tiles."""
        term = self.terms[name]
        assert isinstance(term, TileableLoss)
        return term

    def _means(self, tile: Tile, features: Mapping[str, Any], names: Iterable[str]):
        """Return the contribution of a tile to the means of some losses.

        Parameters
        ----------
        tile : Tile
        features : mapping of str to tensor
            The tile's own cells of some layers. Each part of a loss receives the layers that it
            reads.
        names : iterable of str
            Names of the losses.

        Returns
        -------
        dict of str to list of dict
            For each loss, the means of each of its parts by layer.
        """
        result: dict[str, list[dict]] = {}
        extractor = self.canvas.extractor
        for name in names:
            result[name] = []
            parts = self._tileable(name).parts, self.targets[name], self._masses[name]
            for part, targets, masses in zip(*parts, strict=True):
                own = {
                    layer: {
                        key: tile.part(value, layer) if key in part.per_cell else value
                        for key, value in target.items()
                    }
                    for layer, target in targets.items()
                    if layer in features
                }
                read = part.layers_of(extractor)
                seen = {layer: features[layer] for layer in read if layer in features}
                means = part.means(seen, own).items()
                result[name].append(
                    {k: tile.weigh(m, k, own[k].get("mask"), masses[k]) for k, m in means}
                )
        return result

    def _value(self, name: str, means, batch: int):
        """Return the value of a loss from the means of its parts."""
        parts = zip(self._tileable(name).parts, means, self.targets[name], strict=True)
        value = sum(tf.cast(part.value(*rest), self.dtype) for part, *rest in parts)
        return self._checked_value(name, per_picture(value, batch), batch)


def is_mean(term: Loss) -> TypeGuard[TileableLoss]:
    """Return whether a loss can be evaluated in tiles."""
    return (
        isinstance(term, TileableLoss)
        and term.layers != ()
        and all(part.is_mean for part in term.parts)
    )


def mass(mask) -> float | None:
    """Return the sum of a mask over all cells, or None without a mask."""
    return None if mask is None else max(float(np.sum(mask, dtype="float64")), EPSILON)


def pulled_back(see: Callable, window, slopes):
    """Return the gradient with respect to a window, given that with respect to `see(window)`.

    Parameters
    ----------
    see : callable
        Takes the window and returns nested tensors.
    window : tensor [B, h, w, 3]
    slopes : nested tensors
        Gradient of the objective with respect to what `see` returns.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(window)
        seen = see(window)
    seen, slopes = tf.nest.flatten(seen), tf.nest.flatten(slopes)
    return tape.gradient(seen, window, slopes, unconnected_gradients="zero")
