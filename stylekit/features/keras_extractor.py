"""A feature extractor for any functional Keras image model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import keras

from stylekit._checks import InputError, InputTypeError, did_you_mean, explain, fail, naming
from stylekit.features.extractor import FeatureExtractor, Networks, ordered
from stylekit.features.geometry import Grid, Window
from stylekit.features.graph import Graph, functional, is_float, staged
from stylekit.functional import Tensor

_PREPROCESS = "preprocess."
"""Prefix, in error messages, of the names of operations of `preprocess`."""


class KerasExtractor(FeatureExtractor):
    """A feature extractor for any functional Keras image model.

    Parameters
    ----------
    model : keras.Model
        A functional model with one image input of shape ``(None, None, 3)`` and a floating dtype.
    preprocess : callable, optional
        Function of `keras.ops` from RGB pictures ``[B, H, W, 3]`` in [0, 1] to the input of the
        model. Default: the picture is not changed.
    windows : mapping of str or type to Window, optional
        Windows (kernel size, stride and padding) of layers, by layer name or by class. A class
        includes its subclasses. ``Window(1)`` describes a layer that computes each output cell from
        the same input cell alone. To paint in tiles, specify the windows of layers that stylekit
        does not know, such as ``Lambda`` and custom layers.

    Raises
    ------
    InputTypeError
        If `model` is not a functional model, or `windows` is not a mapping from layers to windows.
    InputError
        If the model or `preprocess` does not accept pictures, or `windows` names an unknown layer.

    Notes
    -----
    Layers keep their names in the model, and functions of `keras.ops` have the names that Keras
    assigned. Layer ``b`` of a nested model ``a`` is ``"a.b"``. If layer ``c`` is called several
    times, ``"c"`` is the first call, ``"c-2"`` the second, and so on.

    Masks can be pooled through convolutions, pooling, padding and cropping. After other operations
    that change the size, such as upsampling, `pool_mask` raises `InputError`. Only losses without
    masks can use such layers. Painting in tiles gives the same result as painting the whole
    picture. If an operation before a layer has an unknown receptive field, painting in tiles raises
    `InputError`, which names the layer.

    Copies and deep copies of the extractor share the Keras model.
    """

    def __init__(
        self,
        model: keras.Model,
        preprocess: Callable | None = None,
        *,
        windows: Mapping[str | type, Window] | None = None,
    ) -> None:
        self._network = _Network(model, preprocess, _checked(windows))
        self.layer_names = self._network.layer_names
        self._models = Networks()
        self._grids = Networks()

    def __repr__(self) -> str:
        model = self._network.model
        return f"KerasExtractor({model.name!r}, {model.count_params()} parameters)"

    def model(self, layers: Iterable[str], dtype: str = "float32") -> keras.Model:
        """Return the model up to the deepest of `layers`; see `FeatureExtractor.model`.

        Raises
        ------
        InputError
            If `dtype` is not the dtype policy that the model was built with.
        """
        names = ordered(self, layers)
        for name in names:
            self._check_precision(name, dtype)
        return self._cut(names)

    def stages(
        self, layers: Iterable[str], cuts: Iterable[str], dtype: str = "float32"
    ) -> tuple[keras.Model, ...]:
        """Return the network in stages; see `FeatureExtractor.stages`."""
        names = ordered(self, (*layers, *cuts))
        return staged(self.model(names, dtype), names, ordered(self, cuts))

    def windows(self, layer: str) -> tuple[Window, ...]:
        """Return the operations of the branch with the largest receptive field, in order.

        See `FeatureExtractor.windows`.
        """
        return self._network.graph.nodes[self.resolve(layer)].path

    def grid(self, layer: str, length: int, axis: int) -> Grid:
        """Return the cells along an axis; see `FeatureExtractor.grid`."""
        if (length, axis) not in self._grids:
            self._grids[length, axis] = self._network.graph.grids(length, axis)
        return self._grids[length, axis][self.resolve(layer)]

    def check_windows(self, layer: str) -> None:
        """Raise `InputError` if tiles would be wrong; see `FeatureExtractor.check_windows`."""
        name = self.resolve(layer)
        unknown = self._network.graph.nodes[name].unknown
        if unknown:
            fail(
                f"layer {name!r} cannot be computed in tiles, or with Recompute",
                expected="operations with a known, bounded receptive field",
                received=f"{unknown} before that layer",
                hint="compute the picture as a whole, or choose layers before that operation; if "
                "its receptive field is bounded, declare it with windows={...} of KerasExtractor",
                argument="layer",
            )
        side = self.receptive_field(name) + self.smallest_size(name)
        shape = side, side + 1
        found = tuple(self.grid(name, length, axis).cells for axis, length in enumerate(shape))
        if found != self._cells(name, shape):
            fail(
                f"the windows of the layers before {name!r} do not match the model",
                expected=f"{self._cells(name, shape)} cells of {shape} pixels",
                received=found,
                hint="correct windows={...} of KerasExtractor",
                argument="windows",
            )

    def pool_mask(self, mask: Tensor, layer: str) -> Tensor:
        """Return a mask pooled to the size of `layer`; see `FeatureExtractor.pool_mask`.

        Raises
        ------
        InputError
            If an operation before the layer changes the size and its window is unknown.
        """
        pooled = super().pool_mask(mask, layer)
        name = self.resolve(layer)
        expected, found = self._cells(name, mask.shape[1:3]), tuple(pooled.shape[1:3])
        if found != expected:
            fail(
                f"a mask cannot be pooled to layer {name!r}",
                expected=f"{expected} cells",
                received=f"{found} after the network's convolutions, pooling, padding and cropping",
                hint="use this layer without a mask, or derive from FeatureExtractor",
                argument="layer",
            )
        return pooled

    def _cut(self, names: tuple[str, ...]) -> keras.Model:
        if names not in self._models:
            graph = self._network.graph
            outputs = {name: graph.nodes[name].tensor for name in names}
            self._models[names] = keras.Model(graph.image, outputs)
        return self._models[names]

    def _cells(self, name: str, shape) -> tuple[int, int]:
        return tuple(self._cut((name,)).compute_output_shape((1, *shape, 3))[name][1:3])

    def _check_precision(self, name: str, dtype: str) -> None:
        # A function of keras.ops has no dtype policy. It uses the dtype of the last layer before
        # it.
        for node in reversed(self._network.graph.way(name)):
            policy = getattr(node.operation, "dtype_policy", None)
            if policy is None:
                continue
            if policy.name != dtype:
                fail(
                    f"layer {name!r} has the wrong dtype policy",
                    expected=dtype,
                    received=policy.name,
                    hint=f"build the model with the dtype policy {dtype}",
                    argument="model",
                )
            return


class _Network:
    """The graph from a picture to a model's layers. It is immutable, and copies share the graph."""

    def __init__(
        self, model: keras.Model, preprocess: Callable | None, windows: Mapping[str | type, Window]
    ) -> None:
        plain = functional(model)
        if plain is None:
            raise InputTypeError(
                explain(
                    "the model cannot be used",
                    expected="a functional keras.Model",
                    received=type(model).__name__,
                ),
                argument="model",
            )
        self.model, self._preprocess, self._windows = model, preprocess, windows
        _check_input(plain)
        double = any(weight.dtype == "float64" for weight in plain.weights)
        image = keras.Input((None, None, 3), dtype="float64" if double else "float32")
        self.graph = Graph(image, windows)
        x = image
        if preprocess is not None:
            name = getattr(preprocess, "__name__", type(preprocess).__name__)
            with naming(f"in extractor KerasExtractor, preprocess {name!r}"):
                x = self._preprocessed(preprocess, image)
        _check_picture(x, plain.inputs[0], preprocess)
        before = len(self.graph.nodes)
        self.graph.extend(plain, [x])
        self.layer_names = tuple(
            name
            for name, node in [*self.graph.nodes.items()][before:]
            if len(node.tensor.shape) == 4
        )
        for key in windows.keys() - self.graph.declared:
            fail(
                f"`windows` names the unknown layer {key!r}",
                hint=did_you_mean(str(key), self.graph.nodes)
                or "the layers are " + ", ".join(self.layer_names),
                argument="windows",
            )

    def __reduce__(self):
        return _Network, (self.model, self._preprocess, self._windows)

    def __deepcopy__(self, memo):
        return self

    def _preprocessed(self, preprocess: Callable, image: keras.KerasTensor) -> keras.KerasTensor:
        given = keras.Input(image.shape[1:], dtype=image.dtype)
        try:
            made = preprocess(given)
            if not isinstance(made, keras.KerasTensor):
                raise TypeError(f"it returned {type(made).__name__}")
            network = keras.Model(given, made)
        except Exception as error:
            first = str(error).strip().partition("\n")[0].rstrip(".")
            raise InputError(
                explain(
                    "`preprocess` cannot be part of the network",
                    expected="a function from a tensor [B, H, W, 3] to a tensor",
                    received=f"{type(error).__name__}, {first}",
                    hint="write it with keras.ops, without NumPy",
                ),
                argument="preprocess",
            ) from error
        return self.graph.extend(network, [image], _PREPROCESS)


def _checked(windows) -> dict[str | type, Window]:
    windows = {} if windows is None else windows
    if not isinstance(windows, Mapping) or not all(
        isinstance(key, (str, type)) and isinstance(value, Window) for key, value in windows.items()
    ):
        raise InputTypeError(
            explain(
                "`windows` cannot be used",
                expected='a mapping from layers to windows, such as {"noise": Window(1)}',
                received=repr(windows),
            ),
            argument="windows",
        )
    return dict(windows)


def _check_input(model: keras.Model) -> None:
    """Raise `InputError` unless a model has one input, a picture of any size."""
    free = "build it with an input of shape (None, None, 3)"
    if len(model.inputs) != 1:
        fail(
            "the model has several inputs",
            expected="one picture [B, H, W, 3]",
            received=[f"{x.name} {tuple(x.shape)}" for x in model.inputs],
            hint="build a model whose only input is the picture",
            argument="model",
        )
    x = model.inputs[0]
    shape = tuple(x.shape)
    if not is_float(x):
        fail(
            "the model takes integers, which have no gradient",
            expected="an input of dtype float32",
            received=x.dtype,
            hint="build it with a floating input, and scale the picture in `preprocess`",
            argument="model",
        )
    if len(shape) != 4:
        fail(
            "the input of the model is not a picture",
            expected="[B, H, W, 3]",
            received=shape,
            hint=free,
            argument="model",
        )
    if shape[1] is not None and shape[2] is None and shape[3] is None:
        fail(
            "the model has its channels first",
            expected="channels last, [B, H, W, 3]",
            received=shape,
            hint="build it with data_format='channels_last'",
            argument="model",
        )
    if shape[1:3] != (None, None):
        fail(
            "the model takes pictures of one size only",
            expected="(None, None, None, 3)",
            received=shape,
            hint=free + "; for keras.applications, with include_top=False",
            argument="model",
        )


def _check_picture(x, expected: keras.KerasTensor, preprocess: Callable | None) -> None:
    """Raise `InputError` if a model cannot take the picture, or the output of `preprocess`."""
    if not is_float(x):
        fail(
            "`preprocess` returns integers, which have no gradient",
            expected="a floating dtype",
            received=x.dtype,
            hint="remove the cast",
            argument="preprocess",
        )
    channels = expected.shape[-1]
    if preprocess is None and channels not in (None, 3):
        fail(
            "the model does not take RGB pictures",
            expected="an input of 3 channels",
            received=f"{channels}",
            hint="build it for RGB, or convert the picture in `preprocess`",
            argument="model",
        )
    if len(x.shape) != 4 or channels not in (None, x.shape[-1]):
        fail(
            "the output of `preprocess` does not match the input of the model",
            expected=f"a tensor of shape {tuple(expected.shape)}",
            received=tuple(x.shape),
            hint="change `preprocess`, or the input of the model",
            argument="preprocess",
        )
