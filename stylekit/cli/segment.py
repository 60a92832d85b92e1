"""``stylekit segment`` and ``stylekit portrait``: masks, and what needs a mask alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stylekit._checks import InputError, explain, number
from stylekit.cli._app import plain_errors
from stylekit.cli._subject import LARGEST, Box, Classes, Model, Names, Refine, Subject, segmenter


def segment(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The photograph.")],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the mask there: white is here.")
    ] = None,
    classes: Classes = None,
    box: Box = None,
    model: Model = None,
    names: Names = None,
    refine: Refine = None,
    plot: Annotated[
        Path | None, typer.Option(help="Write the classes in colours over the photograph there.")
    ] = None,
) -> None:
    """Tell what is in PHOTO, or write the mask of a class, or of the subject in a box."""
    with plain_errors():
        from stylekit.image import as_image, check_writable, write_image

        for path in filter(None, (out, plot)):
            check_writable(path)
        image = as_image(photo, "photo")
        if out:
            found = Subject(None, box, classes, model, names, refine).find(image)
            typer.echo(f"{write_image(out, found)}: {found.mean():.1%} of the picture")
        elif classes or box:
            raise InputError(explain("the mask has no place to go", hint="name a file with --out"))
        if plot or not out:
            image = as_image(image, size=min(LARGEST, max(image.shape[:2])))
            seen = segmenter(model, names)(image)
            for name, share in seen.names_present.items():
                typer.echo(f"{share:6.1%}  {name}")
            if plot:
                seen.plot(image).savefig(plot, dpi=150)


def portrait(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The photograph.")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help=".png, .jpg, .webp or .tif.")],
    classes: Classes = None,
    mask: Annotated[
        Path | None, typer.Option(help="The subject, white is here; of the photograph's size.")
    ] = None,
    box: Box = None,
    model: Model = None,
    names: Names = None,
    refine: Refine = None,
    radius: Annotated[
        float, typer.Option(help="Of the blur, in pixels; 0 is 1.5 % of the longer side.")
    ] = 0.0,
) -> None:
    """Blur what is behind the subject of PHOTO, as a fast lens does."""
    with plain_errors():
        number(radius, "--radius", low=0)
        from stylekit import blend
        from stylekit.image import as_image, check_writable, write_image

        check_writable(out)
        image = as_image(photo, "photo")
        found = Subject(mask, box, classes, model, names, refine).find(image)
        result = blend.portrait(image, found, radius=radius or None)
        typer.echo(f"{write_image(out, result, like=photo)}")
