"""VGG19's weights from a file of another program to one of stylekit's own."""

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
    """Write VGG19's weights from a file of another program as an ``.npz``, which `VGG19` reads.

    `VGG19` reads the other files, too. An ``.npz`` has the convolutions alone, 80 MB, and not the
    layers that tell classes, 500 MB. No code of a file is run.

    Parameters
    ----------
    path : str or path-like
        ``.pth`` or ``.pt``: what ``torch.save(model.state_dict(), path)`` wrote of torchvision's
        VGG19, also of the layout of its published weights. ``.safetensors``: the same.
        ``.npy``: a dict of ``conv1_1`` and so on to kernels and biases, of Caffe's model.
        ``.mat``: ``imagenet-vgg-verydeep-19`` of MatConvNet. ``.h5`` or ``.npz``: as `VGG19` has
        them.
    out : str or path-like
        Ends in ``.npz``.
    convention : str
        What the network of the file sees. ``"torchvision"``: RGB in [0, 1] less a mean, divided by
        a deviation. ``"caffe"``: BGR in 0 to 255 less the mean colour of ImageNet, as stylekit's
        own. ``"matconvnet"``: RGB in 0 to 255 less the mean in the file. ``"auto"``: for ``.mat``
        that of MatConvNet; for others torchvision's where the layers are called ``features.0``,
        and Caffe's where they are called ``conv1_1``. Counts for files of other programs.

    Returns
    -------
    pathlib.Path
        `out`. The layers are the first convolutions of VGG19, as many as `path` has.

    Raises
    ------
    FileError
        If `path` is missing, damaged or of another network, or `out` cannot be written.
    InputError, InputTypeError
        If an argument cannot be used.

    Notes
    -----
    A convention becomes stylekit's in the kernel and the bias of conv1_1. That is exact for Caffe's
    and MatConvNet's. torchvision's mean differs from Caffe's by up to half a level of 255, and the
    networks pad with their own means: in the outermost row and column of conv1_1 the features
    differ by as much. Recipes do not see it, for they reflect pictures at the border.

    torchvision trained its VGG19 anew: its features, and so its pictures, are not those of the
    weights that Keras, Caffe and MatConvNet share. ``vgg19-d01eb7cb.pth`` of neural-style-pt has
    torchvision's names and Caffe's weights: give ``convention="caffe"``.

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
                        f"the weights file {path} is of another network than VGG19: layer {own}",
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
    """Return the kernels' shapes of the first convolutions."""
    channels = [channels for channels, times in VGG19_BLOCKS for _ in range(times)]
    before = [3, *channels]
    return {layer: (3, 3, before[n], channels[n]) for n, layer in enumerate(LAYERS[:count])}
