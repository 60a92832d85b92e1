"""Several styles that meet along soft masks, such as the two ends of a ramp."""

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
    """Paint a picture in several styles, each under a soft mask, in one pass.

    Where masks overlap the styles mix, each by its mask: along a ramp one fades into the other.
    Masks need not sum to 1.

    Parameters
    ----------
    content : path, PIL image or array
    styles : sequence of (style, mask[, style_mask[, weight]])
        Pictures and masks; a mask is a path, PIL image, array or a callable that is given the
        picture, and is resized to the result (a style mask: to the style).
    size : int, optional
        Longer side of the result in pixels. Default: 512; None keeps the content's own.
    style_scale : float
        Longer side of each style relative to the result's.
    protect : bool
        True: what no mask covers stays bit-identical to the start. False: it may adapt.
    keep_colors
        See `basic`; each style is matched to the content under its mask.
    **options
        Those of `basic`: strength, style_loss, style_layers, content_layers and variation.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument, a picture, a mask or the weights are unfit.

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
        fail("there is no style", expected="at least one (style, mask)", argument="styles")
    for entry in styles:
        if not isinstance(entry, (tuple, list)) or not 2 <= len(entry) <= 4:
            raise InputTypeError(
                explain(
                    "a style of a gradient mask is wrong",
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
