"""Convert VGG19 weights files of other programs to stylekit's file format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from stylekit._checks import FileError, as_path, caused_by, choice, explain, renamed, vgg19_file
from stylekit._defaults import VGG19_BLOCKS
from stylekit._write import named_format, replacing
from stylekit.features._formats.foreign import CONVENTIONS, LAYERS
from stylekit.features.weights import held_layers, read_convolutions


def convert_weights(
    path: str | os.PathLike[str], out: str | os.PathLike[str], *, convention: str = "auto"
) -> Path:
    """Convert a file with VGG19 weights of another program to an ``.npz`` file for `VGG19`.

    `VGG19` also reads the original files. The ``.npz`` file contains only the convolutions (80 MB)
    and not the classifier (500 MB). No code in the original file is run.

    Parameters
    ----------
    path : str or path-like
        The file to convert:

        ``.pth``, ``.pt`` or ``.safetensors``
            The state dict of torchvision's VGG19, or a file with the same layout.
        ``.npy``
            A dict from layer names (``conv1_1``, ...) to kernels and biases of Caffe's model.
        ``.mat``
            ``imagenet-vgg-verydeep-19`` of MatConvNet.
        ``.h5`` or ``.npz``
            Formats that `VGG19` reads; see its argument `weights`.
    out : str or path-like
        The file to write. Must end in ``.npz``.
    convention : str
        Preprocessing with which the weights were trained. Ignored for ``.h5`` and ``.npz``.

        ``"torchvision"``
            RGB in [0, 1], minus a mean, divided by a standard deviation.
        ``"caffe"``
            BGR in [0, 255] minus the mean colour of ImageNet, as in stylekit.
        ``"matconvnet"``
            RGB in [0, 255] minus the mean in the file.
        ``"auto"``
            ``"matconvnet"`` for ``.mat`` files. For other files ``"torchvision"`` if the layers are
            named ``features.0`` and so on, and ``"caffe"`` if they are named ``conv1_1`` and so on.

    Returns
    -------
    pathlib.Path
        The path `out`. The file contains the same convolutions as `path`: all of VGG19, or the
        first ones.

    Raises
    ------
    FileError
        If `path` is missing or damaged, does not contain VGG19, or `out` cannot be written.
    InputError, InputTypeError
        If an argument is invalid.

    Notes
    -----
    The kernel and the bias of conv1_1 are changed, so that the weights accept stylekit's
    preprocessing. This is exact for Caffe and MatConvNet. For torchvision it is not exact in the
    outermost row and column of conv1_1: torchvision's mean colour differs from Caffe's by up to
    half a level of 255, and convolutions pad with the mean colour. Recipes are not affected,
    because they reflect pictures at the border.

    torchvision trained VGG19 again. Its weights therefore give different features and pictures than
    the weights that Keras, Caffe and MatConvNet share. ``vgg19-d01eb7cb.pth`` of neural-style-pt
    has torchvision's names but Caffe's weights, and needs ``convention="caffe"``.

    Examples
    --------
    >>> import stylekit as sk
    >>> sk.features.convert_weights("vgg19-dcbb9e9d.pth", "vgg19.npz")  # doctest: +SKIP
    >>> network = sk.VGG19("vgg19.npz")  # doctest: +SKIP
    """
    path, out = vgg19_file(path, "`path`", "path"), as_path(out, "out")
    choice(convention, "convention", CONVENTIONS)
    with caused_by("out"):
        named_format(out, {".npz": "npz"})
    with renamed(weights="path"):
        held = {*held_layers(path)}
        layers = [layer for layer in LAYERS if layer in held]
        for layer, own in zip(layers or held or ["nothing"], LAYERS, strict=False):
            if layer != own:
                raise FileError(
                    explain(
                        f"the weights file {path} does not match VGG19: layer {own}",
                        expected="a convolution of that name",
                        received=layer,
                    ),
                    argument="path",
                )
        arrays = read_convolutions(path, _shapes(len(layers)), convention)
    named: dict[str, Any] = {}
    for layer, (kernel, bias) in arrays.items():
        named |= {f"{layer}/kernel": kernel, f"{layer}/bias": bias}
    with caused_by("out"), replacing(out) as file:
        np.savez(file, **named)
    return out


def _shapes(count: int) -> dict[str, tuple[int, int, int, int]]:
    """Return the shapes of the kernels of the first `count` convolutions, by layer."""
    channels = [channels for channels, times in VGG19_BLOCKS for _ in range(times)]
    before = [3, *channels]
    return {layer: (3, 3, before[n], channels[n]) for n, layer in enumerate(LAYERS[:count])}
