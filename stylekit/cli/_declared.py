"""The options of the painting commands as their help shows them; ``_options`` says what they do."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._defaults import NEIGHBOR_STEPS, STEPS
from stylekit.cli._help import Panel
from stylekit.cli._network import ExtractorName
from stylekit.cli._values import complete_layers, one_of, within

STYLE_LOSSES = ("neighbors", "gram")

LARGEST = 16384
"""Longer side in pixels, at most: a square of it is more than a picture file is read with."""


class OptimizerName(enum.StrEnum):
    """What moves the pixels."""

    lbfgs = "lbfgs"
    adam = "adam"


class PoolingName(enum.StrEnum):
    """How the network reduces."""

    max = "max"
    average = "average"


class PrecisionName(enum.StrEnum):
    """The network's precision."""

    float32 = "float32"
    mixed_float16 = "mixed_float16"
    mixed_bfloat16 = "mixed_bfloat16"


class KeepColorsName(enum.StrEnum):
    """How the content's colours are kept."""

    luminance = "luminance"
    palette = "palette"
    match = "match"
    histogram = "histogram"


class TileName(enum.StrEnum):
    """Along what a picture tiles."""

    x = "x"
    y = "y"
    both = "both"


Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        rich_help_panel=Panel.picture,
        help="The picture to write: .png, .jpg, .webp, .avif or .tif.",
    ),
]
OutFolder = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        rich_help_panel=Panel.picture,
        help="Where the pictures go; the folder is made if it is not there.",
    ),
]
Size = Annotated[
    int,
    within(
        low=0,
        high=LARGEST,
        whole=True,
        metavar="PIXELS",
        rich_help_panel=Panel.picture,
        help="Its longer side; 0 is the first picture's own.",
    ),
]


def _steps(**options: Any) -> Any:
    return within(
        low=0,
        whole=True,
        rich_help_panel=Panel.picture,
        help="How often the picture is improved: more take longer, and gain less and less.",
        **options,
    )


Steps = Annotated[int | None, _steps(show_default=f"{NEIGHBOR_STEPS}, or {STEPS} by gram")]
SweepSteps = Annotated[int, _steps()]
StyleLoss = Annotated[
    str,
    typer.Option(
        metavar="METHOD",
        rich_help_panel=Panel.picture,
        autocompletion=one_of(*STYLE_LOSSES),
        help="The method: neighbors paints each place as the most similar place of STYLE; gram "
        "takes over the textures of STYLE, and keeps more of CONTENT; MODULE:NAME is a loss of "
        "your own.",
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=Panel.picture,
        help="Take the losses, weights, steps and optimizer of a paper or a program, such as "
        "gatys2016; a wrong name lists all.",
    ),
]
AddLoss = Annotated[
    list[str] | None,
    typer.Option(
        "--add-loss",
        metavar="MODULE:NAME",
        rich_help_panel=Panel.picture,
        help="A further loss of your own, such as my_losses.py:Warm; may be given again.",
    ),
]
StyleScale = Annotated[
    float,
    within(
        low=0,
        high=10,
        open_low=True,
        rich_help_panel=Panel.picture,
        help="Size of the brush strokes: beyond 1 they grow.",
    ),
]
Variation = Annotated[
    float | None,
    within(
        low=0,
        rich_help_panel=Panel.picture,
        show_default="the method's own",
        help="Weight of the total variation, which smooths: 0 keeps every grain.",
    ),
]
Extractor = Annotated[
    ExtractorName,
    typer.Option(
        rich_help_panel=Panel.network,
        help="The network that looks at the pictures; auto is vgg19 where its weights are on "
        "this machine, and else compact, which is part of stylekit.",
    ),
]
WeightsFile = Annotated[
    Path | None,
    typer.Option(
        "--weights-file",
        metavar="FILE",
        rich_help_panel=Panel.network,
        show_default="STYLEKIT_WEIGHTS, or a download",
        help="VGG19's weights: .h5, .npz, .pth, .safetensors, .npy or .mat.",
    ),
]
StyleLayers = Annotated[
    str | None,
    typer.Option(
        metavar="LAYERS",
        rich_help_panel=Panel.network,
        autocompletion=complete_layers,
        show_default="the network's own",
        help="Where the style is taken, such as conv1_1,conv2_1,conv3_1; with weights "
        "conv1_1:2,conv2_1:1.",
    ),
]
Pooling = Annotated[
    PoolingName,
    typer.Option(
        rich_help_panel=Panel.network,
        help="How VGG19 makes its pictures smaller; average is softer.",
    ),
]
Optimizer = Annotated[
    OptimizerName,
    typer.Option(
        rich_help_panel=Panel.run,
        help="What moves the pixels; adam needs less memory, and more steps.",
    ),
]
LearningRate = Annotated[
    float,
    within(low=0, open_low=True, rich_help_panel=Panel.run, help="How far adam goes in a step."),
]
Seed = Annotated[
    int,
    within(
        low=0,
        whole=True,
        rich_help_panel=Panel.run,
        help="Of all that is random: the same seed, the same picture.",
    ),
]
Tile = Annotated[
    TileName | None,
    typer.Option(
        rich_help_panel=Panel.picture,
        help="Paint a picture whose copies fit without a seam, side by side (x), one above the "
        "other (y), or both. Its sides are multiples of 16 pixels.",
    ),
]
Plan = Annotated[
    str,
    typer.Option(
        metavar="PLAN",
        rich_help_panel=Panel.memory,
        autocompletion=one_of("auto", "plain", "recompute", "tiles", "tiles:512"),
        help="plain; recompute, with less memory; tiles or tiles:512, for any size; or auto, "
        "the fastest of them that fits.",
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        metavar="BYTES",
        rich_help_panel=Panel.memory,
        show_default="what is free",
        help="Such as 4GB, for auto to fit in, beside 0.6 GB for the libraries.",
    ),
]
Precision = Annotated[
    PrecisionName,
    typer.Option(
        rich_help_panel=Panel.memory,
        help="Precision of the network. mixed_bfloat16 saves time and memory on GPUs, and on "
        "processors that multiply bfloat16 (see stylekit info).",
    ),
]
Bits = Annotated[
    int,
    typer.Option(
        metavar="8|16",
        rich_help_panel=Panel.files,
        autocompletion=one_of("8", "16"),
        help="Bits a channel of the picture; 16 for .tif alone.",
    ),
]
Metadata = Annotated[
    bool,
    typer.Option(
        rich_help_panel=Panel.files,
        help="Carry the first picture's transparency and EXIF data (the place, too) over.",
    ),
]
LossesCsv = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=Panel.files,
        help="Write a table of the losses there, a row a step.",
    ),
]
SaveEvery = Annotated[
    int,
    within(
        low=0,
        whole=True,
        metavar="STEPS",
        rich_help_panel=Panel.files,
        help="Write the picture so far that often, as OUT-00050.png; 0 is never.",
    ),
]
Timelapse = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=Panel.files,
        help="Write the run as an animation there: .gif, .webp or .mp4.",
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        rich_help_panel=Panel.files,
        help="Keep the run's state there: started again, the command goes on from it.",
    ),
]
CheckpointEvery = Annotated[
    int,
    within(
        low=1,
        whole=True,
        metavar="STEPS",
        rich_help_panel=Panel.files,
        help="Steps between writings of it.",
    ),
]
Progress = Annotated[bool, typer.Option(rich_help_panel=Panel.files, help="Show a progress bar.")]
Strength = Annotated[
    float,
    within(
        low=0,
        high=1,
        rich_help_panel=Panel.picture,
        help="How much style: 0 is CONTENT as it was, 1 is style alone.",
    ),
]
KeepColors = Annotated[
    KeepColorsName | None,
    typer.Option(
        rich_help_panel=Panel.picture,
        help="Keep CONTENT's colours: luminance recolours the result at the end (not "
        "the pictures on the way), match and histogram recolour the styles before. palette "
        "keeps where they are, in the colours of the styles, at the end.",
    ),
]
ContentLayers = Annotated[
    str | None,
    typer.Option(
        metavar="LAYERS",
        rich_help_panel=Panel.network,
        autocompletion=complete_layers,
        show_default="the network's own",
        help="Where CONTENT is compared, such as conv4_2.",
    ),
]
Finish = Annotated[
    str | None,
    typer.Option(
        metavar="NETWORK:STEPS",
        rich_help_panel=Panel.network,
        autocompletion=one_of("vgg19:50", "compact:50"),
        help="Another network for the last steps, such as vgg19:50.",
    ),
]
Pyramid = Annotated[
    int | None,
    within(
        low=1,
        high=10,
        whole=True,
        metavar="LEVELS",
        rich_help_panel=Panel.run,
        show_default="down to 64 pixels or more",
        help="Begin small: sizes to paint at in turn, each twice the one before.",
    ),
]
Workers = Annotated[
    int | None,
    within(
        low=1,
        whole=True,
        metavar="PROCESSES",
        rich_help_panel=Panel.run,
        show_default="this process alone",
        help="Paint in this number of processes on this machine, which share its processors.",
    ),
]
Dask = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        rich_help_panel=Panel.run,
        help="Paint on the Dask cluster of the scheduler at this address, such as "
        "tcp://host:8786. Its workers need the files under the same paths.",
    ),
]
