"""``stylekit localized`` and ``stylekit gradient-mask``: paint where masks say."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from stylekit._checks import InputError, explain, fail
from stylekit.cli._help import Panel
from stylekit.cli._options import PaintOptions, with_options
from stylekit.cli._preset import PresetOptions
from stylekit.cli._subject import Box, Classes, Mask, Model, Names, Refine, Seer, Subject
from stylekit.cli._values import read_mask, within

ContentArgument = Annotated[Path, typer.Argument(metavar="CONTENT", help="The photograph.")]
StyleArgument = Annotated[Path, typer.Argument(metavar="STYLE", help="The style picture.")]


class Part(enum.StrEnum):
    """Parts of a picture that can be kept."""

    subject = "subject"
    background = "background"


class Method(enum.StrEnum):
    """Ways of restricting the style to a part of the picture."""

    update = "update"
    superimpose = "superimpose"
    revert = "revert"


class Blend(enum.StrEnum):
    """Ways of blending the painted part with the rest."""

    paste = "paste"
    seam = "seam"
    poisson = "poisson"


@with_options
def localized(
    content: ContentArgument,
    style: StyleArgument,
    *,
    classes: Classes = None,
    mask: Mask = None,
    box: Box = None,
    keep: Annotated[
        Part, typer.Option(rich_help_panel=Panel.subject, help="The part that is kept unchanged.")
    ] = Part.subject,
    model: Model = None,
    names: Names = None,
    refine: Refine = None,
    seer: Seer = None,
    feather: Annotated[
        float,
        within(
            low=0,
            metavar="PIXELS",
            rich_help_panel=Panel.subject,
            help="Width of the soft edge of the mask.",
        ),
    ] = 0.0,
    same_mask: Annotated[
        bool, typer.Option("--same-mask", help="Take the style of STYLE from under the same mask.")
    ] = False,
    method: Annotated[
        Method,
        typer.Option(
            help="update changes only the pixels under the mask; superimpose and revert paint the "
            "whole picture and put the original back outside the mask.",
        ),
    ] = Method.update,
    blend: Annotated[
        Blend | None,
        typer.Option(show_default="seam", help="How superimpose and revert put the original back."),
    ] = None,
    run: PresetOptions,
) -> None:
    """Paint around a subject, or the subject alone.

    The subject is found by a network from its class, or without a network from a box or a mask.
    """
    from stylekit.image import as_image

    if blend and method is Method.update:
        fail(
            "--blend is not used by --method update",
            expected="--method superimpose or --method revert with it",
            received="--method update",
            hint="leave --blend out",
        )
    photo = as_image(content, "content")
    check_maps((style, None, "style"))
    where = Subject(mask, box, classes, model, names, refine, seer)
    given = where.given(photo)
    options = run.arguments() | where.how()
    import stylekit as sk

    run.complete(
        content,
        sk.recipes.localized,
        photo,
        style,
        given,
        keep=keep.value,
        feather_radius=feather,
        same_mask=same_mask,
        method=method.value,
        blend=blend.value if blend else None,
        **options,
    )


@with_options
def gradient_mask(
    content: ContentArgument,
    styles: Annotated[list[Path], typer.Argument(metavar="STYLE", help="Two or more styles.")],
    *,
    mask: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="How much of a style each place gets, from black to white. One for each style, in "
            "their order; for two styles, the first is enough. FILE:LABEL for a label of a map.",
        ),
    ] = None,
    angle: Annotated[
        float | None,
        within(
            low=-360,
            high=360,
            metavar="DEGREES",
            help="In place of masks, for two styles: direction of the first one; 0 is right, 90 is "
            "up.",
        ),
    ] = None,
    run: PaintOptions,
) -> None:
    """Paint in several styles that fade into each other."""
    from stylekit import masks as sk_masks
    from stylekit.image import as_image

    photo = as_image(content, "content", run.size or None)
    given = [read_mask(path) for path in mask or ()]
    if angle is not None and given:
        raise InputError(
            explain(
                "--angle and --mask exclude each other",
                expected="one of them",
                received="both",
                hint="leave one out",
            )
        )
    if len(styles) < 2:
        raise InputError(
            explain(
                "gradient-mask needs several styles",
                expected="two or more",
                received="one",
                hint="use stylekit transfer --mask for one style",
            )
        )
    if angle is not None:
        given = [sk_masks.linear_gradient(photo.shape[:2], angle=angle)]
    if len(given) == 1 and len(styles) == 2:
        given.append(1 - given[0])
    if len(given) != len(styles):
        raise InputError(
            explain(
                "the number of masks differs from the number of styles",
                expected=f"{len(styles)}",
                received=len(given),
                hint="give --mask once for each style, or two styles and --angle 0",
            )
        )
    options = run.arguments() | {"size": None}
    import stylekit as sk

    pairs = list(zip(styles, given, strict=True))
    run.complete(content, sk.recipes.gradient_mask, photo, pairs, **options)


def check_maps(*pictures: tuple[Path, Path | None, str]) -> None:
    """Raise an error if a picture cannot be read or its map has another size."""
    from stylekit.image import as_image, with_map

    for picture, color_map, name in pictures:
        if color_map is None:
            as_image(picture, name)
        else:
            with_map(picture, color_map, name)
