"""Several styles under soft masks, such as the two ends of a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stylekit._checks import InputTypeError, explain, fail, number, renamed
from stylekit._defaults import SIZE
from stylekit.losses import GradientMaskStyleLoss, Loss
from stylekit.losses.base import LayersLike
from stylekit.masks import combine
from stylekit.masks.finding import fitted
from stylekit.recipes._colors import prepared
from stylekit.recipes._paint import check_passed, content_picture, paint, sized_style
from stylekit.recipes._styles import StylePart
from stylekit.recipes.recipe import Recipe


def gradient_mask(
    content,
    styles,
    *,
    size: int | None = SIZE,
    style_scale: float = 1.0,
    protect: bool = True,
    keep_colors: str | None = None,
    **options: Any,
) -> Recipe:
    """Return a recipe that paints a picture in several styles, each under a soft mask, in one run.

    Where masks overlap, the styles mix in proportion to their masks, so that one style fades into
    another along a gradient. Masks need not sum to 1.

    Parameters
    ----------
    content : path, PIL image or array
    styles : sequence of (style, mask[, style_mask[, weight]])
        A style is a path, PIL image or array. A mask, in [0, 1], is a path, PIL image, array, or a
        callable that receives the picture. Masks are resized to the result, and style masks to the
        style picture. A weight is at least 0. Default: the whole style picture, and a weight of 1.
    size : int, optional
        Longer side of the result in pixels. Default: 512; None keeps the size of the content.
    style_scale : float
        Longer side of each style picture relative to the longer side of the result, above 0.
    protect : bool
        Whether pixels that no mask covers stay bit-identical to the initial image. With False they
        may adapt to the pixels around them.
    keep_colors : str, optional
        See `basic`. The colours of each style are matched to those of the content under its mask.
    **options
        Further options of `basic`: strength, style_loss, style_layers, content_layers and
        variation.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument, a picture or a mask cannot be used.

    Examples
    --------
    >>> import stylekit as sk
    >>> photo = sk.read_image("photo.jpg", size=512)  # doctest: +SKIP
    >>> ramp = sk.masks.linear_gradient(photo.shape[:2], angle=0)  # doctest: +SKIP
    >>> styles = [("starry.jpg", ramp), ("wave.jpg", 1 - ramp)]  # doctest: +SKIP
    >>> sk.recipes.gradient_mask(photo, styles).run().save("out.png")  # doctest: +SKIP
    """
    check_passed(gradient_mask, options)
    photo = content_picture(content, size)
    parts = []
    if not styles:
        fail("`styles` must hold at least one (style, mask), got none", argument="styles")
    for entry in styles:
        if not isinstance(entry, (tuple, list)) or not 2 <= len(entry) <= 4:
            raise InputTypeError(
                explain(
                    "each of `styles` must be a tuple",
                    expected="(style, mask[, style_mask[, weight]])",
                    received=f"{type(entry).__name__}",
                ),
                argument="styles",
            )
        style, mask, *rest = entry
        with renamed(style="styles"):
            painting = sized_style(style, photo, style_scale)
        if rest and rest[0] is not None:
            rest[0] = fitted(rest[0], painting, "style mask", "styles")
        mask = fitted(mask, photo, argument="styles")
        source = rest[0] if rest else None
        painting = prepared(painting, photo, keep_colors, style_mask=source, mask=mask)
        intensity = number(rest[1] if len(rest) > 1 else 1.0, "intensity", low=0, argument="styles")
        parts.append(StylePart(painting, mask, source, intensity))

    def gram(parts: Sequence[StylePart], weight: float, layers: LayersLike) -> list[Loss]:
        regions = [(one.style, one.mask, one.style_mask, one.weight) for one in parts]
        return [GradientMaskStyleLoss(regions, layers=layers, weight=weight)]

    return paint(
        photo,
        parts,
        gram,
        update_mask=combine([one.mask for one in parts], "sum") if protect else None,
        keep_colors=keep_colors,
        **options,
    )
