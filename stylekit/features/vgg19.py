"""VGG19, the network of the style transfer literature."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np
from keras import ops

from stylekit._checks import choice, vgg19_file
from stylekit._defaults import CONTENT_LAYERS, STYLE_LAYERS, VGG19_BLOCKS, VGG19_MEAN
from stylekit.features._cpu.convolution import FrozenConv2D
from stylekit.features.extractor import FeatureExtractor, Networks, ordered
from stylekit.features.geometry import Window
from stylekit.features.weights import (
    ENVIRONMENT_VARIABLE,
    Download,
    held_layers,
    locate,
    read_convolutions,
)

IMAGENET = Download(
    name="vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
    url="https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
    "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
    md5="253f8cb515780f3b799900260a226db6",
)
"""The weights file of `keras.applications.VGG19`. Keras uses the same file in the same cache."""

MEAN = np.array(VGG19_MEAN, "float32")
"""Mean colour that is subtracted from the picture: RGB, in [0, 255]."""


class VGG19(FeatureExtractor):
    """The VGG19 network of Simonyan and Zisserman as a feature extractor.

    Parameters
    ----------
    weights : str, path-like or None
        ``"imagenet"`` uses the file that the environment variable ``STYLEKIT_WEIGHTS`` names. If
        the variable is not set, it uses Keras's weights file, which is downloaded once and
        verified. A path can name an ``.h5`` file with Keras's layout, an ``.npz`` file with arrays
        ``layer/kernel`` and ``layer/bias``, or a file of another program in one of the formats that
        `convert_weights` lists. The file must contain the layers that are used. None uses random
        weights (He normal) with a fixed seed.
    pooling : str
        ``"max"``, with which VGG19 was trained, or ``"average"``, which Gatys et al. recommend.
    fast : bool
        If True, use stylekit's convolution layers, which are faster on CPUs than Keras's layers.
        Features and gradients are the same up to rounding errors.

    Raises
    ------
    FileError
        If `weights` is a path that does not exist or has the wrong suffix. `model` raises it if
        the file cannot be read.

    Notes
    -----
    A Keras convolution includes its ReLU. Therefore ``block4_conv2`` is the layer that the
    literature calls relu4_2 and most programs call conv4_2. Pooling rounds down: it ignores the
    last row or column of a feature map with an odd height or width.
    """

    style_layers, content_layers = STYLE_LAYERS, CONTENT_LAYERS
    layer_names = tuple(
        f"block{block}_{part}"
        for block, (_, convolutions) in enumerate(VGG19_BLOCKS, 1)
        for part in (*(f"conv{k}" for k in range(1, convolutions + 1)), "pool")
    )

    def __init__(
        self,
        weights: str | os.PathLike | None = "imagenet",
        pooling: str = "max",
        *,
        fast: bool = True,
    ) -> None:
        self.pooling = choice(pooling, "pooling", ("max", "average"))
        self.fast = fast
        self.weights: Path | str | None = "imagenet"
        if weights != "imagenet":
            self.weights = None if weights is None else vgg19_file(weights, "weights=")
        self._models = Networks()
        self._tensors = Networks()

    def __repr__(self) -> str:
        name = self.weights.name if isinstance(self.weights, Path) else self.weights
        plain = "" if self.fast else ", fast=False"
        return f"VGG19(weights={name!r}, pooling={self.pooling!r}{plain})"

    def model(self, layers: Iterable[str], dtype: str = "float32") -> keras.Model:
        """Return VGG19 up to the deepest of `layers`; see `FeatureExtractor.model`.

        Raises
        ------
        FileError
            If the weights cannot be downloaded or read.
        """
        names = ordered(self, layers)
        if (names, dtype) not in self._models:
            tensors = self._extended(names, dtype)
            outputs = {name: tensors[name] for name in names}
            self._models[names, dtype] = keras.Model(tensors["image"], outputs)
        return self._models[names, dtype]

    def windows(self, layer: str) -> tuple[Window, ...]:
        """Return the convolutions and poolings up to `layer`; see `FeatureExtractor.windows`."""
        return tuple(
            Window(2, 2, "valid") if name.endswith("pool") else Window(3)
            for name in self._to(self.resolve(layer))
        )

    def available_layers(self) -> tuple[str, ...]:
        """Return the layers that can be computed with the weights file.

        A weights file that the user specifies may contain only the first layers of VGG19.

        Raises
        ------
        FileError
            If the file cannot be read.
        """
        named = isinstance(self.weights, Path) or os.environ.get(ENVIRONMENT_VARIABLE)
        if self.weights is None or not named:  # Keras's file contains all layers
            return self.layer_names
        held = {*held_layers(self._file())}
        there = itertools.takewhile(lambda x: x.endswith("pool") or x in held, self.layer_names)
        return tuple(there)

    def _file(self) -> Path:
        return self.weights if isinstance(self.weights, Path) else locate(IMAGENET)

    def _to(self, layer: str) -> tuple[str, ...]:
        return self.layer_names[: self.layer_names.index(layer) + 1]

    def _number(self, name: str) -> int:
        return sum(not before.endswith("pool") for before in self._to(name))

    def _extended(self, names: tuple[str, ...], dtype: str) -> dict[str, keras.KerasTensor]:
        """Return the symbolic tensors of the network by name, at least up to the last of `names`.

        All models with the same dtype policy are parts of one graph, so that they share their
        weights.
        """
        policy = keras.DTypePolicy(dtype)
        if dtype not in self._tensors:
            image = keras.Input((None, None, 3), dtype=policy.variable_dtype)
            x = ops.flip(image * 255.0 - MEAN.astype(policy.variable_dtype), axis=-1)
            self._tensors[dtype] = {"image": image, "preprocessed": x}
        convolution = FrozenConv2D if self.fast else keras.layers.Conv2D
        tensors, new = dict(self._tensors[dtype]), {}
        *_, x = tensors.values()
        for name in self._to(names[-1]) if names else ():
            if name in tensors:
                continue
            if name.endswith("pool"):
                pool = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}
                layer = pool[self.pooling](2, data_format="channels_last", dtype=policy, name=name)
            else:
                layer = new[name] = convolution(
                    VGG19_BLOCKS[int(name[5]) - 1][0],
                    3,
                    padding="same",
                    activation="relu",
                    kernel_initializer=_he_normal(self._number(name)),
                    data_format="channels_last",
                    dtype=policy,
                    trainable=False,
                    name=name,
                )
            x = tensors[name] = layer(x)
        if self.weights is not None and new:
            shapes = {name: tuple(layer.kernel.shape) for name, layer in new.items()}
            for name, arrays in read_convolutions(self._file(), shapes).items():
                new[name].set_weights(arrays)
        self._tensors[dtype] = tensors
        return tensors


def _he_normal(seed: int):
    """Return a He normal initializer that draws the same numbers in every precision."""
    initializer = keras.initializers.HeNormal(seed)
    return lambda shape, dtype=None: ops.cast(initializer(shape, "float32"), dtype)
