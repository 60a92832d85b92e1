"""A small network in VGG19's place, bundled with the package."""

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
"""Channels of the convolutions, 3 x 3 with ReLU, of each block; maximum pooling lies between."""

COUNTERPARTS = (
    ("block1_conv1", "block1_conv2"),
    ("block2_conv1", "block2_conv2"),
    ("block3_conv1", "block3_conv2", "block3_conv4"),
    ("block4_conv1", "block4_conv4"),
    ("block5_conv1",),
)
"""What a convolution of the trunk is in VGG19."""

TAPS = {
    "block1_conv1": (1, 1),
    "block2_conv1": (2, 1),
    "block3_conv1": (3, 1),
    "block4_conv1": (4, 1),
    "block4_conv2": (4, 1),
    "block5_conv1": (5, 1),
}
"""VGG19's layer that stands for a block and convolution of the trunk."""

PLAIN = ("block1_conv1",)
"""Taps that are the trunk itself; the others have a linear 1 x 1 convolution of the same width."""

WEIGHTS = Path(__file__).with_name("compact_vgg.npz")
"""The bundled weights, in float16."""

SHA256 = "815faab0d931fa94465b3145676dc376bd268653142c4b66758054dd2e914b56"
"""Of the bundled file."""


class CompactVGG(FeatureExtractor):
    """A network of 0.6 million weights, distilled from VGG19, that needs no download.

    Parameters
    ----------
    weights : str, path-like or None
        An ``.npz`` that `stylekit.features.distillation` wrote. None: the bundled one.
    fast : bool
        Whether to use this package's convolutions and pooling, which are faster on CPUs, or those
        of Keras. Features agree to rounding; gradients do where no maximum is a tie.

    Raises
    ------
    FileError
        If `weights` does not exist or is no weights file.

    Notes
    -----
    The trunk is a narrow VGG19: ten convolutions with maximum pooling between them, and at most
    three eighths of its channels. Behind each tap but the first a linear 1 x 1 convolution brings
    the features into a basis in which distances, and those of their Gram matrices, are VGG19's as
    far as the trunk can tell. Layers carry the names of those of VGG19 that they stand for;
    block4_conv2 shares the trunk of block4_conv1, and in the bundled weights its projection, too.
    Every layer has a mean square near 1.

    The bundled weights were made by `stylekit.features.distillation` from VGG19 (Simonyan and
    Zisserman, ICLR 2015) to conv4_1, and for conv5_1 from the published student of Collaborative
    Distillation (Wang, Li, Wang, Hu, Yang, CVPR 2020): from VGG19's own convolutions, pruned,
    trained on natural photographs, a few paintings, textures made by code, and images that the
    network painted itself while it learned; then pruned to its widths, which are those that
    processors take quickest, and trained on.
    """

    def __init__(self, weights: str | os.PathLike | None = None, *, fast: bool = True) -> None:
        self.weights = WEIGHTS if weights is None else weights_file(weights, "weights=")
        self.fast = fast
        self._models = Networks()

    # What it paints for conv5_1, which another network taught it, takes from what it paints for the
    # other layers; and conv4_1 alone, unlike conv3_1, leaves the strokes their place.
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
        """Return the network cut after the deepest of `layers`; see `FeatureExtractor.model`.

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
        """Return the convolutions and poolings to `layer`; see `FeatureExtractor.windows`."""
        name = self.resolve(layer)
        block = int(name[5])
        depth = len(TRUNK[block - 1]) if name.endswith("pool") else TAPS[name][1]
        depths = [*map(len, TRUNK[: block - 1]), depth]
        pool = Window(2, 2, "valid")
        path = [window for depth in depths for window in (*[Window(3)] * depth, pool)]
        return tuple(path if name.endswith("pool") else path[:-1])


def trunk_name(block: int, k: int) -> str:
    """Return the name of a convolution of the trunk."""
    plain = (name for name in PLAIN if TAPS[name] == (block, k))
    return next(plain, f"block{block}_trunk{k}")


def build(names, dtype: str, *, student: bool = False, fast: bool = True) -> keras.Model:
    """Return the network to the deepest of `names`, with random weights.

    Parameters
    ----------
    names : tuple of str
        From the picture down.
    dtype : str
        A Keras dtype policy.
    student : bool
        Whether it is to be trained, and gives the trunk's own features in the place of the taps'.
    fast : bool
        Whether to use `FrozenConv2D` and `FrozenMaxPooling2D`; a student never does.
    """
    policy = keras.DTypePolicy(dtype)
    image = keras.Input((None, None, 3), dtype=policy.variable_dtype)
    fast = fast and not student
    convolution = FrozenConv2D if fast else keras.layers.Conv2D
    shared = {"padding": "same", "data_format": "channels_last", "dtype": policy}
    # Zero padding then means the mean colour, as it does in VGG19.
    x = image * 4.0 - (MEAN * 4.0 / 255.0).astype(policy.variable_dtype)
    tensors = {}
    deepest = names[-1] if names else None
    for block, widths in enumerate(TRUNK, 1):
        for k, width in enumerate(widths, 1):
            if deepest in tensors or not names:
                break
            here = [tap for tap, place in TAPS.items() if place == (block, k)]
            # Maximum and ReLU commute: behind the pooling a quarter of the cells is left.
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
