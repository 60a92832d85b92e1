"""``stylekit transfer``: the main job."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import caused_by, did_you_mean, fail, status
from stylekit.cli._help import GIVEN
from stylekit.cli._options import with_options
from stylekit.cli._preset import PresetOptions
from stylekit.cli._values import one_of, read_mask, within

STARTS = ("content", "noise", "style", "mix")
"""What a run may start from, beside a picture."""


@with_options
def transfer(
    content: Annotated[Path, typer.Argument(metavar="CONTENT", help="The photograph.")],
    styles: Annotated[list[Path], typer.Argument(metavar="STYLE", help="One or more.")],
    *,
    style_weights: Annotated[
        list[float] | None,
        within("--style-weight", low=0, help="A style's share: one for each, in their order."),
    ] = None,
    mask: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A picture that is white where the style goes: one, or one for each style. Of a "
            "map of labels, FILE:LABEL.",
        ),
    ] = None,
    style_mask: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="White where the style is taken from STYLE: one, or one for each style. Of a map "
            "of labels, FILE:LABEL.",
        ),
    ] = None,
    init: Annotated[
        str,
        typer.Option(
            metavar="START",
            autocompletion=one_of(*STARTS),
            help="What is painted over: content, noise, style, mix, or a picture's file.",
        ),
    ] = "content",
    run: PresetOptions,
) -> None:
    """Paint CONTENT in the style of STYLE.

    With several styles each has its share of the picture's style, or with masks a part of it.
    """
    # Pictures are read first, which needs no TensorFlow.
    from stylekit.image import as_image, resize

    _check_count("--style-weight", style_weights, len(styles), one_will_do=False)
    _check_count("--mask", mask, len(styles))
    _check_count("--style-mask", style_mask, len(styles))
    if run.preset and len(styles) > 1:
        fail(f"--preset {run.preset} takes one style", expected="one STYLE", received=len(styles))
    # A preset has a size of its own.
    photo = as_image(content, "content", None if run.preset else run.size or None)
    if run.tile:
        photo = resize(photo, run.tiled(photo.shape[:2]))
    longer = max(photo.shape[:2])
    paintings = [as_image(style, "style") for style in styles]
    start: Any = None
    if init not in STARTS:
        if status(Path(init)) is None:
            fail(
                "--init is neither a start nor a file",
                expected=f"{', '.join(STARTS)}, or a picture",
                received=init,
                hint=did_you_mean(init, STARTS) or "check the name",
            )
        with caused_by("init"):
            start = as_image(init, "start", longer)
    masks, style_masks = _read_masks(mask or (), photo), _read_masks(style_mask or ())

    options = run.arguments() | ({} if run.preset else {"size": None})
    import stylekit as sk

    if init == "content" and "--init" in GIVEN.get():
        start = photo
    elif init == "noise":
        start = sk.Noise()
    elif init == "style":
        start = sk.StyleStatistics(paintings[0])
    elif init == "mix":
        if run.preset:
            fail(f"--preset {run.preset} takes no --init mix", hint="give a mix as a picture")
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
    """Refuse an option that is given neither once for all styles nor once for each."""
    if given and len(given) != styles and not (one_will_do and len(given) == 1):
        fail(
            f"the number of {option} differs from the number of styles",
            expected=f"one, or {styles}" if one_will_do and styles > 1 else str(styles),
            received=len(given),
            hint=f"give {option} once for each style",
        )


def _read_masks(paths: Iterable[Path], photo: Any = None) -> list[Any]:
    """Return masks from files; those of a photograph have its aspect."""
    if not paths:
        return []
    from stylekit.masks.finding import fitted

    name = "style mask" if photo is None else "mask"
    with caused_by(name.replace(" ", "_")):
        masks = [read_mask(path, name=name) for path in paths]
        return masks if photo is None else [fitted(mask, photo, name) for mask in masks]


def _one_or_all(values: list[Any]) -> Any:
    """Return one value for all styles, a list of one each, or None."""
    return (values if len(values) > 1 else values[0]) if values else None
