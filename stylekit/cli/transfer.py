"""``stylekit transfer``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import InputError
from stylekit.cli._options import PaintOptions, with_options


@with_options
def transfer(
    content: Annotated[Path, typer.Argument(metavar="CONTENT", help="The photograph.")],
    styles: Annotated[list[Path], typer.Argument(metavar="STYLE", help="One or more.")],
    *,
    style_weight: Annotated[
        list[float] | None, typer.Option(help="One a style, in their order.")
    ] = None,
    mask: Annotated[
        list[Path] | None,
        typer.Option(help="Where the style goes, white is here: one, or one a style."),
    ] = None,
    style_mask: Annotated[
        list[Path] | None, typer.Option(help="Where the style is taken: one, or one a style.")
    ] = None,
    init: Annotated[
        str, typer.Option(help="content, noise, style, mix, or a picture to start from.")
    ] = "content",
    run: PaintOptions,
) -> None:
    """Paint CONTENT in the style of STYLE, and write it to OUT.

    With several styles each has its share of the picture's style, or with masks a part of it.
    """
    # Pictures are read first, which needs no TensorFlow.
    from stylekit.image import as_image
    from stylekit.masks import as_mask

    photo = as_image(content, "content", run.size or None)
    longer = max(photo.shape[:2])
    style_size = max(1, round(longer * run.style_scale))
    paintings = [as_image(style, "style", style_size) for style in styles]
    masks = [as_mask(path) for path in mask or ()]
    style_masks = [as_mask(path, name="style mask") for path in style_mask or ()]
    start: Any = None
    if init not in ("content", "noise", "style", "mix"):
        if not Path(init).is_file():
            raise InputError(
                f"--init is neither content, noise, style or mix, nor a file: received {init}."
            )
        start = as_image(init, "start", longer)

    options = run.arguments() | {"size": None}
    import stylekit as sk

    if init == "noise":
        start = sk.Noise()
    elif init == "style":
        start = sk.StyleStatistics(paintings[0])
    elif init == "mix":
        start = sk.Mix(photo)
    run.complete(
        lambda: sk.stylize(
            photo,
            paintings,
            style_weights=style_weight or None,
            mask=_one_or_all(masks),
            style_mask=_one_or_all(style_masks),
            initial=start,
            **options,
        ),
        content,
    )


def _one_or_all(values: list[Any]) -> Any:
    """Return one value for all styles, a list of one each, or None."""
    return (values if len(values) > 1 else values[0]) if values else None
