"""A small network that replaces VGG19 and is part of the package."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import keras

from stylekit._checks import weights_file
from stylekit.features._cpu.convolution import FrozenConv2D, FrozenMaxPooling2D
from stylekit.features.extractor import FeatureExtractor, Networks, ordered
from stylekit.features.geometry import Window
from stylekit.features.vgg19 import MEAN
from stylekit.features.weights import read_convolutions

TRUNK = ((24, 16), (48, 32), (96, 64, 64), (192, 64), (160,))
"""Channels of the convolutions of each block. The convolutions are 3 x 3 with ReLU. Max pooling
separates the blocks."""

COUNTERPARTS = (
    ("block1_conv1", "block1_conv2"),
    ("block2_conv1", "block2_conv2"),
    ("block3_conv1", "block3_conv2", "block3_conv4"),
    ("block4_conv1", "block4_conv4"),
    ("block5_conv1",),
)
"""The VGG19 layer to which each convolution of the trunk corresponds."""

TAPS = {
    "block1_conv1": (1, 1),
    "block2_conv1": (2, 1),
    "block3_conv1": (3, 1),
    "block4_conv1": (4, 1),
    "block4_conv2": (4, 1),
    "block5_conv1": (5, 1),
}
"""Layers of the network, named as in VGG19. Each name is mapped to the place in the trunk at which
the layer is read: the block, and the convolution in the block, counted from 1."""

PLAIN = ("block1_conv1",)
"""Layers that are read from the trunk directly. Each other layer has a linear 1 x 1 convolution
after the trunk, with the same number of channels."""

WEIGHTS = Path(__file__).with_name("compact_vgg.npz")
"""The bundled weights, in float16."""

SHA256 = "815faab0d931fa94465b3145676dc376bd268653142c4b66758054dd2e914b56"
"""SHA-256 checksum of the bundled file."""


class CompactVGG(FeatureExtractor):
    """A network of 0.6 million weights, distilled from VGG19, that needs no download.

    Parameters
    ----------
    weights : str, path-like or None
        An ``.npz`` file that `stylekit.features.distillation` wrote. None: the bundled weights.
    fast : bool
        If True, use stylekit's convolution and pooling layers, which are faster on CPUs than
        Keras's layers. The features are the same up to rounding errors. The gradients are also the
        same, except where two values of a pooling window are both equal to the maximum.

    Raises
    ------
    FileError
        If `weights` does not exist or has the wrong suffix.

    Notes
    -----
    The trunk is a narrow VGG19 with ten convolutions, max pooling, and at most three eighths of
    VGG19's channels. After the trunk, each layer except the first has a linear 1 x 1 convolution.
    This convolution maps the features to a basis in which the distances of features and of Gram
    matrices approximate the distances in VGG19. Layers have the names of the VGG19 layers that they
    approximate. In the bundled weights, ``block4_conv2`` and ``block4_conv1`` are identical: both
    use the same trunk and the same 1 x 1 convolution. The features of every layer have a mean
    square near 1.

    The bundled weights were made by `stylekit.features.distillation`. The teacher is VGG19
    (Simonyan and Zisserman, ICLR 2015) up to conv4_1. For conv5_1 the teacher is the published
    student of Collaborative Distillation (Wang, Li, Wang, Hu, Yang, CVPR 2020). The network was
    initialised with pruned convolutions of VGG19. The training pictures are natural photographs, a
    few paintings, textures made by code, and images that the network painted while it was trained.
    The network was then pruned to its final numbers of channels, which are the ones that CPUs
    compute fastest, and trained again.
    """

    def __init__(self, weights: str | os.PathLike | None = None, *, fast: bool = True) -> None:
        self.weights = WEIGHTS if weights is None else weights_file(weights, "weights=")
        self.fast = fast
        self._models = Networks()

    # conv5_1 is not a style layer: it has a different teacher, and including it makes the other
    # layers match worse. For the content, conv4_1 leaves brush strokes more freedom than conv3_1.
    style_layers = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1")
    content_layers = ("block4_conv1",)
    style_factor = 2.1
    variation = 4.0
    layer_names = tuple(
        name
        for block in range(1, len(TRUNK) + 1)
        for name in (
            *(tap for tap, (of, _) in TAPS.items() if of == block),
            *((f"block{block}_pool",) if block < len(TRUNK) else ()),
        )
    )

    def __repr__(self) -> str:
        plain = "" if self.fast else ", fast=False"
        return f"CompactVGG(weights={self.weights.name!r}{plain})"

    def model(self, layers: Iterable[str], dtype: str = "float32") -> keras.Model:
        """Return the network up to the deepest of `layers`; see `FeatureExtractor.model`.

        Raises
        ------
        FileError
            If the weights cannot be read.
        """
        names = ordered(self, layers)
        if (names, dtype) not in self._models:
            model = build(names, dtype, fast=self.fast)
            shapes = {
                layer.name: tuple(layer.kernel.shape)
                for layer in model.layers
                if isinstance(layer, keras.layers.Conv2D)
            }
            for name, arrays in read_convolutions(self.weights, shapes).items():
                model.get_layer(name).set_weights(arrays)
            self._models[names, dtype] = model
        return self._models[names, dtype]

    def windows(self, layer: str) -> tuple[Window, ...]:
        """Return the convolutions and poolings up to `layer`; see `FeatureExtractor.windows`."""
        name = self.resolve(layer)
        block = int(name[5])
        depth = len(TRUNK[block - 1]) if name.endswith("pool") else TAPS[name][1]
        depths = [*map(len, TRUNK[: block - 1]), depth]
        pool = Window(2, 2, "valid")
        path = [window for depth in depths for window in (*[Window(3)] * depth, pool)]
        return tuple(path if name.endswith("pool") else path[:-1])


def trunk_name(block: int, k: int) -> str:
    """Return the layer name of the k-th convolution of a block of the trunk."""
    plain = (name for name in PLAIN if TAPS[name] == (block, k))
    return next(plain, f"block{block}_trunk{k}")


def build(names, dtype: str, *, student: bool = False, fast: bool = True) -> keras.Model:
    """Return the network up to the deepest of `names`, with random weights.

    Parameters
    ----------
    names : tuple of str
        Layers that the model returns, ordered from the picture down.
    dtype : str
        A Keras dtype policy.
    student : bool
        If True, return a model to train, whose outputs are the features of the trunk without the
        1 x 1 convolutions.
    fast : bool
        If True, use `FrozenConv2D` and `FrozenMaxPooling2D`. Ignored for a student.

    Returns
    -------
    keras.Model
        Maps ``[B, H, W, 3]`` in [0, 1] to ``{layer: [B, h, w, C]}``.
    """
    policy = keras.DTypePolicy(dtype)
    image = keras.Input((None, None, 3), dtype=policy.variable_dtype)
    fast = fast and not student
    convolution = FrozenConv2D if fast else keras.layers.Conv2D
    shared = {"padding": "same", "data_format": "channels_last", "dtype": policy}
    # The mean colour is subtracted, so that zero padding is the mean colour, as in VGG19.
    x = image * 4.0 - (MEAN * 4.0 / 255.0).astype(policy.variable_dtype)
    tensors = {}
    deepest = names[-1] if names else None
    for block, widths in enumerate(TRUNK, 1):
        for k, width in enumerate(widths, 1):
            if deepest in tensors or not names:
                break
            here = [tap for tap, place in TAPS.items() if place == (block, k)]
            # Max pooling and ReLU commute. After pooling, the ReLU has only a quarter of the cells
            # to process.
            early = here or k < len(widths) or block == len(TRUNK)
            name, activation = trunk_name(block, k), "relu" if early else None
            x = convolution(width, 3, activation=activation, name=name, **shared)(x)
            for tap in here:
                mixed = not student and tap not in PLAIN and tap in names
                tensors[tap] = convolution(width, 1, name=tap, **shared)(x) if mixed else x
        if deepest in tensors or not names:
            break
        pooled = f"block{block}_pooled", f"block{block}_pool"
        pooling: Callable[..., keras.Layer] = FrozenMaxPooling2D
        if not fast:
            pooling = functools.partial(keras.layers.MaxPooling2D, data_format="channels_last")
        x = pooling(name=pooled[0], dtype=policy)(x)
        x = keras.layers.ReLU(name=pooled[1], dtype=policy)(x)
        tensors[pooled[1]] = x
    return keras.Model(image, {name: tensors[name] for name in names})
