"""``stylekit localized`` and ``stylekit gradient-mask``: styles in parts of a picture."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from stylekit._checks import caused_by, fail
from stylekit.cli import _declared as declared
from stylekit.cli._help import Panel
from stylekit.cli._options import PaintOptions, with_options
from stylekit.cli._preset import SubjectPresetOptions
from stylekit.cli._subject import Box, Classes, Mask, Model, Names, Refine, Seer, Subject
from stylekit.cli._values import read_mask, within


class Part(enum.StrEnum):
    """Parts of a picture that may stay unchanged."""

    subject = "subject"
    background = "background"


class Method(enum.StrEnum):
    """Ways to restrict the style to a mask."""

    update = "update"
    superimpose = "superimpose"
    revert = "revert"


class Blend(enum.StrEnum):
    """Ways to combine the parts."""

    paste = "paste"
    seam = "seam"
    poisson = "poisson"


@with_options
def localized(
    content: declared.Content,
    style: declared.Style,
    *,
    classes: Classes = None,
    mask: Mask = None,
    box: Box = None,
    keep: Annotated[
        Part, typer.Option(rich_help_panel=Panel.subject, help="Part that stays unchanged.")
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
            example="8",
            help="Width of the soft edge between the parts.",
        ),
    ] = 0.0,
    same_mask: Annotated[
        bool,
        typer.Option(
            "--same-mask",
            rich_help_panel=Panel.subject,
            help="Use the mask for STYLE, too: take the style only from the same place of STYLE.",
        ),
    ] = False,
    method: Annotated[
        Method,
        typer.Option(
            rich_help_panel=Panel.look,
            help="update paints inside the mask only; superimpose and revert paint the whole "
            "picture, and then restore the rest.",
        ),
    ] = Method.update,
    blend: Annotated[
        Blend | None,
        typer.Option(
            rich_help_panel=Panel.look,
            show_default="seam",
            help="How --method superimpose and revert restore the rest.",
        ),
    ] = None,
    run: SubjectPresetOptions,
) -> None:
    """Paint the background of a subject, or only the subject.

    The subject is given by a box, by a mask, or by a class, which a segmentation network finds.
    """
    from stylekit.image import as_image

    if blend and method is Method.update:
        fail(
            "--blend needs --method superimpose or revert",
            expected="--method superimpose or --method revert",
            received="--method update",
            hint="leave --blend out",
        )
    photo = as_image(content, "content")
    check_maps((style, None, "style"))
    where = Subject(mask, box, classes, model, names, refine, seer)
    given = where.given(photo)
    where.tell(content, given)
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
    content: declared.Content,
    styles: declared.Styles,
    *,
    mask: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=Panel.subject,
            help="Mask of a style, white where the style is strongest. Give one mask for each "
            "style; for two styles, the mask of the first is enough. FILE:LABEL selects one label "
            "of a label map.",
        ),
    ] = None,
    angle: Annotated[
        float | None,
        within(
            low=-360,
            high=360,
            example="90",
            metavar="DEGREES",
            rich_help_panel=Panel.subject,
            help="Direction in which the first of two styles grows stronger, used instead of "
            "masks: 0 is right, 90 is up.",
        ),
    ] = None,
    run: PaintOptions,
) -> None:
    """Paint in two or more styles that fade into each other."""
    from stylekit import masks as sk_masks
    from stylekit.image import as_image
    from stylekit.masks.finding import fitted

    photo = as_image(content, "content", run.size or None)
    check_maps(*((style, None, "style") for style in styles))
    with caused_by("mask"):
        given = [fitted(read_mask(path), photo) for path in mask or ()]
    if angle is not None and given:
        fail("--angle and --mask cannot be combined", hint="leave one of the two out")
    if len(styles) < 2:
        fail(
            "gradient-mask needs several styles",
            expected="two or more",
            received="one",
            hint="use stylekit transfer --mask for one style",
        )
    if angle is not None:
        given = [sk_masks.linear_gradient(photo.shape[:2], angle=angle)]
    if len(given) == 1 and len(styles) == 2:
        given.append(1 - given[0])
    if len(given) != len(styles):
        fail(
            "the number of masks differs from the number of styles",
            expected=str(len(styles)),
            received=len(given),
            hint="give --mask once for each style, or two styles and --angle 0",
        )
    options = run.arguments() | {"size": None}
    import stylekit as sk

    pairs = list(zip(styles, given, strict=True))
    run.complete(content, sk.recipes.gradient_mask, photo, pairs, **options)


def check_maps(*pictures: tuple[Path, Path | None, str]) -> None:
    """Check pictures and the sizes of their maps, before TensorFlow loads."""
    from stylekit.image import as_image, with_map

    for picture, color_map, name in pictures:
        if color_map is None:
            as_image(picture, name)
        else:
            with_map(picture, color_map, name)
