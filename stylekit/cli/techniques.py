"""The localized techniques as commands, under the names of their recipes."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from stylekit._checks import InputError, explain, number
from stylekit.cli._options import PaintOptions, RunOptions, with_options
from stylekit.cli._subject import Box, Classes, Model, Names, Refine, Subject

ContentArgument = Annotated[Path, typer.Argument(metavar="CONTENT", help="The photograph.")]
StyleArgument = Annotated[Path, typer.Argument(metavar="STYLE", help="The style picture.")]
StyleMap = Annotated[Path, typer.Argument(metavar="STYLE_MAP", help="Its map of coloured regions.")]
Colors = Annotated[
    list[str] | None,
    typer.Option("--color", help="A region to paint, such as '#ff0000'; repeatable; default: all."),
]
Keep = Annotated[
    list[str] | None, typer.Option("--keep", help="A region to leave as it is; repeatable.")
]


class Part(enum.StrEnum):
    """What stays as it was."""

    subject = "subject"
    background = "background"


class Method(enum.StrEnum):
    """How the style is held to its place."""

    update = "update"
    superimpose = "superimpose"
    revert = "revert"


class Blend(enum.StrEnum):
    """How the parts are put together."""

    paste = "paste"
    seam = "seam"
    poisson = "poisson"


@with_options
def localized(
    content: ContentArgument,
    style: StyleArgument,
    *,
    classes: Classes = None,
    mask: Annotated[
        Path | None, typer.Option(help="The subject, white is here; of CONTENT's size.")
    ] = None,
    box: Box = None,
    keep: Annotated[Part, typer.Option(help="What stays as it was.")] = Part.subject,
    model: Model = None,
    names: Names = None,
    refine: Refine = None,
    feather: Annotated[float, typer.Option(help="Softness of the mask's edge, in pixels.")] = 0.0,
    same_mask: Annotated[
        bool, typer.Option("--same-mask", help="Take the style under the same mask.")
    ] = False,
    method: Annotated[
        Method, typer.Option(help="Paint under the mask alone; or all, and put the rest back.")
    ] = Method.update,
    blend: Annotated[
        Blend | None, typer.Option(help="How superimpose and revert put it back; default: seam.")
    ] = None,
    run: PaintOptions,
) -> None:
    """Paint around the subject of CONTENT, or the subject alone, in the style of STYLE."""
    from stylekit.image import as_image

    number(feather, "--feather", low=0)
    photo = as_image(content, "content")
    _check_maps((style, None, "style"))
    where = Subject(mask, box, classes, model, names, refine)
    given = where.given(photo)
    options = run.arguments() | where.how()
    import stylekit as sk

    run.complete(
        lambda: sk.recipes.localized(
            photo,
            style,
            given,
            keep=keep.value,
            feather_radius=feather,
            same_mask=same_mask,
            method=method.value,
            blend=blend.value if blend else None,
            **options,
        ),
        content,
    )


@with_options
def regions(
    content: ContentArgument,
    content_map: Annotated[
        Path, typer.Argument(metavar="CONTENT_MAP", help="Its map of coloured regions.")
    ],
    style: StyleArgument,
    style_map: StyleMap,
    *,
    color: Colors = None,
    keep: Keep = None,
    skip_small: Annotated[
        bool, typer.Option("--skip-small", help="Leave out layers too coarse for a region.")
    ] = False,
    run: PaintOptions,
) -> None:
    """Paint each region of CONTENT in the style of the region of the same colour."""
    _check_maps((content, content_map, "content"), (style, style_map, "style"))
    options = run.arguments()
    import stylekit as sk

    run.complete(
        lambda: sk.recipes.regions(
            content,
            content_map,
            style,
            style_map,
            colors=color or None,
            keep=keep or (),
            small_regions="skip_layer" if skip_small else "error",
            **options,
        ),
        content,
    )


@with_options
def patches(
    content: ContentArgument,
    style: StyleArgument,
    *,
    content_map: Annotated[
        Path | None, typer.Option(help="Colours that say what is where in CONTENT.")
    ] = None,
    style_map: Annotated[
        Path | None, typer.Option(help="Colours that say what is where in STYLE.")
    ] = None,
    patch: Annotated[int, typer.Option(help="Side of a patch in pixels of the result.")] = 128,
    run: PaintOptions,
) -> None:
    """Paint each part of CONTENT in the style of the part of STYLE that it is most like."""
    if (content_map is None) != (style_map is None):
        raise InputError(
            explain(
                "one map is missing",
                expected="both maps, or neither",
                received="--content-map" if content_map else "--style-map",
            )
        )
    _check_maps((content, content_map, "content"), (style, style_map, "style"))
    options = run.arguments()
    import stylekit as sk

    run.complete(
        lambda: sk.recipes.patches(content, style, content_map, style_map, patch=patch, **options),
        content,
    )


@with_options
def doodle(
    doodle_map: Annotated[Path, typer.Argument(metavar="MAP", help="The doodle, in flat colours.")],
    style: StyleArgument,
    style_map: StyleMap,
    *,
    color: Colors = None,
    keep: Keep = None,
    patch_layers: Annotated[str | None, typer.Option(help="Such as conv3_1,conv4_1.")] = None,
    run: RunOptions,
) -> None:
    """Turn a doodle of flat colours into a painting like STYLE."""
    _check_maps((doodle_map, None, "map"), (style, style_map, "style"))
    options = run.arguments() | run.layers(patch_layers=patch_layers)
    import stylekit as sk

    run.complete(
        lambda: sk.recipes.doodle(
            doodle_map, style, style_map, colors=color or None, keep=keep or (), **options
        ),
        doodle_map,
    )


@with_options
def gradient_mask(
    content: ContentArgument,
    styles: Annotated[list[Path], typer.Argument(metavar="STYLE", help="Two or more.")],
    *,
    mask: Annotated[
        list[Path] | None,
        typer.Option(help="A grey ramp a style; of two styles one will do: black is the second."),
    ] = None,
    angle: Annotated[
        float | None,
        typer.Option(
            help="Instead of masks, for two styles: where the first is, in degrees; 0 is right."
        ),
    ] = None,
    run: PaintOptions,
) -> None:
    """Paint CONTENT in several styles that fade into each other along soft masks."""
    from stylekit import masks as sk_masks
    from stylekit.image import as_image

    photo = as_image(content, "content", run.size or None)
    given = [sk_masks.as_mask(path) for path in mask or ()]
    if angle is not None and given:
        raise InputError(explain("--angle and --mask exclude each other", expected="one of them"))
    if len(styles) < 2:
        raise InputError(
            explain(
                "styles that fade into each other are several",
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
                hint="give --mask once a style, or two styles and --angle",
            )
        )
    options = run.arguments() | {"size": None}
    import stylekit as sk

    run.complete(
        lambda: sk.recipes.gradient_mask(photo, list(zip(styles, given, strict=True)), **options),
        content,
    )


@with_options
def texture(
    style: Annotated[Path, typer.Argument(metavar="SAMPLE", help="The picture of a texture.")],
    *,
    aspect: Annotated[float, typer.Option(help="Width through height; 1 is a square.")] = 1.0,
    pyramid: Annotated[
        int | None,
        typer.Option(help="Coarse-to-fine levels. Default: down to some 64 pixels."),
    ] = None,
    run: RunOptions,
) -> None:
    """Make a texture like SAMPLE from noise, of any size."""
    from stylekit.image import as_image, fit_shape

    aspect = number(aspect, "--aspect", low=0.01, high=100)
    sample = as_image(style, "sample")
    shape = fit_shape((1000, round(1000 * aspect)), run.size or max(sample.shape[:2]))
    options = run.arguments() | {"size": shape, "pyramid": pyramid}
    import stylekit as sk

    # Its alpha channel and EXIF data are not those of another picture.
    run.complete(lambda: sk.recipes.texture(sample, **options), None)


def _check_maps(*pictures: tuple[Path, Path | None, str]) -> None:
    """Refuse files that are no pictures, and maps of another size, before TensorFlow loads."""
    from stylekit.image import as_image, with_map

    for picture, color_map, name in pictures:
        if color_map is None:
            as_image(picture, name)
        else:
            with_map(picture, color_map, name)
