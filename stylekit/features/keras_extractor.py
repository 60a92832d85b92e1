"""Any Keras image model as an extractor."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import ops

from stylekit._checks import InputTypeError, explain, fail
from stylekit.features.extractor import FeatureExtractor, Window, ordered
from stylekit.features.graph import sees_all, staged


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
            self._models[names, dtype] = self._preprocessed(self._cut(names), dtype)
        return self._models[names, dtype]

    def stages(self, layers, cuts, dtype="float32"):
        """Return the network in stages; see `FeatureExtractor.stages`."""
        names = ordered(self, (*layers, *cuts))
        self.model(names, dtype)  # which checks the precision
        first, *rest = staged(self._cut(names), names, ordered(self, cuts))
        return self._preprocessed(first, dtype), *rest

    def _cut(self, names) -> keras.Model:
        outputs = {name: self._model.get_layer(name).output for name in names}
        return keras.Model(self._model.inputs, outputs)

    def _preprocessed(self, model: keras.Model, dtype: str) -> keras.Model:
        image = keras.Input((None, None, 3), dtype=keras.DTypePolicy(dtype).variable_dtype)
        return keras.Model(image, model(self._preprocess(image) if self._preprocess else image))

    def windows(self, layer):
        """Return the spatial operations to `layer`; see `FeatureExtractor.windows`."""
        return self._path(self._model.get_layer(self.resolve(layer)))

    def check_windows(self, layer):
        """Raise `InputError` if `windows` is not all; see `FeatureExtractor.check_windows`."""
        name = self.resolve(layer)
        for before in self._ways(self._model.get_layer(name)):
            if sees_all(before):
                fail(
                    f"a cell of layer {name!r} sees the whole picture",
                    expected="convolutions, poolings and what works on each cell alone",
                    received=f"{type(before).__name__} {before.name!r} on the way",
                )
        self.pool_mask(ops.zeros((1, *[2 * self.receptive_field(name)] * 2, 1)), name)

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

    def _ways(self, layer) -> dict:
        """Return a layer and all those on the way to it, each once."""
        found, new = {}, [layer]
        while new:
            layer = new.pop()
            if layer not in found and not isinstance(layer, keras.layers.InputLayer):
                found[layer] = None
                new += [self._producers[id(x)] for x in keras.tree.flatten(layer.input)]
        return found

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
