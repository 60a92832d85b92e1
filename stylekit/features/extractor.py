"""What turns pictures into feature maps, and the geometry that masks need to follow it."""

from __future__ import annotations

import abc
import dataclasses
import re
from collections.abc import Iterable

import keras
from keras import ops

from stylekit._checks import InputTypeError, did_you_mean, explain, fail
from stylekit._defaults import CONTENT_LAYERS, STYLE_LAYERS, VARIATION
from stylekit.features.graph import staged

# The literature counts block and convolution (conv4_2) and names the ReLU after it (relu4_2);
# a Keras convolution carries its ReLU, so that all three names mean one tensor.
_LITERATURE_NAME = re.compile(r"(?:conv|relu)(\d+)_(\d+)")


@dataclasses.dataclass(frozen=True)
class Window:
    """The spatial extent of one operation of a network.

    Attributes
    ----------
    size : int
        Side of its window in cells of its input (dilation included).
    stride : int
        Step between windows.
    padding : str
        ``"same"`` (ceil of the quotient) or ``"valid"`` (floor).
    border : ((int, int), (int, int))
        Cells that are added first: above and below, left and right.
    """

    size: int
    stride: int = 1
    padding: str = "same"
    border: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))


class FeatureExtractor(abc.ABC):
    """A network that maps pictures to named feature maps.

    A subclass gives `layer_names`, `model` and `windows`; the rest follows. Only the extractor
    knows what its network wants: `model` takes RGB in [0, 1] and preprocesses inside.

    Attributes
    ----------
    layer_names : tuple of str
        Every layer that can be asked for, from the picture down.
    style_layers, content_layers : tuple of str
        What the recipes read for style and content, where they are not told.
    style_factor : float
        Weight of the style losses beside the content's at which a `strength` of 0.5 looks like
        one half; see `stylekit.stylize`.
    variation : float
        Weight of the total variation in the recipes, where they are not told.
    """

    layer_names: tuple[str, ...]
    style_layers: tuple[str, ...] = STYLE_LAYERS
    content_layers: tuple[str, ...] = CONTENT_LAYERS
    style_factor: float = 8.0
    variation: float = VARIATION

    @abc.abstractmethod
    def model(self, layers: Iterable[str], dtype: str = "float32") -> keras.Model:
        """Return a network cut after the deepest of `layers`.

        Parameters
        ----------
        layers : iterable of str
            Names that `resolve` accepts.
        dtype : str
            A Keras dtype policy: ``"float32"``, ``"float64"``, ``"mixed_float16"`` or
            ``"mixed_bfloat16"``.

        Returns
        -------
        keras.Model
            Maps ``[B, H, W, 3]`` in [0, 1] to ``{layer: [B, h, w, C]}`` with resolved names.
        """

    def stages(
        self, layers: Iterable[str], cuts: Iterable[str], dtype: str = "float32"
    ) -> tuple[keras.Model, ...]:
        """Return the network of `model` in stages, each of which ends at one of `cuts`.

        Parameters
        ----------
        layers, cuts : iterable of str
            Names that `resolve` accepts.
        dtype : str
            A Keras dtype policy.

        Returns
        -------
        tuple of keras.Model
            From the picture, or the feature map at which the stage before ends, to ``{layer:
            [B, h, w, C]}`` of the stage's own part of `layers` and `cuts`. What lies behind the
            last of `cuts` is the last stage, if anything does.

        Raises
        ------
        InputError
            If the network goes around a cut.
        """
        names = ordered(self, (*layers, *cuts))
        return staged(self.model(names, dtype), names, ordered(self, cuts))

    @abc.abstractmethod
    def windows(self, layer: str) -> tuple[Window, ...]:
        """Return the spatial operations from the picture to `layer`, in order."""

    def check_windows(self, layer: str) -> None:
        """Raise `InputError` if a cell of `layer` sees what `windows` does not tell."""
        self.resolve(layer)

    def resolve(self, layer: str) -> str:
        """Return the network's own name of a layer.

        Parameters
        ----------
        layer : str
            The network's name (``"block4_conv2"``) or the literature's (``"conv4_2"``,
            ``"relu4_2"``), which means the same tensor, after the ReLU.

        Returns
        -------
        str

        Raises
        ------
        InputError
            If the network has no such layer; the message gives the nearest names.
        """
        if not isinstance(layer, str):
            raise InputTypeError(
                explain("a layer is named by a string", expected="block4_conv2", received=layer)
            )
        match = _LITERATURE_NAME.fullmatch(layer)
        name = "block{}_conv{}".format(*match.groups()) if match else layer
        for known in (layer, name):
            if known in self.layer_names:
                return known
        fail(
            f"{type(self).__name__} has no layer {layer!r}",
            hint=did_you_mean(name, self.layer_names)
            or "its layers are " + ", ".join(self.layer_names),
        )

    def pool_mask(self, mask, layer: str):
        """Take a mask through the network's own geometry to a layer.

        Parameters
        ----------
        mask : tensor [1 or B, H, W, 1]
        layer : str

        Returns
        -------
        tensor [1 or B, h, w, 1]
            Average pooled wherever the network strides, with the network's own rounding, so that
            its shape is that of the layer's feature map.
        """
        for window in self.windows(layer):
            mask = _bordered(mask, window.border)
            if window.stride > 1 or (window.padding == "valid" and window.size > 1):
                mask = ops.average_pool(
                    mask,
                    window.size,
                    strides=window.stride,
                    padding=window.padding,
                    data_format="channels_last",
                )
        return mask

    def receptive_field(self, layer: str) -> int:
        """Return the side, in pixels, of the square that one cell of `layer` sees."""
        side, step = 1, 1
        for window in self.windows(layer):
            side += (window.size - 1) * step
            step *= window.stride
        return side

    def smallest_size(self, layer: str) -> int:
        """Return the smallest side, in pixels, of a picture that has a cell at `layer`."""
        side = 1
        for window in reversed(self.windows(layer)):
            side = (side - 1) * window.stride + (window.size if window.padding == "valid" else 1)
            side = max(1, side - min(map(sum, window.border)))
        return side


def _bordered(mask, border):
    """Return a mask with its outermost cells repeated, as far as zero padding adds cells."""
    for axis, (before, after) in enumerate(border, 1):
        if before or after:
            side = mask.shape[axis]
            mask = ops.take(mask, ops.clip(ops.arange(-before, side + after), 0, side - 1), axis)
    return mask


def ordered(extractor: FeatureExtractor, layers: Iterable[str]) -> tuple[str, ...]:
    """Return the resolved names of `layers`, each once, from the picture down."""
    names = {extractor.resolve(layer) for layer in layers}
    return tuple(sorted(names, key=extractor.layer_names.index))
