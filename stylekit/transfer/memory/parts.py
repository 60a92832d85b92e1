"""The objective of terms that are means over cells, which tiles of a picture combine by mass."""

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
    """`Objective` whose terms that are means (`TileableLoss.is_mean`) can be taken tile by tile.

    Their targets are a tuple of those of the term's parts.
    """

    keeps_trace = False  # the masses of masks are its constants
    can_compile = False  # XLA wants to know beforehand which slice a loop takes

    def _prepare(self, term):
        if not is_mean(term):
            return super()._prepare(term)
        return tuple(part.prepare(self.canvas) for part in term.parts)

    def _prepared(self) -> None:
        """Sum each part's masks over all their cells."""
        self._masses = {
            name: [{k: mass(target.get("mask")) for k, target in part.items()} for part in targets]
            for name, targets in self.targets.items()
            if is_mean(self.terms[name])
        }

    def _tileable(self, name: str) -> TileableLoss:
        """Return a term that tiles can take."""
        term = self.terms[name]
        assert isinstance(term, TileableLoss)
        return term

    def _means(self, tile: Tile, features: Mapping[str, Any], names: Iterable[str]):
        """Return a tile's share of the means of some terms.

        Parameters
        ----------
        tile : Tile
        features : mapping of str to tensor
            The tile's own cells of the layers that it is to see; parts see what they read of them.
        names : iterable of str

        Returns
        -------
        dict of str to list of dict
            By term, for each of its parts: the means by layer.
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
        """Return a term's value from the means of its parts."""
        parts = zip(self._tileable(name).parts, means, self.targets[name], strict=True)
        value = sum(tf.cast(part.value(*rest), self.dtype) for part, *rest in parts)
        return self._checked_value(name, per_picture(value, batch), batch)


def is_mean(term: Loss) -> TypeGuard[TileableLoss]:
    """Return whether tiles can take a term."""
    return (
        isinstance(term, TileableLoss)
        and term.layers != ()
        and all(part.is_mean for part in term.parts)
    )


def mass(mask) -> float | None:
    """Return the sum of a mask over all its cells."""
    return None if mask is None else max(float(np.sum(mask, dtype="float64")), EPSILON)


def pulled_back(see: Callable, window, slopes):
    """Return the gradient with respect to a window of what is seen of it, given the slopes.

    Parameters
    ----------
    see : callable
        From the window to nested tensors.
    window : tensor [B, h, w, 3]
    slopes : nested tensors
        Of the objective with respect to what `see` returns.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(window)
        seen = see(window)
    seen, slopes = tf.nest.flatten(seen), tf.nest.flatten(slopes)
    return tape.gradient(seen, window, slopes, unconnected_gradients="zero")
