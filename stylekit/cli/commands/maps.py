"""``stylekit regions``, ``patches``, ``photoreal`` and ``doodle``: painting by colour maps."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from stylekit._checks import InputError, explain
from stylekit._defaults import MIN_SHARE
from stylekit.cli import _declared as declared
from stylekit.cli._help import Panel
from stylekit.cli._options import PaintOptions, RunOptions, with_options
from stylekit.cli._plugin import checked, resolved
from stylekit.cli._preset import PresetOptions
from stylekit.cli._values import complete_layers, one_of, within
from stylekit.cli.commands.techniques import ContentArgument, StyleArgument, check_maps

ContentMap = Annotated[
    Path,
    typer.Argument(
        metavar="CONTENT_MAP", help="CONTENT's regions, each filled with a colour of its own."
    ),
]
StyleMap = Annotated[
    Path,
    typer.Argument(metavar="STYLE_MAP", help="STYLE's regions, in the colours of their likes."),
]
Colors = Annotated[
    list[str] | None,
    typer.Option(
        "--color",
        metavar="COLOUR",
        show_default="all",
        help="A region to paint, such as '#ff0000'; may be given again.",
    ),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="COLOUR",
        help="A region to leave as it is, such as '#ff0000'; may be given again.",
    ),
]
Merge = Annotated[
    list[str] | None,
    typer.Option(
        "--merge",
        metavar="COLOUR",
        help="A region to merge with those around it, such as '#ff0000'; may be given again.",
    ),
]
MinShare = Annotated[
    float,
    within(
        low=0,
        high=1,
        metavar="SHARE",
        help="The share of a map from which a colour is a region; smaller ones are merged.",
    ),
]
SkipSmall = Annotated[
    bool, typer.Option("--skip-small", help="Leave out layers too coarse for a region.")
]
ContentMapOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Colours that say what is where in CONTENT.")
]
StyleMapOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The same colours for what is where in STYLE."),
]

DOODLE_LOSSES = ("patches", *declared.STYLE_LOSSES)
"""How a doodle's regions take over those of the painting."""


@with_options
def regions(
    content: ContentArgument,
    content_map: ContentMap,
    style: StyleArgument,
    style_map: StyleMap,
    *,
    colors: Colors = None,
    keep: Keep = None,
    merge: Merge = None,
    min_share: MinShare = MIN_SHARE,
    small_regions: SkipSmall = False,
    run: PresetOptions,
) -> None:
    """Paint sky as sky and trees as trees, by two coloured maps.

    Each region of CONTENT_MAP is painted as the region of the same colour in STYLE_MAP.
    """
    check_maps((content, content_map, "content"), (style, style_map, "style"))
    options = run.arguments()
    import stylekit as sk

    run.complete(
        content,
        sk.recipes.regions,
        content,
        content_map,
        style,
        style_map,
        colors=colors or None,
        keep=keep or (),
        merge=merge or (),
        min_share=min_share,
        small_regions="skip_layer" if small_regions else "error",
        **options,
    )


@with_options
def patches(
    content: ContentArgument,
    style: StyleArgument,
    *,
    content_map: ContentMapOption = None,
    style_map: StyleMapOption = None,
    patch: Annotated[
        int,
        within(
            low=1, whole=True, metavar="PIXELS", help="Side of a part, in pixels of the result."
        ),
    ] = 128,
    run: PaintOptions,
) -> None:
    """Paint each part as the part of STYLE that it is most like."""
    check_optional(content, content_map, style, style_map)
    options = run.arguments()
    import stylekit as sk

    maps = content_map, style_map
    run.complete(content, sk.recipes.patches, content, style, *maps, patch=patch, **options)


@dataclasses.dataclass(kw_only=True)
class PhotorealOptions(PaintOptions):
    """Options of the command that paints no strokes."""

    style_loss: declared.StyleLoss = "gram"


@with_options
def photoreal(
    content: ContentArgument,
    style: StyleArgument,
    *,
    content_map: ContentMapOption = None,
    style_map: StyleMapOption = None,
    colors: Colors = None,
    keep: Keep = None,
    merge: Merge = None,
    min_share: MinShare = MIN_SHARE,
    small_regions: SkipSmall = False,
    smoothness: Annotated[
        float,
        within(
            low=0,
            metavar="FACTOR",
            help="How strictly colours follow those of CONTENT; 0 lets paint in.",
        ),
    ] = 1.0,
    restore: Annotated[
        bool, typer.Option("--restore", help="Restore CONTENT's gradients after the run.")
    ] = False,
    run: PhotorealOptions,
) -> None:
    """Give a photograph the light of another, without paint."""
    check_optional(content, content_map, style, style_map)
    options = run.arguments()
    if content_map:
        options |= {
            "colors": colors or None,
            "keep": keep or (),
            "merge": merge or (),
            "min_share": min_share,
            "small_regions": "skip_layer" if small_regions else "error",
        }
    import stylekit as sk

    maps = content_map, style_map
    how = {"smoothness": smoothness, "restore": restore}
    run.complete(content, sk.recipes.photoreal, content, style, *maps, **how, **options)


def check_optional(
    content: Path, content_map: Path | None, style: Path, style_map: Path | None
) -> None:
    """Refuse one map without the other, and what `check_maps` refuses."""
    if (content_map is None) != (style_map is None):
        raise InputError(
            explain(
                "one map is missing",
                expected="both maps, or neither",
                received="--content-map" if content_map else "--style-map",
                hint="give the other, or leave both out",
            )
        )
    check_maps((content, content_map, "content"), (style, style_map, "style"))


@with_options
def doodle(
    doodle_map: Annotated[Path, typer.Argument(metavar="MAP", help="The doodle, in flat colours.")],
    style: StyleArgument,
    style_map: StyleMap,
    *,
    colors: Colors = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep",
            metavar="COLOUR",
            help="A colour that is no region, such as '#ff0000'; may be given again. What both "
            "maps leave out is painted alike.",
        ),
    ] = None,
    merge: Merge = None,
    min_share: MinShare = MIN_SHARE,
    style_loss: Annotated[
        str,
        typer.Option(
            metavar="METHOD",
            autocompletion=one_of(*DOODLE_LOSSES),
            help="The method: patches spreads over all of a region of STYLE; neighbors and gram "
            "are faster; MODULE:NAME is a loss of your own.",
        ),
    ] = "patches",
    patch_layers: Annotated[
        str | None,
        typer.Option(
            metavar="LAYERS",
            rich_help_panel=Panel.network,
            autocompletion=complete_layers,
            show_default="conv3_1,conv4_1",
            help="Where parts of the painting are compared.",
        ),
    ] = None,
    run: RunOptions,
) -> None:
    """Turn a doodle of flat colours into a painting.

    What has a colour in MAP is painted as what has the same colour in STYLE_MAP.
    """
    checked(style_loss, "--style-loss", DOODLE_LOSSES)
    run.layers(patch_layers=patch_layers)
    check_maps((doodle_map, None, "map"), (style, style_map, "style"))
    options = run.arguments() | run.layers(patch_layers=patch_layers)
    import stylekit as sk

    run.complete(
        doodle_map,
        sk.recipes.doodle,
        doodle_map,
        style,
        style_map,
        colors=colors or None,
        keep=keep or (),
        merge=merge or (),
        min_share=min_share,
        style_loss=resolved(style_loss, "--style-loss"),
        **options,
    )
