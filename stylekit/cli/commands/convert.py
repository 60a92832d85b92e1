"""``stylekit convert-weights``: VGG19's weights from another program's file."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from stylekit._checks import caused_by, vgg19_file
from stylekit._write import check_room
from stylekit.cli._app import load_tensorflow, plain_errors


class Convention(enum.StrEnum):
    """What a network sees."""

    auto = "auto"
    torchvision = "torchvision"
    caffe = "caffe"
    matconvnet = "matconvnet"


def convert_weights(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="VGG19's weights: .pth or .safetensors of torchvision, .npy of Caffe's model, or "
            ".mat of MatConvNet.",
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="OUT", help="The file to write, .npz."),
    ],
    convention: Annotated[
        Convention,
        typer.Option(
            help="What its network sees: torchvision, RGB by a mean and a deviation; caffe, BGR "
            "less a mean; matconvnet, RGB less a mean; auto goes by the file."
        ),
    ] = Convention.auto,
) -> None:
    """Make a file of VGG19's weights from another program's.

    OUT, for --weights-file, has the convolutions alone. No code of FILE is run.
    """
    with plain_errors():
        vgg19_file(path, "`path`", "path")
        with caused_by("out"):
            check_room(out)
        load_tensorflow()
        from stylekit.features import convert_weights

        convert_weights(path, out, convention=convention.value)
        typer.echo(f"{out}: {out.stat().st_size / 1e6:.0f} MB")
