"""Any Keras image model as an extractor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import keras

from stylekit._checks import InputError, InputTypeError, did_you_mean, explain, fail, naming
from stylekit.features.extractor import FeatureExtractor, Networks, ordered
from stylekit.features.geometry import Grid, Window
from stylekit.features.graph import Graph, functional, is_float, staged
from stylekit.functional import Tensor

_PREPROCESS = "preprocess."
"""What the names of the operations of `preprocess` begin with in error messages."""


class KerasExtractor(FeatureExtractor):
    """Features of any Keras image model.

    Parameters
    ----------
    model : keras.Model
        A functional model with one image input of free size, channels last and of floating dtype.
    preprocess : callable, optional
        From ``[B, H, W, 3]`` RGB in [0, 1] to what the model expects, in `keras.ops`. Default: the
        picture as it is.
    windows : mapping of str or type to Window, optional
        What layers see, by name or by class. ``Window(1)`` is a layer that computes each cell from
        that cell alone. Needed for tiles, and for layers whose reach stylekit does not know, such
        as ``Lambda`` and layers of your own. A class stands for the classes derived from it, too.

    Raises
    ------
    InputTypeError
        If `model` is not a functional model, or `windows` is not such a mapping.
    InputError
        If the model or `preprocess` cannot take pictures, or `windows` names no layer.

    Notes
    -----
    Layers have the model's names, functions of `keras.ops` those that Keras gave them. Layer ``b``
    of a nested model ``a`` is ``"a.b"``. Layer ``c`` is its first call if it is called several
    times; the others are ``"c-2"`` and so on.

    Masks follow convolutions, poolings, padding and cropping. At a layer behind other changes of
    size, such as upsampling, `pool_mask` raises; losses without a mask take it. Tiles compute what
    the whole picture would, or raise `InputError`, naming the layer, where an operation of unknown
    reach is on the way.

    Copies, also deep ones, share the Keras model.
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
        """Return the model cut after the deepest of `layers`; see `FeatureExtractor.model`.

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
        """Return the operations of the branch that sees most; see `FeatureExtractor.windows`."""
        return self._network.graph.nodes[self.resolve(layer)].path

    def grid(self, layer: str, length: int, axis: int) -> Grid:
        """Return the cells along an axis; see `FeatureExtractor.grid`."""
        if (length, axis) not in self._grids:
            self._grids[length, axis] = self._network.graph.grids(length, axis)
        return self._grids[length, axis][self.resolve(layer)]

    def check_windows(self, layer: str) -> None:
        """Raise `InputError` unless `grid` holds; see `FeatureExtractor.check_windows`."""
        name = self.resolve(layer)
        unknown = self._network.graph.nodes[name].unknown
        if unknown:
            fail(
                f"layer {name!r} cannot be computed in tiles, or with Recompute",
                expected="operations that are known to see a bounded part of the picture",
                received=f"{unknown} on the way",
                hint="compute the picture as a whole, or choose layers before that one; if it does "
                "see a bounded part, give KerasExtractor windows={...} for it",
                argument="layer",
            )
        side = self.receptive_field(name) + self.smallest_size(name)
        shape = side, side + 1
        found = tuple(self.grid(name, length, axis).cells for axis, length in enumerate(shape))
        if found != self._cells(name, shape):
            fail(
                f"the windows of the layers before {name!r} do not fit",
                expected=f"{self._cells(name, shape)} cells of {shape} pixels",
                received=found,
                hint="correct the windows= of KerasExtractor",
                argument="windows",
            )

    def pool_mask(self, mask: Tensor, layer: str) -> Tensor:
        """Take a mask to `layer`; see `FeatureExtractor.pool_mask`.

        Raises
        ------
        InputError
            If an operation on the way changes the size and its window is not known.
        """
        pooled = super().pool_mask(mask, layer)
        name = self.resolve(layer)
        expected, found = self._cells(name, mask.shape[1:3]), tuple(pooled.shape[1:3])
        if found != expected:
            fail(
                f"a mask cannot follow the network to layer {name!r}",
                expected=f"{expected} cells",
                received=f"{found} by its convolutions, poolings, paddings and croppings",
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
        # A function has no policy of its own: that of the last layer before it is meant.
        for node in reversed(self._network.graph.way(name)):
            policy = getattr(node.operation, "dtype_policy", None)
            if policy is None:
                continue
            if policy.name != dtype:
                fail(
                    f"layer {name!r} computes in another precision",
                    expected=dtype,
                    received=policy.name,
                    hint="build the model under that dtype policy",
                    argument="model",
                )
            return


class _Network:
    """The graph from a picture to a model's layers; it never changes, so that copies share it."""

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
                f"windows= has no layer {key!r}",
                hint=did_you_mean(str(key), self.graph.nodes)
                or "its layers are " + ", ".join(self.layer_names),
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
                    "preprocess cannot be part of the network",
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
                "windows cannot be used",
                expected='a mapping from layers to windows, such as {"noise": Window(1)}',
                received=repr(windows),
            ),
            argument="windows",
        )
    return dict(windows)


def _check_input(model: keras.Model) -> None:
    """Raise `InputError` if a model's input cannot be a picture of any size."""
    free = "build it with an input of shape (None, None, 3)"
    if len(model.inputs) != 1:
        fail(
            "the model has several inputs",
            expected="one picture [B, H, W, 3]",
            received=[f"{x.name} {tuple(x.shape)}" for x in model.inputs],
            hint="build a model of the picture alone",
            argument="model",
        )
    x = model.inputs[0]
    shape = tuple(x.shape)
    if not is_float(x):
        fail(
            "the model takes integers, through which no gradient passes",
            expected="an input of dtype float32",
            received=x.dtype,
            hint="build it with a floating input, and scale the picture in preprocess",
            argument="model",
        )
    if len(shape) != 4:
        fail(
            "the model takes no pictures",
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
            "the model takes pictures of one size",
            expected="(None, None, None, 3)",
            received=shape,
            hint=free + "; for keras.applications, with include_top=False",
            argument="model",
        )


def _check_picture(x, expected: keras.KerasTensor, preprocess: Callable | None) -> None:
    """Raise `InputError` if a model does not take a picture, or what is made of it."""
    if not is_float(x):
        fail(
            "preprocess returns integers, through which no gradient passes",
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
            hint="build it for RGB, or convert the picture in preprocess",
            argument="model",
        )
    if len(x.shape) != 4 or channels not in (None, x.shape[-1]):
        fail(
            "preprocess does not return what the model takes",
            expected=str(tuple(expected.shape)),
            received=tuple(x.shape),
            hint="return a tensor of the shape of the model's input",
            argument="preprocess",
        )
