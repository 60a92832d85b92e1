"""``stylekit transfer``: paint a photograph in one or more styles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import caused_by, did_you_mean, fail, status
from stylekit.cli import _declared as declared
from stylekit.cli._help import GIVEN, Panel
from stylekit.cli._options import with_options
from stylekit.cli._preset import PresetOptions
from stylekit.cli._values import one_of, read_mask, within

STARTS = ("content", "noise", "style", "mix")
"""Names of the initial images."""


@with_options
def transfer(
    content: declared.Content,
    styles: declared.Styles,
    *,
    style_weights: Annotated[
        list[float] | None,
        within(
            "--style-weight",
            low=0,
            example="2",
            rich_help_panel=Panel.look,
            help="Weight of a style relative to the others. Repeat the option in the order of "
            "the styles.",
        ),
    ] = None,
    mask: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=Panel.subject,
            help="Mask of CONTENT, white where the style is painted. Give one mask, or one for "
            "each style. FILE:LABEL selects one label of a label map.",
        ),
    ] = None,
    style_mask: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=Panel.subject,
            help="Mask of STYLE, white where the style is taken from. Give one mask, or one for "
            "each style. FILE:LABEL selects one label of a label map.",
        ),
    ] = None,
    init: Annotated[
        str,
        typer.Option(
            metavar="IMAGE",
            rich_help_panel=Panel.look,
            autocompletion=one_of(*STARTS),
            help="Initial image of the run: content; noise; style, which is noise with the colours "
            "of STYLE; mix, which is CONTENT mixed with noise; or a picture file.",
        ),
    ] = "content",
    run: PresetOptions,
) -> None:
    """Paint CONTENT in the style of STYLE.

    Several styles are mixed, or each is painted where its mask is white.
    """
    from stylekit.image import as_image, resize

    _check_count("--style-weight", style_weights, len(styles), one_will_do=False)
    _check_count("--mask", mask, len(styles))
    _check_count("--style-mask", style_mask, len(styles))
    if run.preset and len(styles) > 1:
        fail(f"--preset {run.preset} takes one style", expected="one STYLE", received=len(styles))
    if run.preset and init == "mix":
        fail(
            f"--preset {run.preset} cannot be combined with --init mix",
            hint="give the mix as a picture file",
        )
    # A preset has its own size.
    photo = as_image(content, "content", None if run.preset else run.size or None)
    if run.tile:
        photo = resize(photo, run.tiled(photo.shape[:2]))
    longer = max(photo.shape[:2])
    paintings = [as_image(style, "style") for style in styles]
    start: Any = None
    if init not in STARTS:
        if status(Path(init)) is None:
            fail(
                "--init is neither the name of an initial image nor a file",
                expected=f"{', '.join(STARTS)}, or a picture file",
                received=init,
                hint=did_you_mean(init, STARTS) or "check the name",
            )
        with caused_by("init"):
            start = as_image(init, "initial image", longer)
    from stylekit.masks.finding import fitted  # loads SciPy, which takes a while

    with caused_by("mask"):
        masks = [fitted(read_mask(path), photo) for path in mask or ()]
    with caused_by("style_mask"):
        style_masks = [read_mask(path, name="style mask") for path in style_mask or ()]
        of_each = style_masks * (len(styles) if len(style_masks) == 1 else 1)
        for one, painting in zip(of_each, paintings, strict=False):
            fitted(one, painting, "style mask")

    options = run.arguments() | ({} if run.preset else {"size": None})
    import stylekit as sk

    if init == "content" and "--init" in GIVEN.get():
        start = photo
    elif init == "noise":
        start = sk.Noise()
    elif init == "style":
        start = sk.StyleStatistics(paintings[0])
    elif init == "mix":
        start = sk.Mix(photo)
    run.complete(
        content,
        sk.recipes.basic,
        photo,
        paintings[0] if run.preset else paintings,
        style_weights=style_weights or None,
        mask=_one_or_all(masks),
        style_mask=_one_or_all(style_masks),
        initial=start,
        **options,
    )


def _check_count(option: str, given: list | None, styles: int, one_will_do: bool = True) -> None:
    """Raise `InputError` if an option is given neither once nor once for each style."""
    if given and len(given) != styles and not (one_will_do and len(given) == 1):
        fail(
            f"the number of {option} differs from the number of styles",
            expected=f"one, or {styles}" if one_will_do and styles > 1 else str(styles),
            received=len(given),
            hint=f"give {option} once for each style",
        )


def _one_or_all(values: list[Any]) -> Any:
    """Return a single value for all styles, a list with a value for each, or None."""
    return (values if len(values) > 1 else values[0]) if values else None
