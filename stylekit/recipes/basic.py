"""A content picture in one style or more, and `stylize`, which does it in one call."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from stylekit._checks import check_options, fail, number
from stylekit._defaults import SIZE, STRENGTH, STYLE_LOSS
from stylekit.image import PictureLike
from stylekit.losses import GramStyleLoss, Loss
from stylekit.losses.base import LayersLike
from stylekit.masks import MaskLike, combine
from stylekit.masks.finding import fitted
from stylekit.recipes._colors import prepared
from stylekit.recipes._paint import content_picture, paint, sized_style
from stylekit.recipes._styles import StyleLossLike, StylePart
from stylekit.recipes.recipe import Recipe, divided
from stylekit.transfer import Result


def basic(
    content: PictureLike,
    style: PictureLike | Sequence[PictureLike],
    *,
    strength: float = STRENGTH,
    size: int | None = SIZE,
    style_loss: StyleLossLike = STYLE_LOSS,
    style_weights: Sequence[float] | None = None,
    style_scale: float = 1.0,
    mask: MaskLike | Sequence[MaskLike | None] | None = None,
    style_mask: MaskLike | Sequence[MaskLike | None] | None = None,
    protect: bool = True,
    keep_colors: str | None = None,
    style_layers: LayersLike = None,
    content_layers: LayersLike = None,
    variation: float | None = None,
) -> Recipe:
    """Return the recipe of a picture in the style of another; see `stylize` for the one call.

    Parameters
    ----------
    content : path, PIL image or array
    style : path, PIL image or array, or a list of them
    strength : float
        In [0, 1]: the content's weight is 1 - strength, the style's a constant times strength, on
        dimensionless losses, so that a strength means the same at every size. 0 returns the start
        exactly, 1 is style alone (with the light total variation).
    size : int, optional
        Longer side of the result in pixels. Default: 512; None keeps the content's own.
    style_loss : str or callable
        ``"neighbors"``
            `NeighborStyleLoss`: each place of the picture is painted as the most similar place of
            the style. Gives strokes everywhere, and the style's own colours.
        ``"gram"``
            `GramStyleLoss`: the style's correlations of features. Keeps more of the photograph,
            and follows textures without clear strokes.
        A class or function
            ``(style, *, mask, style_mask, layers, weight) -> Loss``, called once a style. Masks
            are arrays, or None for everywhere; layers are names, or None for the extractor's own.
    style_weights : sequence of float, optional
        One a style, at least 0; scaled so that they sum to 1 where the styles cover most (without
        masks: everywhere). Default: equal.
    style_scale : float
        Longer side of each style relative to the result's: above 1 the strokes grow.
    mask : path, PIL image, array or callable, or a list of them, optional
        Where the style goes, one a style. It is resized to the result.
    style_mask : the same, optional
        Where each style is taken; resized to the style picture. None in a list: everywhere.
    protect : bool
        True: what no mask covers stays bit-identical to the start. False: there the content is
        the only term, and the pixels adapt to what is beside them.
    keep_colors : str, optional
        How the content's colours are kept; see `stylekit.image`. Default: they are not.

        ``"luminance"``
            After the run: the result has the luminance that was painted and the content's colours
            (`original_colors`). The losses, and what callbacks see, are of the image before that.
        ``"palette"``
            After the run, too: the hues are arranged as in the content, and their palette is the
            style's; lightness and brush strokes are as painted (`palette_colors`). Several styles
            have one palette, to which each adds by its weight and the area of its mask.
        ``"match"``, ``"histogram"``
            Before the run: the styles get the content's colours (`match_color`,
            `match_histogram`), counted where the masks say. The manifest has the hashes of the
            styles that were changed.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Default: the extractor's own. A mapping holds the layers' weights, too.
    variation : float, optional
        Weight of a `TotalVariationLoss`, times strength, at least 0. The chroma's is twice as much.
        Default: 48 by neighbours, else the extractor's own, which is light: it takes out the fine
        ripples that max pooling leaves in flat parts. It sees differences of neighbouring pixels,
        which shrink as a picture grows, and so weighs less in large ones.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument or a picture cannot be used.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.basic("photo.jpg", "starry.jpg", strength=0.6)  # doctest: +SKIP
    >>> recipe.run(steps=100).save("out.png")  # doctest: +SKIP
    """
    photo = content_picture(content, size)
    given: Sequence[Any] = style if isinstance(style, (list, tuple)) else [style]
    styles = [sized_style(one, photo, style_scale) for one in given]
    if not styles:
        fail("there is no style", expected="at least one style picture", argument="style")
    masks = [None if one is None else fitted(one, photo) for one in _one_each(mask, styles, "mask")]
    sources = [
        None if source is None else fitted(source, one, "style mask", "style_mask")
        for source, one in zip(_one_each(style_mask, styles, "style mask"), styles, strict=True)
    ]
    styles = [
        prepared(one, photo, keep_colors, style_mask=source, mask=region)
        for one, source, region in zip(styles, sources, masks, strict=True)
    ]
    everywhere = np.ones(photo.shape[:2], "float32")
    covers = [everywhere if one is None else one for one in masks]
    weights = _shares(style_weights, covers)

    parts = [
        StylePart(one, region, source, weight)
        for one, region, source, weight in zip(styles, masks, sources, weights, strict=True)
    ]

    # One style over the whole picture leaves nothing to protect.
    everywhere_free = not protect or any(one is None for one in masks)
    return paint(
        photo,
        parts,
        _gram_terms,
        update_mask=None if everywhere_free else combine(masks, "sum"),
        keep_colors=keep_colors,
        strength=strength,
        style_loss=style_loss,
        style_layers=style_layers,
        content_layers=content_layers,
        variation=variation,
    )


def stylize(
    content: PictureLike, style: PictureLike | Sequence[PictureLike], **options: Any
) -> Result:
    """Paint a picture in the style of another, and return the result.

    The call is short for ``recipes.basic(content, style, ...).run(...)``.

    Parameters
    ----------
    content : path, PIL image or array
        The photograph. An array is ``[H, W, 3]``, RGB, uint8 or float in [0, 1].
    style : path, PIL image or array, or a list of them
        The picture or pictures whose style is painted.
    **options
        The options of `recipes.basic` say what is painted. The most used are ``strength`` (from 0
        to 1, by default 0.5), ``size`` (longer side in pixels, by default 512), ``style_loss``
        (``"neighbors"`` or ``"gram"``), ``style_scale``, ``mask`` and ``keep_colors``. The options
        of `Recipe.run` say how: ``steps``, ``extractor``, ``plan``, ``seed``, ``callbacks``.

    Returns
    -------
    Result
        ``result.image`` is the painted picture, ``float32 [H, W, 3]`` in [0, 1].
        ``result.save("out.png")`` writes it, and ``result.plot()`` shows the losses.

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument, a picture or the weights cannot be used. Raised before the first step.
    TransferError
        If the run fails. The error holds the image so far.

    Examples
    --------
    Files, with VGG19, which is downloaded once:

    >>> import stylekit as sk
    >>> result = sk.stylize("photo.jpg", "starry.jpg", strength=0.6)  # doctest: +SKIP
    >>> result.save("out.png")  # doctest: +SKIP

    Arrays, with the compact network that is part of the package:

    >>> from skimage import data
    >>> network = sk.CompactVGG()
    >>> result = sk.stylize(data.astronaut(), data.coffee(), extractor=network)  # doctest: +SKIP
    """
    expected = "an option of recipes.basic or of Recipe.run"
    check_options("stylize", options, SIGNATURE.parameters, expected=expected)
    technique, how = divided(basic, options)
    return basic(content, style, **technique).run(**how)


def _signature() -> inspect.Signature:
    """Return the parameters of `basic` and those of `Recipe.run`, all but the pictures by name."""
    own = inspect.signature(basic)
    _, *how = inspect.signature(Recipe.run).parameters.values()
    named = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in how]
    return own.replace(parameters=[*own.parameters.values(), *named], return_annotation="Result")


# What a notebook completes and what the reference shows.
SIGNATURE = stylize.__signature__ = _signature()  # type: ignore[attr-defined]


def _gram_terms(parts: Sequence[StylePart], weight: float, layers: LayersLike) -> list[Loss]:
    """Return a Gram loss a style."""
    return [
        GramStyleLoss(
            one.style, one.mask, one.style_mask, layers=layers, weight=weight * one.weight
        )
        for one in parts
    ]


def _one_each(value, styles, name):
    """Return a list with an entry a style from None, one value or a list."""
    values = list(value) if isinstance(value, (list, tuple)) else [value] * len(styles)
    if len(values) != len(styles):
        fail(
            f"the number of {name}s differs from the number of styles",
            expected=f"one, or {len(styles)}",
            received=len(values),
            argument=name.replace(" ", "_"),
        )
    return values


def _shares(weights, covers):
    """Return weights of styles, scaled to sum to 1 where their masks cover most."""
    values = [1.0] * len(covers) if weights is None else list(weights)
    values = [number(w, "a style weight", low=0, argument="style_weights") for w in values]
    if len(values) != len(covers) or not sum(values):
        fail(
            "`style_weights` does not match the styles",
            expected=f"{len(covers)} weights, not all 0",
            received=weights,
            argument="style_weights",
        )
    most = np.max(sum(w * cover for w, cover in zip(values, covers, strict=True)))
    return [float(w / most) for w in values]
