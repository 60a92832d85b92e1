"""The network that paints a photograph in one pass, and its layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from stylekit._checks import fail, integer
from stylekit.functional import Tensor

WIDTHS = (16, 32, 64)
"""Number of channels at full, half and quarter size. They are half the numbers in the paper, so
that two CPU cores paint a picture of 512 pixels in less than half a second."""

BLOCKS = 5
"""Number of residual blocks at quarter size, as in the paper."""

EDGE = 9
"""Side of the kernels of the first and the last convolution, as in the paper."""

registered = keras.saving.register_keras_serializable(package="stylekit")


@registered
class ReflectedConvolution(keras.layers.Layer):
    """A convolution with reflection padding.

    Parameters
    ----------
    filters, size : int
        Number of output channels, and side of the kernel, which must be odd.
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
        """Create the weights."""
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
    """Normalizes each channel of each picture, and applies a learned scale and shift.

    References
    ----------
    Ulyanov, Vedaldi, Lempitsky: Instance Normalization: The Missing Ingredient for Fast
    Stylization, 2016.
    """

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the weights."""
        self.scale = self.add_weight((shape[-1],), "ones", name="scale")
        self.shift = self.add_weight((shape[-1],), "zeros", name="shift")

    def call(self, x: Tensor) -> Tensor:
        """Return the normalized tensor, with the shape of `x`."""
        mean, variance = ops.moments(x, axes=(1, 2), keepdims=True)
        scale = self.scale * ops.rsqrt(variance + 1e-5)
        return x * scale + (self.shift - mean * scale)


@registered
class Enlargement(keras.layers.Layer):
    """Doubles a feature map by nearest-neighbor upsampling, and crops it to a given size.

    Followed by a convolution, it avoids the checkerboard artifacts of a transposed convolution.

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
    """A network that maps photographs to paintings, ``[B, H, W, 3]`` in [0, 1], of the same size.

    Sides must have at least 5 pixels. `Painter` accepts any size.

    Parameters
    ----------
    about : mapping of str
        Description of the training, as JSON. It is saved with the network.
    widths : (int, int, int)
        Channels at full, half and quarter size.
    blocks : int
        Number of residual blocks at quarter size.
    **options
        See `keras.Model`.

    Notes
    -----
    This is the network of Johnson et al. with the following changes: It has half the channels. It
    uses instance normalization instead of batch normalization. Upsampling and a convolution replace
    the transposed convolution. Every convolution has reflection padding, and `Painter` pads the
    picture by 24 pixels; in the paper, the picture is padded by 40 pixels. A sigmoid replaces the
    scaled hyperbolic tangent.

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
                "`widths` must be three integers",
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
        """Return a network with the configuration that `get_config` returned."""
        return cls(**config)


def _convolved(x: Tensor, filters: int, size: int = 3, strides: int = 1, relu: bool = True):
    x = InstanceNormalization()(ReflectedConvolution(filters, size, strides)(x))
    return ops.relu(x) if relu else x
