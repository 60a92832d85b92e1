"""The base class of feature extractors: networks that map pictures to named feature maps."""

from __future__ import annotations

import abc
import bisect
import difflib
import itertools
import math
import re
from collections.abc import Iterable, Mapping

import keras
import numpy as np
from keras import ops

from stylekit._checks import InputTypeError, did_you_mean, explain, fail, naming
from stylekit._defaults import VARIATION
from stylekit.features.geometry import Grid, Window
from stylekit.features.graph import staged
from stylekit.functional import Tensor

# The literature calls a convolution conv4_2 and the ReLU after it relu4_2. A Keras convolution
# includes the ReLU, so that conv4_2, relu4_2 and block4_conv2 all name the same tensor.
_LITERATURE_NAME = re.compile(r"(?:conv|relu)(\d+)_(\d+)")

_VGG_NAME = re.compile(r"block(\d+)_conv(\d+)")

_LONG = 2**20
"""Side, in pixels, of a picture that is larger than any receptive field."""


class Networks(dict):
    """A cache of the networks that an extractor has built. Copies and pickles of it are empty."""

    def __reduce__(self):
        return Networks, ()


class FeatureExtractor(abc.ABC):
    """Base class of networks that map pictures to named feature maps.

    A subclass defines `layer_names`, `model` and `windows`. The model takes RGB pictures in [0, 1];
    preprocessing is part of the model.

    Attributes
    ----------
    layer_names : tuple of str
        All layers, ordered from the picture down.
    style_layers, content_layers : tuple of str
        Default layers of style losses and content losses. If empty, which is the default, losses
        must name their layers.
    style_factor : float
        Weight of the style relative to the content at which a `strength` of 0.5 looks balanced.
        See `stylekit.stylize`.
    variation : float
        Default weight of the total variation in the recipes.
    tile : str or None
        Axes along which the network pads pictures circularly: ``"x"`` (the width), ``"y"`` (the
        height), ``"both"``, or None for neither. A run treats its pictures as periodic along these
        axes; see `CircularPadding`.
    """

    layer_names: tuple[str, ...]
    style_layers: tuple[str, ...] = ()
    content_layers: tuple[str, ...] = ()
    style_factor: float = 8.0
    variation: float = VARIATION
    tile: str | None = None

    @property
    def beside(self) -> FeatureExtractor:
        """Extractor for references that are not periodic, such as styles. Default: `self`."""
        return self

    @abc.abstractmethod
    def model(self, layers: Iterable[str], dtype: str = "float32") -> keras.Model:
        """Return the network up to the deepest of `layers`.

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
            Maps ``[B, H, W, 3]`` in [0, 1] to ``{layer: [B, h, w, C]}``. The keys are the names
            that `resolve` returns.
        """

    def network(self, layers: Iterable[str], dtype: str = "float32") -> keras.Model:
        """Return the result of `model`, after checking it. Errors name the extractor.

        Raises
        ------
        InputTypeError
            If `model` does not return a Keras model.
        InputError
            If the returned model lacks one of `layers`.
        """
        layers = tuple(layers)
        expected = "a keras.Model from [B, H, W, 3] to {layer: [B, h, w, C]}"
        with naming(f"in extractor {type(self).__name__}, method model"):
            network = self.model(layers, dtype)
            if not isinstance(network, keras.Model):
                received = type(network).__name__
                raise InputTypeError(
                    explain(
                        "`model` returned the wrong type", expected=expected, received=received
                    ),
                    argument="extractor",
                )
            if getattr(network, "inputs", None):  # unknown for a subclassed keras.Model
                maps = network.output if isinstance(network.output, Mapping) else {}
                for name in map(self.resolve, layers):
                    if len(getattr(maps.get(name), "shape", ())) != 4:
                        fail(
                            f"`model` returned a model without the feature map {name!r}",
                            expected=expected,
                            received=f"a model to {_outputs(network.output)}",
                            argument="extractor",
                        )
        return network

    def default_layers(self, kind: str) -> tuple[str, ...]:
        """Return the layers that losses read by default.

        Parameters
        ----------
        kind : str
            ``"style_layers"`` or ``"content_layers"``: the attribute to read. Its value may also be
            a single name instead of a tuple.

        Returns
        -------
        tuple of str

        Raises
        ------
        InputError
            If the attribute is empty.
        InputTypeError
            If the attribute is not a tuple of names.
        """
        layers = getattr(self, kind)
        names = tuple(layers) if isinstance(layers, tuple | list) else (layers,)
        if not all(isinstance(name, str) for name in names):
            raise InputTypeError(
                explain(
                    f"`{kind}` of {type(self).__name__} is wrong",
                    expected="a tuple of layer names",
                    received=repr(layers),
                ),
                argument="extractor",
            )
        if not names:
            fail(
                f"{type(self).__name__} declares no `{kind}`",
                expected="the names of layers",
                hint=f"pass `layers` to the losses, or set `{kind}` of the extractor",
                argument="layers",
            )
        return names

    def stages(
        self, layers: Iterable[str], cuts: Iterable[str], dtype: str = "float32"
    ) -> tuple[keras.Model, ...]:
        """Return the network of `model` split into consecutive stages.

        Parameters
        ----------
        layers : iterable of str
            Layers that the stages return, by names that `resolve` accepts.
        cuts : iterable of str
            Layers at which a stage ends and the next stage begins.
        dtype : str
            A Keras dtype policy.

        Returns
        -------
        tuple of keras.Model
            The input of the first stage is the picture. The input of each later stage is the
            feature map at the cut before that stage. A stage returns ``{layer: [B, h, w, C]}`` for
            its `layers` and its cut. The last stage begins at the last cut. It is omitted if none
            of `layers` is deeper than this cut.

        Raises
        ------
        InputError
            If a connection of the network bypasses a cut.
        """
        names = ordered(self, (*layers, *cuts))
        return staged(self.network(names, dtype), names, ordered(self, cuts))

    @abc.abstractmethod
    def windows(self, layer: str) -> tuple[Window, ...]:
        """Return the spatial operations from the picture to `layer`, in order.

        Masks are pooled by these operations. In a network with branches, return the operations of
        the branch with the largest receptive field.
        """

    def checked_windows(self, layer: str) -> tuple[Window, ...]:
        """Return the result of `windows`, after checking it. Errors name the extractor.

        Raises
        ------
        InputTypeError
            If `windows` does not return a sequence of `Window`.
        """
        with naming(f"in extractor {type(self).__name__}, method windows"):
            windows = self.windows(layer)
            if not isinstance(windows, tuple | list) or not all(
                isinstance(window, Window) for window in windows
            ):
                raise InputTypeError(
                    explain(
                        "`windows` returned the wrong type",
                        expected="a tuple of stylekit.features.Window, such as (Window(3),)",
                        received=repr(windows),
                    ),
                    argument="extractor",
                )
        return tuple(windows)

    def grid(self, layer: str, length: int, axis: int) -> Grid:
        """Return the geometry of the cells of `layer` along one axis of a picture.

        Parameters
        ----------
        layer : str
            A name that `resolve` accepts.
        length : int
            Height or width of the picture in pixels.
        axis : int
            0 for the height, 1 for the width.

        Returns
        -------
        Grid
            The grid that covers all branches to the layer. This implementation is computed from
            `windows`.
        """
        grid = Grid(length)
        for window in self.checked_windows(layer):
            grid = grid.through(window, axis)
        return grid

    def check_windows(self, layer: str) -> None:
        """Raise `InputError` if `grid` is wrong for `layer`, which would make tiles wrong."""
        self.resolve(layer)

    def resolve(self, layer: str) -> str:
        """Return the network's name of a layer.

        Parameters
        ----------
        layer : str
            A name of the network (``"block4_conv2"``) or of the literature (``"conv4_2"``,
            ``"relu4_2"``). All three name the same tensor, after the ReLU.

        Returns
        -------
        str

        Raises
        ------
        InputError
            If the network has no such layer. The message suggests the nearest names.
        """
        if not isinstance(layer, str):
            raise InputTypeError(
                explain(
                    "the name of a layer is not a string",
                    expected='a name such as "block4_conv2"',
                    received=repr(layer),
                ),
                argument="layer",
            )
        if isinstance(self.layer_names, str):  # `in` would search it for substrings
            raise InputTypeError(
                explain(
                    f"`layer_names` of {type(self).__name__} is wrong",
                    expected="a tuple of layer names",
                    received=repr(self.layer_names),
                ),
                argument="extractor",
            )
        name = keras_name(layer)
        for known in (layer, name):
            if known in self.layer_names:
                return known
        fail(
            f"{type(self).__name__} has no layer {layer!r}",
            hint=did_you_mean(name, self.layer_names)
            or "the layers are " + ", ".join(self.layer_names),
            argument="layer",
        )

    def available_layers(self) -> tuple[str, ...]:
        """Return the layers whose weights are available. Default: all of `layer_names`."""
        return tuple(self.layer_names)

    def missing(self, layers: Iterable[str]) -> dict[str, str | None]:
        """Return the layers that cannot be computed, each with the nearest available layer.

        Parameters
        ----------
        layers : iterable of str
            Names that `resolve` accepts.

        Returns
        -------
        dict of str to str or None
            Maps each missing name, as it was passed, to the nearest available convolution: in the
            same block, or else in the nearest block. A name that does not follow VGG19's naming is
            mapped to the available layer with the most similar spelling, or to None if none is
            similar.
        """
        there = self.available_layers()
        names = [layer for layer in layers if not {layer, keras_name(layer)} & {*there}]
        return {name: _nearest(keras_name(name), there) for name in names}

    def pool_mask(self, mask: Tensor, layer: str) -> Tensor:
        """Return a mask pooled to the feature map of a layer.

        Parameters
        ----------
        mask : tensor [1 or B, H, W, 1]
            Values in [0, 1]. The mask has the size of the picture.
        layer : str
            A name that `resolve` accepts.

        Returns
        -------
        tensor [1 or B, h, w, 1]
            The mask after average pooling with the window, stride and padding of each operation
            that changes the size. Its height and width are equal to the height and width of the
            feature map.
        """
        for window in self.checked_windows(layer):
            mask = _bordered(mask, window.border)
            if window.stride != 1 or (window.padding == "valid" and window.size != 1):
                mask = ops.average_pool(
                    mask,
                    window.size,
                    strides=window.stride,
                    padding=window.padding,
                    data_format="channels_last",
                )
        return mask

    def stride(self, layer: str) -> tuple[int, int]:
        """Return the height and width of a cell of `layer` in pixels."""
        windows = self.checked_windows(layer)
        strides = [[window.along(axis)[1] for window in windows] for axis in (0, 1)]
        return math.prod(strides[0]), math.prod(strides[1])

    def receptive_field(self, layer: str) -> int:
        """Return the longer side, in pixels, of the receptive field of a cell of `layer`."""
        return max(self.grid(layer, _LONG, axis).field for axis in (0, 1))

    def smallest_size(self, layer: str) -> int:
        """Return the side, in pixels, of the smallest square picture with a cell at `layer`."""

        def has_cells(side):
            return all(self.grid(layer, side, axis).cells for axis in (0, 1))

        enough = next(side for side in (2**k for k in itertools.count()) if has_cells(side))
        return bisect.bisect_left(range(enough), True, key=has_cells)


class WrappingExtractor(FeatureExtractor):
    """Base class of extractors that change how another extractor processes pictures.

    The default layers, `style_factor` and `variation` are copied from the wrapped extractor.

    Parameters
    ----------
    extractor : FeatureExtractor
        The extractor to wrap.

    Raises
    ------
    InputTypeError
        If `extractor` is not a `FeatureExtractor`.
    """

    def __init__(self, extractor: FeatureExtractor) -> None:
        if not isinstance(extractor, FeatureExtractor):
            raise InputTypeError(
                explain(
                    "the extractor cannot be used",
                    expected="a FeatureExtractor, such as VGG19()",
                    received=type(extractor).__name__,
                    hint="wrap a Keras model in KerasExtractor",
                ),
                argument="extractor",
            )
        self.extractor = extractor
        self.style_layers, self.content_layers = extractor.style_layers, extractor.content_layers
        self.style_factor, self.variation = extractor.style_factor, extractor.variation
        self._models = Networks()


def keras_name(layer: str) -> str:
    """Return the Keras name of a layer: ``"block4_conv2"`` for ``"conv4_2"`` or ``"relu4_2"``.

    Other names are returned unchanged.
    """
    match = _LITERATURE_NAME.fullmatch(layer)
    return "block{}_conv{}".format(*match.groups()) if match else layer


def _nearest(layer: str, there: tuple[str, ...]) -> str | None:
    """Return the layer in `there` that is nearest to `layer`; see `FeatureExtractor.missing`."""
    places = {name: place for name in there if (place := _place(name))}
    if (wanted := _place(layer)) and places:
        return min(places, key=lambda name: np.abs(np.subtract(places[name], wanted)).tolist())
    return next(iter(difflib.get_close_matches(layer, there, 1, 0.5)), None)


def _place(layer: str) -> tuple[int, ...] | None:
    """Return the block and the number in a VGG19 name of a convolution, or None for other names."""
    match = _VGG_NAME.fullmatch(layer)
    return tuple(map(int, match.groups())) if match else None


def _outputs(structure) -> str:
    """Return a description of a model's outputs, for messages."""
    if isinstance(structure, Mapping):
        return ", ".join(map(str, structure)) or "nothing"
    return "a list" if isinstance(structure, list | tuple) else "one tensor without a name"


def _bordered(mask, border):
    """Return a mask whose edge is repeated where the network pads with zeros."""
    for axis, (before, after) in enumerate(border, 1):
        if before or after:
            side = mask.shape[axis]
            mask = ops.take(mask, ops.clip(ops.arange(-before, side + after), 0, side - 1), axis)
    return mask


def ordered(extractor: FeatureExtractor, layers: Iterable[str]) -> tuple[str, ...]:
    """Return the resolved names of `layers` without duplicates, from the picture down."""
    names = {extractor.resolve(layer) for layer in layers}
    return tuple(sorted(names, key=extractor.layer_names.index))
