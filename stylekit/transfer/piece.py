"""What of a network is evaluated at once, counted before it is."""

from __future__ import annotations

import dataclasses
import math

import keras
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Piece:
    """A part of a network at one size.

    Attributes
    ----------
    network : keras.Model
    shape : (int, int)
        (H, W) of the picture, or window, that it is given.
    without : frozenset of str
        Layers whose feature maps are not held.
    """

    network: keras.Model
    shape: tuple[int, int]
    without: frozenset[str] = frozenset()

    def maps(self) -> dict[str, int]:
        """Return the bytes of each feature map of one picture, by layer."""
        layers = [x for x in self.network.layers if not isinstance(x, keras.layers.InputLayer)]
        maps: dict[str, int] = {}
        for inner in (layer for layer in layers if isinstance(layer, keras.Model)):
            maps |= Piece(inner, self.shape).maps()  # a user's network behind its preprocessing
        layers = [layer for layer in layers if not isinstance(layer, keras.Model)]
        if layers:
            given = self.network.inputs[0]
            given = keras.KerasTensor((1, *self.shape, given.shape[-1]), dtype=given.dtype)
            probe = keras.Model(self.network.inputs, [layer.output for layer in layers])
            for layer, spec in zip(layers, probe.compute_output_spec(given), strict=True):
                maps[layer.name] = math.prod(spec.shape) * tf.as_dtype(spec.dtype).size
        return {name: size for name, size in maps.items() if name not in self.without}
