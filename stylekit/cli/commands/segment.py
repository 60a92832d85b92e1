"""``stylekit segment`` and ``stylekit portrait``: masks, and a blurred background."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stylekit._checks import InputError, caused_by, explain
from stylekit.cli._declared import PortraitOut
from stylekit.cli._help import Panel
from stylekit.cli._subject import (
    LARGEST,
    Box,
    Classes,
    Mask,
    Model,
    Names,
    Refine,
    Seer,
    Subject,
    check_network,
    segmenter,
)
from stylekit.cli._values import check_out, default_out, keep_apart, within


def segment(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="Photograph.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            rich_help_panel=Panel.picture,
            help="Mask to write, white where the subject is: .png, .jpg, .webp, .avif or .tif.",
        ),
    ] = None,
    classes: Classes = None,
    box: Box = None,
    model: Model = None,
    names: Names = None,
    refine: Refine = None,
    seer: Seer = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=Panel.picture,
            help="Write the photograph with its classes, or the subject in the box, coloured.",
        ),
    ] = None,
) -> None:
    """List the classes in PHOTO, or write the mask of a class or subject.

    Without --out, list the classes that a segmentation network finds, with their shares. With
    --out, write the mask of a class, or of the subject in a box, which needs no network.
    """
    from stylekit._write import replacing
    from stylekit.image import as_image, check_writable, write_image
    from stylekit.masks import Segmentation, resize
    from stylekit.masks.finding import segmented

    for path, option in ((out, "out"), (plot, "plot")):
        if path:
            keep_apart(path, [photo])
            with caused_by(option):
                check_writable(path)
    if not out and (classes or (box and not plot)):
        raise InputError(
            explain(
                "--out is missing: the mask needs a file",
                hint="name one, such as -o mask.png",
            )
        )
    if not (box or seer) and (plot or not out):
        check_network(model, names)
    image = as_image(photo, "photo")
    found = None
    if out or box:
        found = Subject(None, box, classes, model, names, refine, seer).find(image)
        told = f"{found.mean():.1%} of the picture"
        typer.echo(f"{write_image(out, found)}: {told}" if out else told)
    if plot or not out:
        image = as_image(image, size=min(LARGEST, max(image.shape[:2])))
        if box:
            seen = Segmentation(resize(found, image.shape[:2]) >= 0.5, ("background", "subject"))
        else:
            seen = segmented(segmenter(model, names, seer), image)
            for name, share in seen.names_present.items():
                typer.echo(f"{share:6.1%}  {name}")
        if plot:
            with replacing(plot) as file:
                seen.plot(image).savefig(file, format=plot.suffix[1:], dpi=150)


def portrait(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="Photograph.")],
    *,
    out: PortraitOut = None,
    classes: Classes = None,
    mask: Mask = None,
    box: Box = None,
    model: Model = None,
    names: Names = None,
    refine: Refine = None,
    seer: Seer = None,
    radius: Annotated[
        float,
        within(
            low=0,
            metavar="PIXELS",
            rich_help_panel=Panel.picture,
            example="8",
            help="Blur radius; 0 is 1.5 % of the longer side.",
        ),
    ] = 0.0,
) -> None:
    """Blur the background, as a lens with a shallow depth of field does."""
    from stylekit import blend
    from stylekit.image import as_image, write_image

    out = out or default_out(photo, Path("portrait"))
    check_out(out, [photo, mask])
    where = Subject(mask, box, classes, model, names, refine, seer)
    image = as_image(photo, "photo")
    found = where.find(image)
    where.tell(photo, found)
    result = blend.portrait(image, found, radius=radius or None)
    typer.echo(f"{write_image(out, result, like=photo)}")
