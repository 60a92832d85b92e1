"""What turns pictures into feature maps, and the geometry that masks need to follow it."""

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

# The literature counts block and convolution (conv4_2) and names the ReLU after it (relu4_2);
# a Keras convolution carries its ReLU, so that all three names mean one tensor.
_LITERATURE_NAME = re.compile(r"(?:conv|relu)(\d+)_(\d+)")

_VGG_NAME = re.compile(r"block(\d+)_conv(\d+)")

_LONG = 2**20
"""A picture's side in pixels beside which a receptive field is small."""


class Networks(dict):
    """Networks that an extractor has built and keeps. Its copies, also pickled ones, are empty."""

    def __reduce__(self):
        return Networks, ()


class FeatureExtractor(abc.ABC):
    """A network that maps pictures to named feature maps.

    A subclass gives `layer_names`, `model` and `windows`; the rest follows. Only the extractor
    knows what its network wants: `model` takes RGB in [0, 1] and preprocesses inside.

    Attributes
    ----------
    layer_names : tuple of str
        Every layer that can be asked for, from the picture down.
    style_layers, content_layers : tuple of str
        What losses read for style and content, where they are not told. Default: none, so that
        they have to be told.
    style_factor : float
        Weight of the style losses beside the content's at which a `strength` of 0.5 looks like
        one half; see `stylekit.stylize`.
    variation : float
        Weight of the total variation in the recipes, where they are not told.
    tile : str or None
        Along what the network sees a picture go on with its opposite edge: ``"x"``, the width,
        ``"y"``, the height, ``"both"``, or None. A run follows it in all that it does with the
        picture; see `CircularPadding`.
    """

    layer_names: tuple[str, ...]
    style_layers: tuple[str, ...] = ()
    content_layers: tuple[str, ...] = ()
    style_factor: float = 8.0
    variation: float = VARIATION
    tile: str | None = None

    @property
    def beside(self) -> FeatureExtractor:
        """The extractor of references that do not tile, such as styles. Default: this one."""
        return self

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

    def network(self, layers: Iterable[str], dtype: str = "float32") -> keras.Model:
        """Return what `model` returns, checked; an error names the extractor.

        Raises
        ------
        InputTypeError
            If it is not a Keras model.
        InputError
            If it lacks one of `layers`.
        """
        layers = tuple(layers)
        expected = "a keras.Model from [B, H, W, 3] to {layer: [B, h, w, C]}"
        with naming(f"in extractor {type(self).__name__}, method model"):
            network = self.model(layers, dtype)
            if not isinstance(network, keras.Model):
                received = type(network).__name__
                raise InputTypeError(
                    explain("`model` returned no model", expected=expected, received=received),
                    argument="extractor",
                )
            if getattr(network, "inputs", None):  # a subclass of keras.Model does not tell
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
        """Return the layers that losses read by default; one name may be declared as it is.

        Parameters
        ----------
        kind : str
            ``"style_layers"`` or ``"content_layers"``.

        Raises
        ------
        InputError, InputTypeError
            If the extractor declares none, or something else than names.
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
                hint=f"give the losses `layers`, or set `{kind}` of the extractor",
                argument="layers",
            )
        return names

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
        return staged(self.network(names, dtype), names, ordered(self, cuts))

    @abc.abstractmethod
    def windows(self, layer: str) -> tuple[Window, ...]:
        """Return the spatial operations from the picture to `layer`, in order.

        Masks follow them. In a network with branches they are those of the branch that sees most.
        """

    def checked_windows(self, layer: str) -> tuple[Window, ...]:
        """Return what `windows` returns; an error names the extractor.

        Raises
        ------
        InputTypeError
            If it is not a sequence of `Window`.
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
        """Return the cells of `layer` along one axis of a picture.

        Parameters
        ----------
        layer : str
        length : int
            The picture's height or width in pixels.
        axis : int
            0 for the height, 1 for the width.

        Returns
        -------
        Grid
            Of all branches that lead to the layer. Default: that of `windows`.
        """
        grid = Grid(length)
        for window in self.checked_windows(layer):
            grid = grid.through(window, axis)
        return grid

    def check_windows(self, layer: str) -> None:
        """Raise `InputError` unless `grid` holds for `layer`: tiles would be wrong without."""
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
                explain("a layer is named by a string", expected="block4_conv2", received=layer),
                argument="layer",
            )
        if isinstance(self.layer_names, str):  # in which letters would be sought
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
            or "its layers are " + ", ".join(self.layer_names),
            argument="layer",
        )

    def available_layers(self) -> tuple[str, ...]:
        """Return those of `layer_names` whose weights are there. Default: all."""
        return tuple(self.layer_names)

    def missing(self, layers: Iterable[str]) -> dict[str, str | None]:
        """Return the layers that cannot be computed, and the nearest that can.

        Parameters
        ----------
        layers : iterable of str
            Names as `resolve` takes them.

        Returns
        -------
        dict of str to str or None
            The names as given. The nearest is a convolution of the same block or of the nearest
            one, or for other names the one that is spelled most alike; None if none is alike.
        """
        there = self.available_layers()
        names = [layer for layer in layers if not {layer, keras_name(layer)} & {*there}]
        return {name: _nearest(keras_name(name), there) for name in names}

    def pool_mask(self, mask: Tensor, layer: str) -> Tensor:
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
        """Return the longer side, in pixels, of the rectangle that one cell of `layer` sees."""
        return max(self.grid(layer, _LONG, axis).field for axis in (0, 1))

    def smallest_size(self, layer: str) -> int:
        """Return the smallest side, in pixels, of a square picture that has a cell at `layer`."""

        def has_cells(side):
            return all(self.grid(layer, side, axis).cells for axis in (0, 1))

        enough = next(side for side in (2**k for k in itertools.count()) if has_cells(side))
        return bisect.bisect_left(range(enough), True, key=has_cells)


class WrappingExtractor(FeatureExtractor):
    """Another extractor whose pictures are seen otherwise; it has what recipes ask that one for.

    Parameters
    ----------
    extractor : FeatureExtractor

    Raises
    ------
    InputTypeError
        If it is none.
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
    """Return the Keras name of a layer that may be given by the literature's."""
    match = _LITERATURE_NAME.fullmatch(layer)
    return "block{}_conv{}".format(*match.groups()) if match else layer


def _nearest(layer: str, there: tuple[str, ...]) -> str | None:
    """Return the nearest of some layers; see `FeatureExtractor.missing`."""
    places = {name: place for name in there if (place := _place(name))}
    if (wanted := _place(layer)) and places:
        return min(places, key=lambda name: np.abs(np.subtract(places[name], wanted)).tolist())
    return next(iter(difflib.get_close_matches(layer, there, 1, 0.5)), None)


def _place(layer: str) -> tuple[int, ...] | None:
    """Return the block and the number of a convolution that is named as VGG19's."""
    match = _VGG_NAME.fullmatch(layer)
    return tuple(map(int, match.groups())) if match else None


def _outputs(structure) -> str:
    """Return in words what a model returns."""
    if isinstance(structure, Mapping):
        return ", ".join(map(str, structure)) or "nothing"
    return "a list" if isinstance(structure, list | tuple) else "one tensor without a name"


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
