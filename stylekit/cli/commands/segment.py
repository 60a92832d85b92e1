"""``stylekit segment`` and ``stylekit portrait``: masks, and what needs a mask alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stylekit._checks import InputError, caused_by, explain
from stylekit.cli._app import plain_errors
from stylekit.cli._declared import Out
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
from stylekit.cli._values import keep_apart, within


def segment(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The photograph.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            rich_help_panel=Panel.picture,
            help="The mask to write, white where the subject is: .png, .jpg, .webp, .avif or .tif.",
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
            help="Write the photograph there, with its classes, or what the box has, in colours.",
        ),
    ] = None,
) -> None:
    """Tell what is in PHOTO, or write a mask of it.

    Without --out it lists the classes that a network finds, and the share of each. With it, it
    writes the mask of a class, or of the subject in a box, which needs no network.
    """
    with plain_errors():
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
                    "the mask has no place to go",
                    hint="name a file with --out, such as -o mask.png",
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
                seen = Segmentation(
                    resize(found, image.shape[:2]) >= 0.5, ("background", "subject")
                )
            else:
                seen = segmented(segmenter(model, names, seer), image)
                for name, share in seen.names_present.items():
                    typer.echo(f"{share:6.1%}  {name}")
            if plot:
                with replacing(plot) as file:
                    seen.plot(image).savefig(file, format=plot.suffix[1:], dpi=150)


def portrait(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The photograph.")],
    *,
    out: Out,
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
            help="Of the blur; 0 is 1.5 % of the longer side.",
        ),
    ] = 0.0,
) -> None:
    """Blur what is behind the subject, as a fast lens does."""
    with plain_errors():
        from stylekit import blend
        from stylekit.image import as_image, check_writable, write_image

        keep_apart(out, [photo, mask])
        with caused_by("out"):
            check_writable(out)
        image = as_image(photo, "photo")
        found = Subject(mask, box, classes, model, names, refine, seer).find(image)
        result = blend.portrait(image, found, radius=radius or None)
        typer.echo(f"{write_image(out, result, like=photo)}")
