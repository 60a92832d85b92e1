"""A published network distilled from VGG19, for comparison and as the teacher of conv5_1."""

from __future__ import annotations

import os
from pathlib import Path

import keras
from keras import ops

from stylekit._checks import weights_file
from stylekit.features.geometry import Window
from stylekit.features.keras_extractor import KerasExtractor
from stylekit.features.weights import read_convolutions

_CONVOLUTIONS = (2, 2, 4, 4, 1)
_WIDTHS = (16, 32, 64, 128, 128)
_PROJECTED = (64, 128, 256, 512, 512)


class ReflectPadding(keras.layers.ZeroPadding2D):
    """Mirrored padding by one cell at each side."""

    def call(self, x):
        """Return ``[B, h + 2, w + 2, C]``."""
        return ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")


def collaborative_student(path: str | os.PathLike, *, projected: bool = False) -> KerasExtractor:
    """Return the VGG19 of Collaborative Distillation, 16 times smaller, up to conv5_1.

    Parameters
    ----------
    path : path
        An ``.npz`` file with the kernels ``conv0/kernel``, ``block1_conv1/kernel``,
        ``block1_conv1_aux/kernel`` and so on, and the corresponding biases.
    projected : bool
        If True, also return the layers ``block1_conv1_aux`` and so on, which predict VGG19's
        features.

    Returns
    -------
    KerasExtractor

    Raises
    ------
    FileError
        If the file does not exist or does not contain this network.

    References
    ----------
    Wang, Li, Wang, Hu, Yang: Collaborative Distillation for Ultra-Resolution Universal Style
    Transfer, CVPR 2020.
    """
    shared = {"data_format": "channels_last", "trainable": False}
    image = keras.Input((None, None, 3))
    outputs = []
    x = keras.layers.Conv2D(3, 1, name="conv0", **shared)(image)
    for block, (count, width) in enumerate(zip(_CONVOLUTIONS, _WIDTHS, strict=True), 1):
        for k in range(1, count + 1):
            name = f"block{block}_conv{k}"
            x = keras.layers.Conv2D(width, 3, activation="relu", name=name, **shared)(
                ReflectPadding()(x)
            )
            if projected and k == 1:
                aux = keras.layers.Conv2D(_PROJECTED[block - 1], 1, name=f"{name}_aux", **shared)
                outputs.append(aux(x))
        if block < len(_WIDTHS):
            x = keras.layers.MaxPooling2D(2, data_format="channels_last")(x)
    model = keras.Model(image, [*outputs, x])
    layers = [a for a in model.layers if isinstance(a, keras.layers.Conv2D)]
    shapes = {layer.name: tuple(layer.kernel.shape) for layer in layers}
    for name, arrays in read_convolutions(weights_file(Path(path), "path"), shapes).items():
        model.get_layer(name).set_weights(arrays)
    mirrored = Window(1, border=((1, 1), (1, 1)))
    return KerasExtractor(model, windows={ReflectPadding: mirrored})
