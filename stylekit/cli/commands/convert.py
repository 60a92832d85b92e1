"""``stylekit convert-weights``: convert VGG19 weights from the file of another program."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from stylekit._checks import caused_by, vgg19_file
from stylekit._write import check_room, named_format
from stylekit.cli._app import load_tensorflow


class Convention(enum.StrEnum):
    """Conventions for the network's input."""

    auto = "auto"
    torchvision = "torchvision"
    caffe = "caffe"
    matconvnet = "matconvnet"


def convert_weights(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="VGG19 weights: .pth or .safetensors from torchvision, .npy from Caffe, or .mat "
            "from MatConvNet.",
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help=".npz file to write."),
    ],
    convention: Annotated[
        Convention,
        typer.Option(
            help="Input of the network: torchvision is RGB, normalized with a mean and a standard "
            "deviation; caffe is BGR minus a mean; matconvnet is RGB minus a mean; auto detects "
            "the convention from the file."
        ),
    ] = Convention.auto,
) -> None:
    """Convert VGG19 weights from another format.

    The output file contains only the convolution layers. Give it to --weights-file. No code
    in FILE is executed.
    """
    vgg19_file(path, "`path`", "path")
    with caused_by("out"):
        named_format(out, {".npz": "npz"})
        check_room(out)
    load_tensorflow()
    from stylekit.features import convert_weights

    convert_weights(path, out, convention=convention.value)
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.0f} MB")
