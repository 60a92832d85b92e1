"""Declarations of the options that several commands share: names, limits and help texts."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._defaults import DOODLE_STEPS, NEIGHBOR_STEPS, STEPS, VARIATION
from stylekit.cli._help import Panel
from stylekit.cli._network import ExtractorName
from stylekit.cli._values import complete_layers, one_of, within

STYLE_LOSSES = ("neighbors", "gram")

SMALLEST = 8
"""Smallest longer side in pixels that the default layers accept: block4_conv1 needs 8 pixels."""

LARGEST = 16384
"""Largest longer side in pixels. A square of this side already exceeds the limit of pixels for
picture files."""


PRESETS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("content", "style"): (
        "crowsonkb",
        "gatys2016",
        "gatys2017",
        "johnson2016_loss",
        "keras_example",
        "kolkin2019",
        "kolkin2022",
        "li_wand2016",
        "neural_style_pt",
        "realtime_tutorial",
        "tensorflow_tutorial",
    ),
    ("style",): ("heitz2021",),
    ("content", "content_map", "style", "style_map"): ("luan2017", "region_scripts"),
    ("content", "style", "subject"): ("masked_semantic",),
}
"""Names of the presets, grouped by their picture arguments. `stylekit.recipes.presets` has the same
names, but importing that module loads TensorFlow."""


class OptimizerName(enum.StrEnum):
    """Optimizers."""

    lbfgs = "lbfgs"
    adam = "adam"


class PoolingName(enum.StrEnum):
    """Pooling layers of VGG19."""

    max = "max"
    average = "average"


class PrecisionName(enum.StrEnum):
    """Precisions of the network."""

    float32 = "float32"
    mixed_float16 = "mixed_float16"
    mixed_bfloat16 = "mixed_bfloat16"


class KeepColorsName(enum.StrEnum):
    """Ways to keep the colours of the content."""

    luminance = "luminance"
    palette = "palette"
    match = "match"
    histogram = "histogram"


class TileName(enum.StrEnum):
    """Axes along which a picture tiles."""

    x = "x"
    y = "y"
    both = "both"


Content = Annotated[Path, typer.Argument(metavar="CONTENT", help="Photograph to paint.")]
Style = Annotated[Path, typer.Argument(metavar="STYLE", help="Style picture.")]
Styles = Annotated[list[Path], typer.Argument(metavar="STYLE", help="One or more style pictures.")]


def out(example: str) -> Any:
    """Return the option ``--out``; the help text shows `example` as a name made by default."""
    return typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        rich_help_panel=Panel.picture,
        show_default=f"made of the input names, such as {example}",
        help="Picture file to write: .png, .jpg, .webp, .avif or .tif.",
    )


Out = Annotated[Path | None, out("photo-starry.png")]
PortraitOut = Annotated[Path | None, out("photo-portrait.png")]
TextureOut = Annotated[Path | None, out("gravel-texture.png")]
OutFolder = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        rich_help_panel=Panel.picture,
        help="Output folder; it is created if it does not exist.",
    ),
]
Size = Annotated[
    int,
    within(
        low=SMALLEST,
        high=LARGEST,
        whole=True,
        or_zero=True,
        example="512",
        metavar="PIXELS",
        rich_help_panel=Panel.picture,
        help="Longer side of the result in pixels; 0 keeps the size of the first picture.",
    ),
]


def steps(shown: str | bool = True) -> Any:
    """Return the option ``--steps``; the help text shows `shown` as its default."""
    return within(
        low=0,
        whole=True,
        example="50",
        metavar="STEPS",
        rich_help_panel=Panel.picture,
        show_default=shown,
        help="Optimization steps.",
    )


Steps = Annotated[int | None, steps(f"{NEIGHBOR_STEPS}; {STEPS} with --style-loss gram")]
GramSteps = Annotated[int | None, steps(f"{STEPS}; {NEIGHBOR_STEPS} with --style-loss neighbors")]
DoodleSteps = Annotated[int | None, steps(str(DOODLE_STEPS))]
SweepSteps = Annotated[int, steps()]


def style_loss(style: str, kept: str = "") -> Any:
    """Return the option ``--style-loss``.

    Parameters
    ----------
    style : str
        Name of the style's argument in the help text.
    kept : str
        What the loss gram keeps, as the end of a clause.
    """
    return typer.Option(
        metavar="METHOD",
        rich_help_panel=Panel.picture,
        autocompletion=one_of(*STYLE_LOSSES),
        help=f"Style loss: neighbors matches each place with the most similar place of {style}; "
        f"gram matches texture statistics{kept}; or MODULE:NAME, a loss of your own.",
    )


StyleLoss = Annotated[str, style_loss("STYLE", " and keeps more detail of CONTENT")]
TextureStyleLoss = Annotated[str, style_loss("SAMPLE")]


def preset(*takes: str) -> Any:
    """Return the option of a preset with the picture arguments `takes`."""
    names = PRESETS[takes]
    return typer.Option(
        metavar="NAME",
        rich_help_panel=Panel.picture,
        autocompletion=one_of(*names),
        help="Use the losses, weights, steps and optimizer of a paper or program, such as "
        f"{'gatys2016' if 'gatys2016' in names else names[0]}. An unknown name lists all presets.",
    )


Preset = Annotated[str | None, preset("content", "style")]
SamplePreset = Annotated[str | None, preset("style")]
RegionPreset = Annotated[str | None, preset("content", "content_map", "style", "style_map")]
SubjectPreset = Annotated[str | None, preset("content", "style", "subject")]
AddLoss = Annotated[
    list[str] | None,
    typer.Option(
        "--add-loss",
        metavar="MODULE:NAME",
        rich_help_panel=Panel.look,
        help="Add a loss of your own, such as my_losses.py:Warm. Repeat for several.",
    ),
]
StyleScale = Annotated[
    float,
    within(
        low=0,
        high=10,
        open_low=True,
        example="1.5",
        rich_help_panel=Panel.look,
        help="Scale of the brush strokes; larger values give larger strokes.",
    ),
]


def variation(shown: str) -> Any:
    """Return the option ``--variation``; the help text shows `shown` as its default."""
    return within(
        low=0,
        example="3",
        rich_help_panel=Panel.look,
        show_default=shown,
        help="Total variation weight; larger values give a smoother picture.",
    )


Variation = Annotated[float | None, variation("depends on the style loss")]
DoodleVariation = Annotated[float | None, variation(f"{VARIATION:g}")]
Extractor = Annotated[
    ExtractorName,
    typer.Option(
        rich_help_panel=Panel.network,
        help="Network for the features. auto uses vgg19 if its weights are on this machine, and "
        "otherwise compact, which comes with stylekit.",
    ),
]
WeightsFile = Annotated[
    Path | None,
    typer.Option(
        "--weights-file",
        metavar="FILE",
        rich_help_panel=Panel.network,
        show_default="the file that STYLEKIT_WEIGHTS names, or a download",
        help="VGG19 weights: .h5, .npz, .pth, .safetensors, .npy or .mat.",
    ),
]
StyleLayers = Annotated[
    str | None,
    typer.Option(
        metavar="LAYERS",
        rich_help_panel=Panel.network,
        autocompletion=complete_layers,
        show_default="depends on the network",
        help="Style layers, such as conv1_1,conv2_1,conv3_1; with weights: conv1_1:2,conv2_1:1.",
    ),
]
Pooling = Annotated[
    PoolingName,
    typer.Option(
        rich_help_panel=Panel.network,
        help="Pooling layers of VGG19. average gives softer results.",
    ),
]
Optimizer = Annotated[
    OptimizerName,
    typer.Option(
        rich_help_panel=Panel.run,
        help="Optimizer. adam needs less memory and more steps.",
    ),
]
LearningRate = Annotated[
    float,
    within(
        low=0,
        open_low=True,
        example="0.02",
        rich_help_panel=Panel.run,
        help="Learning rate, for --optimizer adam.",
    ),
]
Seed = Annotated[
    int,
    within(
        low=0,
        whole=True,
        example="1",
        rich_help_panel=Panel.run,
        help="Random seed.",
    ),
]
Tile = Annotated[
    TileName | None,
    typer.Option(
        rich_help_panel=Panel.look,
        help="Make a picture that tiles without seams, horizontally (x), vertically (y) or both. "
        "The sides that tile are rounded to multiples of 16 pixels.",
    ),
]
Plan = Annotated[
    str,
    typer.Option(
        metavar="PLAN",
        rich_help_panel=Panel.memory,
        autocompletion=one_of("auto", "plain", "recompute", "tiles", "tiles:512"),
        help="Memory plan: plain; recompute, which uses less memory than plain; tiles or "
        "tiles:512, for any size; or auto, the fastest plan that fits into memory.",
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        metavar="BYTES",
        rich_help_panel=Panel.memory,
        show_default="the free memory",
        help="Memory limit for --plan auto, such as 4GB. The libraries need about 0.6 GB in "
        "addition.",
    ),
]
Precision = Annotated[
    PrecisionName,
    typer.Option(
        rich_help_panel=Panel.memory,
        help="Precision of the network. mixed_bfloat16 saves time and memory on GPUs, and on "
        "CPUs with bfloat16 instructions (see stylekit info).",
    ),
]
Bits = Annotated[
    int,
    typer.Option(
        metavar="8|16",
        rich_help_panel=Panel.files,
        autocompletion=one_of("8", "16"),
        help="Bits per channel; 16 is for .tif only.",
    ),
]
Metadata = Annotated[
    bool,
    typer.Option(
        rich_help_panel=Panel.files,
        help="Copy the alpha channel and the EXIF data of the first picture, including its GPS "
        "position.",
    ),
]
LossesCsv = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=Panel.files,
        help="Write the losses to a .csv table, one row per step.",
    ),
]
SaveEvery = Annotated[
    int,
    within(
        low=0,
        whole=True,
        example="50",
        metavar="STEPS",
        rich_help_panel=Panel.files,
        help="Steps between saves of the current picture, as OUT-00050.png; 0 saves none.",
    ),
]
Timelapse = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=Panel.files,
        help="Write the run as an animation: .gif, .webp or .mp4.",
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        rich_help_panel=Panel.files,
        help="Save the state of the run in this folder. The same command resumes from it.",
    ),
]


def every(what: str) -> Any:
    """Return the option ``--checkpoint-every`` for something that is saved."""
    return within(
        low=1,
        whole=True,
        example="50",
        metavar="STEPS",
        rich_help_panel=Panel.files,
        help=f"Steps between saves of {what}.",
    )


CheckpointEvery = Annotated[int, every("the checkpoint")]
Progress = Annotated[bool, typer.Option(rich_help_panel=Panel.files, help="Show the progress.")]
Strength = Annotated[
    float,
    within(
        low=0,
        high=1,
        example="0.5",
        rich_help_panel=Panel.picture,
        help="Amount of style: 0 returns the photograph, 1 is style only.",
    ),
]
KeepColors = Annotated[
    KeepColorsName | None,
    typer.Option(
        rich_help_panel=Panel.picture,
        help="Keep the colours of CONTENT: luminance restores them after the run; match and "
        "histogram recolour STYLE before the run; palette keeps the colours of STYLE, but arranges "
        "their hues as in CONTENT.",
    ),
]
ContentLayers = Annotated[
    str | None,
    typer.Option(
        metavar="LAYERS",
        rich_help_panel=Panel.network,
        autocompletion=complete_layers,
        show_default="depends on the network",
        help="Content layers, such as conv4_2.",
    ),
]
Finish = Annotated[
    str | None,
    typer.Option(
        metavar="NETWORK:STEPS",
        rich_help_panel=Panel.network,
        autocompletion=one_of("vgg19:50", "compact:50"),
        help="Use another network for the last steps: vgg19:50 uses VGG19 for the last 50 steps.",
    ),
]
Pyramid = Annotated[
    int | None,
    within(
        low=1,
        high=10,
        whole=True,
        example="3",
        metavar="LEVELS",
        rich_help_panel=Panel.run,
        show_default="as many as give a smallest size of 64 to 127 pixels",
        help="Number of picture sizes, from coarse to fine; each size is twice the previous one.",
    ),
]
Workers = Annotated[
    int | None,
    within(
        low=1,
        whole=True,
        example="4",
        metavar="PROCESSES",
        rich_help_panel=Panel.memory,
        show_default="this process only",
        help="Number of worker processes on this machine, which share its CPUs.",
    ),
]
Dask = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        rich_help_panel=Panel.memory,
        help="Address of a Dask scheduler, such as tcp://host:8786. The runs are distributed to "
        "its workers, which need the files under the same paths as this machine.",
    ),
]
