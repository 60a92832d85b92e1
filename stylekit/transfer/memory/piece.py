"""What of a network is evaluated at once, counted before it is."""

from __future__ import annotations

import collections
import dataclasses
import math

import keras
import tensorflow as tf

from stylekit.features._cpu import winograd
from stylekit.features._cpu.convolution import FrozenConv2D


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
    kinds : int
        Of windows: those of a kind own as many cells.
    """

    network: keras.Model
    shape: tuple[int, int]
    without: frozenset[str] = frozenset()
    kinds: int = 1

    def maps(self) -> dict[str, int]:
        """Return the bytes of each feature map of one picture, by layer."""
        sizes: collections.Counter[str] = collections.Counter()
        for layer, spec in self._layers():
            sizes[layer.name] += math.prod(spec.shape) * tf.as_dtype(spec.dtype).size
        return dict(sizes)

    def working(self) -> int:
        """Return the bytes that the neediest convolution of one picture takes while it is taken."""
        needs = [
            winograd.working(spec, layer.kernel)
            for layer, spec in self._layers()
            if isinstance(layer, FrozenConv2D)
        ]
        return max(needs, default=0)

    def _layers(self):
        """Yield the layers that are evaluated, each with a description of its feature map."""
        layers = [x for x in self.network.layers if not isinstance(x, keras.layers.InputLayer)]
        for inner in (layer for layer in layers if isinstance(layer, keras.Model)):
            # A user's network behind its preprocessing.
            yield from Piece(inner, self.shape, self.without)._layers()
        layers = [layer for layer in layers if not isinstance(layer, keras.Model)]
        if layers:
            given = self.network.inputs[0]
            given = keras.KerasTensor((1, *self.shape, given.shape[-1]), dtype=given.dtype)
            probe = keras.Model(self.network.inputs, [layer.output for layer in layers])
            for layer, specs in zip(layers, probe.compute_output_spec(given), strict=True):
                if layer.name not in self.without:
                    yield from ((layer, spec) for spec in keras.tree.flatten(specs))
