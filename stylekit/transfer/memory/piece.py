"""The part of a network that is evaluated in one call, used to estimate memory."""

from __future__ import annotations

import collections
import dataclasses
import math

import keras
import tensorflow as tf

from stylekit.features._cpu import winograd
from stylekit.features._cpu.convolution import FrozenConv2D
from stylekit.features.graph import calls


@dataclasses.dataclass(frozen=True)
class Piece:
    """A network, or a part of it, at one size.

    Attributes
    ----------
    network : keras.Model
    shape : (int, int)
        (H, W) of the picture or window on which it is evaluated.
    without : frozenset of str
        Layers whose feature maps are not held.
    kinds : int
        Number of kinds of windows. Windows are of one kind if they own the same number of cells.
    """

    network: keras.Model
    shape: tuple[int, int]
    without: frozenset[str] = frozenset()
    kinds: int = 1

    def maps(self) -> dict[str, int]:
        """Return the bytes of the feature maps for one picture, by operation."""
        sizes: collections.Counter[str] = collections.Counter()
        for operation, outputs in self._operations():
            sizes[operation.name] += sum(map(_bytes, outputs))
        return dict(sizes)

    def outputs(self) -> dict[str, int]:
        """Return the bytes of the feature map of each layer that is read, for one picture."""
        specs = self.network.compute_output_spec(self._image())
        return {name: _bytes(one) for name, one in specs.items() if name not in self.without}

    def shapes(self) -> dict[str, tuple[int, int, int]]:
        """Return height, width and channels of the feature map of each layer that is read."""
        specs = self.network.compute_output_spec(self._image())
        return {name: tuple(one.shape[1:]) for name, one in specs.items()}

    def working(self) -> int:
        """Return the most bytes that one convolution needs temporarily, for one picture."""
        needs = [
            winograd.working(outputs[0], operation.kernel)
            for operation, outputs in self._operations()
            if isinstance(operation, FrozenConv2D)
        ]
        return max(needs, default=0)

    def _image(self):
        given = self.network.inputs[0]
        return keras.KerasTensor((1, *self.shape, given.shape[-1]), dtype=given.dtype)

    def _operations(self):
        """Yield the operations that are evaluated, with descriptions of their outputs."""
        image = self._image()
        left_out = {id(image)} if self.without else set()
        for operation, inputs, outputs in calls(self.network, [image]):
            # The output of a function, such as a slice, is not held if the inputs of the function
            # are not held.
            layer = isinstance(operation, keras.layers.Layer)
            part = not layer and all(id(one) in left_out for one in inputs)
            if part or operation.name in self.without:
                left_out.update(map(id, outputs))
            else:
                yield operation, outputs


def _bytes(spec) -> int:
    return math.prod(spec.shape) * tf.as_dtype(spec.dtype).size
