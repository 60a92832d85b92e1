"""``stylekit regions``, ``patches``, ``photoreal`` and ``doodle``: painting with colour maps."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import InputError, fail
from stylekit._defaults import MIN_SHARE
from stylekit.cli import _declared as declared
from stylekit.cli._help import NAMES, Panel
from stylekit.cli._options import PaintOptions, RunOptions, with_options
from stylekit.cli._plugin import checked, resolved
from stylekit.cli._preset import RegionPresetOptions
from stylekit.cli._values import complete_layers, one_of, within
from stylekit.cli.commands.techniques import check_maps

ContentMap = Annotated[
    Path,
    typer.Argument(
        metavar="CONTENT_MAP", help="Colour map of CONTENT: each region in a flat colour."
    ),
]
StyleMap = Annotated[
    Path,
    typer.Argument(
        metavar="STYLE_MAP", help="Colour map of STYLE, in the colours of the matching regions."
    ),
]


def _colors(name: str, help: str, **options: Any) -> Any:
    """Return an option for colours, which may be repeated."""
    return typer.Option(
        name,
        metavar="COLOUR",
        rich_help_panel=Panel.subject,
        help=f"{help}, such as '#ff0000'. Repeat for several.",
        **options,
    )


Colors = Annotated[
    list[str] | None, _colors("--color", "Region to paint", show_default="all regions")
]
Keep = Annotated[list[str] | None, _colors("--keep", "Region to leave unchanged")]
Merge = Annotated[
    list[str] | None, _colors("--merge", "Region to merge with the regions around it")
]
MinShare = Annotated[
    float,
    within(
        low=0,
        high=1,
        example="0.001",
        metavar="SHARE",
        rich_help_panel=Panel.subject,
        help="Smallest share of a colour map that a region covers. Colours with a smaller share "
        "are merged with the regions around them.",
    ),
]
SkipSmall = Annotated[
    bool,
    typer.Option(
        "--skip-small",
        rich_help_panel=Panel.subject,
        help="Skip network layers that are too coarse for a region.",
    ),
]
ContentMapOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=Panel.subject,
        help="Colour map of CONTENT: each region in a flat colour.",
    ),
]
StyleMapOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=Panel.subject,
        help="Colour map of STYLE, in the colours of the matching regions.",
    ),
]

DOODLE_LOSSES = ("patches", *declared.STYLE_LOSSES)
"""Style losses of a doodle."""


@with_options
def regions(
    content: declared.Content,
    content_map: ContentMap,
    style: declared.Style,
    style_map: StyleMap,
    *,
    colors: Colors = None,
    keep: Keep = None,
    merge: Merge = None,
    min_share: MinShare = MIN_SHARE,
    small_regions: SkipSmall = False,
    run: RegionPresetOptions,
) -> None:
    """Paint each region in the style of the matching region of STYLE.

    Regions match if they have the same colour in CONTENT_MAP and STYLE_MAP.
    """
    check_maps((content, content_map, "content"), (style, style_map, "style"))
    check_regions(content_map, style_map, colors, keep, merge, min_share)
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
    content: declared.Content,
    style: declared.Style,
    *,
    content_map: ContentMapOption = None,
    style_map: StyleMapOption = None,
    patch: Annotated[
        int,
        within(
            low=1,
            whole=True,
            example="128",
            metavar="PIXELS",
            rich_help_panel=Panel.picture,
            help="Side of a patch in pixels of the result, for --style-loss gram.",
        ),
    ] = 128,
    run: PaintOptions,
) -> None:
    """Paint each patch in the style of the most similar patch of STYLE."""
    check_optional(content, content_map, style, style_map)
    if content_map and style_map and run.style_loss != "gram":
        NAMES.set(NAMES.get({}) | {"merge": "--merge", "keep": "--keep", "colors": "--color"})
        try:
            check_regions(content_map, style_map)
        except InputError as error:
            raise InputError(
                f"{error} These options belong to the command stylekit regions."
            ) from None
    options = run.arguments()
    import stylekit as sk

    maps = content_map, style_map
    run.complete(content, sk.recipes.patches, content, style, *maps, patch=patch, **options)


@dataclasses.dataclass(kw_only=True)
class PhotorealOptions(PaintOptions):
    """Options of the command that keeps a photograph photorealistic."""

    steps: declared.GramSteps = None
    style_loss: declared.StyleLoss = "gram"


@dataclasses.dataclass(kw_only=True)
class DoodleOptions(RunOptions):
    """Options of the command that paints a doodle."""

    steps: declared.DoodleSteps = None
    variation: declared.DoodleVariation = None
    style_loss: Annotated[
        str,
        typer.Option(
            metavar="METHOD",
            rich_help_panel=Panel.picture,
            autocompletion=one_of(*DOODLE_LOSSES),
            help="Style loss: patches makes use of the whole of each region of STYLE; neighbors "
            "and gram are faster than patches; or MODULE:NAME, a loss of your own.",
        ),
    ] = "patches"
    patch_layers: Annotated[
        str | None,
        typer.Option(
            metavar="LAYERS",
            rich_help_panel=Panel.network,
            autocompletion=complete_layers,
            show_default="conv3_1,conv4_1",
            help="Layers of --style-loss patches.",
        ),
    ] = None

    def check(self) -> None:
        """Check the options, before pictures are read and TensorFlow loads."""
        checked(self.style_loss, "--style-loss", DOODLE_LOSSES)
        self.layers(patch_layers=self.patch_layers)
        super().check()


@with_options
def photoreal(
    content: declared.Content,
    style: declared.Style,
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
            example="1",
            metavar="FACTOR",
            rich_help_panel=Panel.picture,
            help="Weight of photorealism; 0 allows brush strokes.",
        ),
    ] = 1.0,
    restore: Annotated[
        bool,
        typer.Option(
            "--restore",
            rich_help_panel=Panel.picture,
            help="Restore the fine detail of CONTENT after the run.",
        ),
    ] = False,
    run: PhotorealOptions,
) -> None:
    """Transfer the light and colours of a photograph, without brush strokes."""
    check_optional(content, content_map, style, style_map)
    if content_map and style_map:
        check_regions(content_map, style_map, colors, keep, merge, min_share)
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
    """Raise an error if only one map is given, or if `check_maps` raises one."""
    if (content_map is None) != (style_map is None):
        given, other = "--content-map", "--style-map"
        if content_map is None:
            given, other = other, given
        fail(
            f"{other} is missing",
            expected="both maps, or neither",
            received=given,
            hint=f"give {other}, too, or leave {given} out",
        )
    check_maps((content, content_map, "content"), (style, style_map, "style"))


def check_regions(
    content_map: Path,
    style_map: Path,
    colors: list[str] | None = None,
    keep: list[str] | None = None,
    merge: list[str] | None = None,
    min_share: float = MIN_SHARE,
) -> None:
    """Raise `InputError` if two maps do not have the same regions, before TensorFlow loads."""
    from stylekit.masks import match_regions

    match_regions(
        content_map, style_map, colors or None, keep or (), merge or (), min_share=min_share
    )


@with_options
def doodle(
    doodle_map: Annotated[Path, typer.Argument(metavar="MAP", help="Doodle in flat colours.")],
    style: declared.Style,
    style_map: StyleMap,
    *,
    colors: Colors = None,
    keep: Annotated[
        list[str] | None,
        _colors("--keep", "Colour to leave out, which does not become a region"),
    ] = None,
    merge: Merge = None,
    min_share: MinShare = MIN_SHARE,
    run: DoodleOptions,
) -> None:
    """Turn a doodle of flat colours into a painting.

    Each colour of MAP is painted in the style of the same colour in STYLE_MAP.
    """
    check_maps((doodle_map, None, "map"), (style, style_map, "style"))
    check_regions(doodle_map, style_map, colors, keep, merge, min_share)
    options = run.arguments() | run.layers(patch_layers=run.patch_layers)
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
        style_loss=resolved(run.style_loss, "--style-loss"),
        **options,
    )
