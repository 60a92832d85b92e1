"""The network that paints a photograph in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from stylekit._checks import fail, integer
from stylekit.functional import Tensor

WIDTHS = (16, 32, 64)
"""Channels at full, half and quarter size: half of the paper's, so that two cores paint a picture
of 512 pixels in under half a second."""

BLOCKS = 5
"""Residual blocks at quarter size, as in the paper."""

EDGE = 9
"""Side of the first and the last kernel, as in the paper."""

registered = keras.saving.register_keras_serializable(package="stylekit")


@registered
class ReflectedConvolution(keras.layers.Layer):
    """A convolution that sees its feature map reflected at the borders.

    Parameters
    ----------
    filters, size : int
        Channels of the output, and side of the kernel, which is odd.
    strides : int
    **options
        See `keras.layers.Layer`.
    """

    def __init__(self, filters: int, size: int = 3, strides: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.filters, self.size, self.strides = filters, size, strides
        self.convolution = keras.layers.Conv2D(
            filters, size, strides, data_format="channels_last", dtype=self.dtype_policy
        )

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights."""
        self.convolution.build(shape)

    def call(self, x: Tensor) -> Tensor:
        """Return ``[B, ceil(h / strides), ceil(w / strides), filters]``."""
        side = (self.size // 2, self.size // 2)
        return self.convolution(ops.pad(x, ((0, 0), side, side, (0, 0)), mode="reflect"))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        own = {"filters": self.filters, "size": self.size, "strides": self.strides}
        return super().get_config() | own


@registered
class InstanceNormalization(keras.layers.Layer):
    """Brings each channel of each picture to a learned mean and deviation.

    References
    ----------
    Ulyanov, Vedaldi, Lempitsky: Instance Normalization: The Missing Ingredient for Fast
    Stylization, 2016.
    """

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights."""
        self.scale = self.add_weight((shape[-1],), "ones", name="scale")
        self.shift = self.add_weight((shape[-1],), "zeros", name="shift")

    def call(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of `x`."""
        mean, variance = ops.moments(x, axes=(1, 2), keepdims=True)
        scale = self.scale * ops.rsqrt(variance + 1e-5)
        return x * scale + (self.shift - mean * scale)


@registered
class Enlargement(keras.layers.Layer):
    """Doubles a feature map by repeating its cells, and cuts it to the size of another.

    A convolution behind it has no checkerboard, which a transposed convolution has.

    References
    ----------
    Odena, Dumoulin, Olah: Deconvolution and Checkerboard Artifacts, Distill 2016.
    """

    def call(self, x: Tensor, like: Tensor) -> Tensor:
        """Return ``[B, H, W, C]`` for ``[B, ceil(H / 2), ceil(W / 2), C]`` and `like`."""
        _, height, width, _ = ops.shape(like)
        return ops.repeat(ops.repeat(x, 2, axis=1), 2, axis=2)[:, :height, :width]


@registered
class StyleNetwork(keras.Model):
    """A network from photographs to paintings, ``[B, H, W, 3]`` in [0, 1], of equal size.

    A side has at least 5 pixels; `Painter` takes any.

    Parameters
    ----------
    about : mapping of str
        What it was trained on and how, as JSON has it; saved with it.
    widths, blocks
        See `WIDTHS` and `BLOCKS`.
    **options
        See `keras.Model`.

    Notes
    -----
    Johnson et al.'s network with these departures: half the channels; instance normalisation in
    the place of batch normalisation; enlargement by repetition before a convolution, in the place
    of a transposed convolution; reflection at the borders of every convolution (`Painter` adds one
    at the picture's, of 24 pixels), in the place of one of 40 pixels; and a sigmoid for the scaled
    hyperbolic tangent.

    References
    ----------
    Johnson, Alahi, Fei-Fei: Perceptual Losses for Real-Time Style Transfer and Super-Resolution,
    ECCV 2016, and its supplement, table 1.
    """

    def __init__(
        self,
        about: Mapping[str, Any],
        widths: tuple[int, int, int] = WIDTHS,
        blocks: int = BLOCKS,
        **options: Any,
    ) -> None:
        if not isinstance(widths, list | tuple) or len(widths) != 3:
            fail(
                "`widths` are wrong",
                expected="three numbers of channels",
                received=repr(widths),
                argument="widths",
            )
        for width in widths:
            integer(width, "widths", low=1, high=1024)
        integer(blocks, "blocks", low=0, high=64)
        image = keras.Input((None, None, 3), name="image")
        full, half, quarter = widths
        at_full = _convolved(image * 2.0 - 1.0, full, EDGE)
        at_half = _convolved(at_full, half, strides=2)
        x = _convolved(at_half, quarter, strides=2)
        for _ in range(blocks):
            x = x + _convolved(_convolved(x, quarter), quarter, relu=False)
        x = _convolved(Enlargement()(x, at_half), half)
        x = _convolved(Enlargement()(x, at_full), full)
        super().__init__(image, ops.sigmoid(ReflectedConvolution(3, EDGE)(x)), **options)
        self.about, self.widths, self.blocks = dict(about), tuple(widths), blocks

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        own = {"about": self.about, "widths": list(self.widths), "blocks": self.blocks}
        return own | {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> StyleNetwork:
        """Return a network from what `get_config` returned."""
        return cls(**config)


def _convolved(x: Tensor, filters: int, size: int = 3, strides: int = 1, relu: bool = True):
    x = InstanceNormalization()(ReflectedConvolution(filters, size, strides)(x))
    return ops.relu(x) if relu else x
