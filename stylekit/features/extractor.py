"""What turns pictures into feature maps, and the geometry that masks need to follow it."""

from __future__ import annotations

import abc
import dataclasses
import re
from collections.abc import Callable, Iterable

import keras
from keras import ops

from stylekit._checks import InputTypeError, did_you_mean, explain, fail
from stylekit._defaults import CONTENT_LAYERS, STYLE_LAYERS

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
    """

    layer_names: tuple[str, ...]
    style_layers: tuple[str, ...] = STYLE_LAYERS
    content_layers: tuple[str, ...] = CONTENT_LAYERS
    style_factor: float = 8.0

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

    @abc.abstractmethod
    def windows(self, layer: str) -> tuple[Window, ...]:
        """Return the spatial operations from the picture to `layer`, in order."""

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


class KerasExtractor(FeatureExtractor):
    """Features of any Keras image model.

    Parameters
    ----------
    model : keras.Model
        A functional model with one image input of free size and channels last.
    preprocess : callable, optional
        From ``[B, H, W, 3]`` RGB in [0, 1] to what the model wants, in `keras.ops`. Default: the
        picture as it is.

    Notes
    -----
    A layer's receptive field is taken along the branch that sees most. Masks follow convolutions,
    poolings and zero padding; at a layer behind other changes of size, such as upsampling,
    `pool_mask` is an error.
    """

    def __init__(self, model: keras.Model, preprocess: Callable | None = None) -> None:
        if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
            raise InputTypeError(
                explain(
                    "the model cannot be used",
                    expected="a functional keras.Model",
                    received=type(model).__name__,
                )
            )
        if isinstance(model, keras.Sequential):  # whose layers leave the input out
            model = keras.Model(model.inputs, model.outputs)
        self._model = model
        self._preprocess = preprocess
        self._producers = {id(x): a for a in model.layers for x in keras.tree.flatten(a.output)}
        self._models: dict[tuple, keras.Model] = {}
        self._paths: dict[str, tuple[Window, ...]] = {}
        self.layer_names = tuple(
            layer.name
            for layer in model.layers
            if not isinstance(layer, keras.layers.InputLayer)
            and isinstance(layer.output, keras.KerasTensor)
            and len(layer.output.shape) == 4
        )

    def __repr__(self) -> str:
        return f"KerasExtractor({self._model.name!r}, {self._model.count_params()} parameters)"

    def model(self, layers, dtype="float32"):
        """Return the model cut after the deepest of `layers`; see `FeatureExtractor.model`.

        Raises
        ------
        InputError
            If `dtype` is not the dtype policy that the model was built with.
        """
        names = ordered(self, layers)
        if (names, dtype) not in self._models:
            for name in names:
                policy = self._model.get_layer(name).dtype_policy.name
                if policy != dtype:
                    fail(
                        f"layer {name!r} computes in another precision",
                        expected=dtype,
                        received=policy,
                        hint="build the model under that dtype policy",
                    )
            image = keras.Input((None, None, 3))
            x = self._preprocess(image) if self._preprocess else image
            outputs = {name: self._model.get_layer(name).output for name in names}
            cut = keras.Model(self._model.inputs, outputs)
            self._models[names, dtype] = keras.Model(image, cut(x))
        return self._models[names, dtype]

    def windows(self, layer):
        """Return the spatial operations to `layer`; see `FeatureExtractor.windows`."""
        return self._path(self._model.get_layer(self.resolve(layer)))

    def pool_mask(self, mask, layer):
        """Take a mask to `layer`; see `FeatureExtractor.pool_mask`.

        Raises
        ------
        InputError
            If something on the way changes the size that is no convolution, pooling or padding.
        """
        pooled = super().pool_mask(mask, layer)
        name = self.resolve(layer)
        model = self.model((name,), self._model.get_layer(name).dtype_policy.name)
        shape = model.compute_output_shape((1, *mask.shape[1:3], 3))[name][1:3]
        if tuple(pooled.shape[1:3]) != tuple(shape):
            fail(
                f"a mask cannot follow the network to layer {name!r}",
                expected=f"{tuple(shape)} cells",
                received=f"{tuple(pooled.shape[1:3])} by its convolutions, poolings and paddings",
                hint="use this layer without a mask, or derive from FeatureExtractor",
            )
        return pooled

    def _path(self, layer) -> tuple[Window, ...]:
        # Remembered: the paths of a residual network double at every sum.
        if layer.name not in self._paths:
            self._paths[layer.name] = self._walk(layer)
        return self._paths[layer.name]

    def _walk(self, layer) -> tuple[Window, ...]:
        if isinstance(layer, keras.layers.InputLayer):
            return ()
        inputs = layer.input if isinstance(layer.input, (list, tuple)) else [layer.input]
        if not all(id(x) in self._producers for x in inputs):
            fail(
                f"the way to layer {layer.name!r} cannot be followed",
                expected="layers that are used once",
                received="a layer that is used several times",
            )
        paths = [self._path(self._producers[id(x)]) for x in inputs]
        before = max(paths, key=lambda path: sum(window.size for window in path))
        if isinstance(layer, keras.layers.ZeroPadding2D):
            return (*before, Window(1, border=layer.padding))
        size = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
        if size is None:
            return before
        dilation = getattr(layer, "dilation_rate", (1, 1))[0]
        return (
            *before,
            Window(
                size=(size[0] - 1) * dilation + 1,
                stride=layer.strides[0],
                padding=layer.padding,
            ),
        )


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
