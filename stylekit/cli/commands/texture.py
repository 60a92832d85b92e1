"""``stylekit texture``: a texture of any size from a sample."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from stylekit._checks import caused_by, fail
from stylekit.cli import _declared as declared
from stylekit.cli._help import Panel
from stylekit.cli._options import with_options
from stylekit.cli._plugin import checked, resolved
from stylekit.cli._preset import SamplePresetOptions
from stylekit.cli._values import within


@dataclasses.dataclass(kw_only=True)
class TextureOptions(SamplePresetOptions):
    """Options of the command that synthesizes a texture."""

    out: declared.TextureOut = None
    steps: declared.GramSteps = None
    style_loss: declared.TextureStyleLoss = "gram"
    pyramid: declared.Pyramid = None

    def check(self) -> None:
        """Check the options, before pictures are read and TensorFlow loads."""
        checked(self.style_loss, "--style-loss", declared.STYLE_LOSSES)
        super().check()


@with_options
def texture(
    style: Annotated[Path, typer.Argument(metavar="SAMPLE", help="Picture of a texture.")],
    *,
    aspect: Annotated[
        float,
        within(
            low=0.01,
            high=100,
            example="1.5",
            rich_help_panel=Panel.picture,
            help="Aspect ratio of the result: width divided by height.",
        ),
    ] = 1.0,
    tileable: Annotated[
        bool,
        typer.Option(
            "--tileable",
            rich_help_panel=Panel.look,
            help="Make a texture that tiles; short for --tile both.",
        ),
    ] = False,
    run: TextureOptions,
) -> None:
    """Synthesize a texture of any size from SAMPLE."""
    if run.preset and aspect != 1:
        fail(
            f"--preset {run.preset} cannot be combined with --aspect",
            hint="leave one of the two out",
        )
    from stylekit.image import as_image, fit_shape

    with caused_by("style"):
        sample = as_image(style, "sample")
    if tileable:
        if run.tile not in (None, declared.TileName.both):
            fail(
                f"--tileable and --tile {run.tile.value} cannot be combined",
                hint="leave one of the two out",
            )
        run.tile = declared.TileName.both
    longer = run.size or max(sample.shape[:2])
    shape = run.tiled(fit_shape((1000, round(1000 * aspect)), longer))
    options = run.arguments() | {"pyramid": run.pyramid}
    if not run.preset:  # a preset has its own size
        options["size"] = shape
    options["style_loss"] = resolved(run.style_loss, "--style-loss")
    import stylekit as sk

    # The alpha channel and the EXIF data of the sample do not describe the texture.
    run.complete(None, sk.recipes.texture, sample, **options)
