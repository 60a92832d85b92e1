"""``stylekit texture``: more of a material."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stylekit._checks import caused_by, fail
from stylekit.cli import _declared as declared
from stylekit.cli._help import Panel
from stylekit.cli._options import with_options
from stylekit.cli._plugin import checked, resolved
from stylekit.cli._preset import RunPresetOptions
from stylekit.cli._values import within


@with_options
def texture(
    style: Annotated[Path, typer.Argument(metavar="SAMPLE", help="The picture of a texture.")],
    *,
    aspect: Annotated[
        float,
        within(
            low=0.01,
            high=100,
            rich_help_panel=Panel.picture,
            help="Width through height: 1 is a square.",
        ),
    ] = 1.0,
    pyramid: Annotated[
        int | None,
        within(
            low=1,
            high=10,
            whole=True,
            metavar="LEVELS",
            rich_help_panel=Panel.run,
            show_default="down to some 64 pixels",
            help="Begin small: sizes to paint at in turn, each twice the one before.",
        ),
    ] = None,
    style_loss: declared.StyleLoss = "gram",
    tileable: Annotated[
        bool,
        typer.Option(
            "--tileable",
            rich_help_panel=Panel.picture,
            help="Make a texture that tiles, as --tile both does.",
        ),
    ] = False,
    run: RunPresetOptions,
) -> None:
    """Make a texture like SAMPLE from noise, of any size."""
    checked(style_loss, "--style-loss", declared.STYLE_LOSSES)
    from stylekit.image import as_image, fit_shape

    with caused_by("style"):
        sample = as_image(style, "sample")
    if tileable:
        if run.tile not in (None, declared.TileName.both):
            fail(
                f"--tileable and --tile {run.tile.value} exclude each other",
                hint="leave one of the two out",
            )
        run.tile = declared.TileName.both
    longer = run.size or max(sample.shape[:2])
    shape = run.tiled(fit_shape((1000, round(1000 * aspect)), longer))
    if run.preset and aspect != 1:
        fail(f"--preset {run.preset} takes no --aspect", hint="leave one of the two out")
    options = run.arguments() | {"pyramid": pyramid}
    if not run.preset:  # which has a size of its own
        options["size"] = shape
    options["style_loss"] = resolved(style_loss, "--style-loss")
    import stylekit as sk

    # Its alpha channel and EXIF data are not those of another picture.
    run.complete(None, sk.recipes.texture, sample, **options)
