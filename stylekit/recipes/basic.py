"""The basic recipe, one content picture in one or more styles, and `stylize`, which runs it."""

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
    """Return a recipe that paints a picture in the style of one or more others.

    `stylize` takes the same arguments, and also runs the recipe.

    Parameters
    ----------
    content : path, PIL image or array
        The picture to paint. See `read_image` for the file formats, and `as_image` for the arrays
        that are accepted.
    style : path, PIL image or array, or a list of them
        The picture or pictures whose style is used.
    strength : float
        Balance of content and style, in [0, 1]. The content's weight is ``1 - strength``; the
        style's weight is proportional to `strength`. The losses are dimensionless, so a strength
        has about the same effect at every size. With 0, the initial image is returned unchanged.
        With 1, the content is ignored.
    size : int, optional
        Longer side of the result in pixels. None keeps the size of the content. The default, 512,
        applies to arrays as well as files: an array of 256 pixels is enlarged to 512.
    style_loss : str or callable
        ``"neighbors"``
            `NeighborStyleLoss`: each place of the picture is painted like the most similar place of
            the style. The result has strokes everywhere, and the colours of the style.
        ``"gram"``
            `GramStyleLoss`: matches the correlations of the style's features. The result keeps more
            of the photograph than with ``"neighbors"``. This loss also reproduces textures without
            clear strokes.
        A class or function
            ``(style, *, mask, style_mask, layers, weight) -> Loss``, called once for each style. A
            mask is an array, or None for the whole picture. `layers` are layer names, or None for
            the extractor's default layers.
    style_weights : sequence of float, optional
        One weight for each style, at least 0. The weights are scaled so that their largest sum at
        any pixel is 1; without masks they sum to 1. Default: equal weights.
    style_scale : float
        Longer side of each style picture relative to the longer side of the result, above 0. Larger
        values give larger strokes.
    mask : path, PIL image, array or callable, or a list of them, optional
        Where the style is applied, in [0, 1]. A list has one mask for each style; an entry None
        applies the style everywhere. Masks are resized to the result. Default: everywhere.
    style_mask : path, PIL image, array or callable, or a list of them, optional
        The part of each style picture that is used, in [0, 1]. A list has one mask for each style.
        Masks are resized to the style picture. Default: all of it.
    protect : bool
        Whether pixels that no mask covers stay bit-identical to the initial image. With False, they
        are optimised for the content alone, and adapt to the pixels around them.
    keep_colors : str, optional
        How the colours of the content are kept; see `stylekit.image`. Default: they are not kept.

        ``"luminance"``
            After the run, the result gets the colours of the content and keeps its own luminance
            (`original_colors`). Losses and callbacks see the image before this step.
        ``"palette"``
            After the run, the hues are arranged as in the content, with the palette of the style.
            Lightness and brush strokes do not change (`palette_colors`). Several styles share one
            palette, to which each contributes in proportion to its weight times the area of its
            mask.
        ``"match"``, ``"histogram"``
            Before the run, the styles get the colours of the content (`match_color`,
            `match_histogram`). Colour statistics are computed under the masks. The manifest has the
            hashes of the changed styles.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Layers of the extractor, or a mapping of layer names to weights. Default: the extractor's
        default layers.
    variation : float, optional
        Weight of the `TotalVariationLoss` at strength 1, at least 0. The chroma has twice this
        weight. Default: 48 for ``"neighbors"``, and otherwise a small weight that depends on the
        extractor and removes the fine ripples that max pooling leaves in flat areas. The loss
        penalises differences between neighbouring pixels. These differences are smaller in larger
        pictures, so the loss has less effect there.

    Returns
    -------
    Recipe
        The recipe, which has not been run yet. Call its method `run`.

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
        fail("`style` must hold at least one picture, got an empty list", argument="style")
    masks = [None if one is None else fitted(one, photo) for one in _one_each(mask, styles, "mask")]
    sources = [
        None if source is None else fitted(source, one, "style mask", "style_mask")
        for source, one in zip(_one_each(style_mask, styles, "style_mask"), styles, strict=True)
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

    # If one style covers the whole picture, there is nothing to protect.
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
        The picture to paint. An array is ``[H, W, 3]``, RGB, of floats in [0, 1] or of uint8.
    style : path, PIL image or array, or a list of them
        The picture or pictures whose style is used.
    **options
        Options of `recipes.basic`, which describe the picture:

        - `size`: longer side of the result in pixels. Default: 512, for arrays as well as files.
          None keeps the size of the content.
        - `strength`: from 0, which returns the content, to 1, which ignores the content. Default:
          0.5.
        - `style_scale`: values above 1 make strokes larger. Default: 1.
        - `style_loss`: ``"neighbors"`` (default), ``"gram"`` or a custom loss.
        - `keep_colors`: ``"luminance"`` keeps the colours of the content.
        - `mask`, `style_mask`, `style_weights`, `protect`, `style_layers`, `content_layers`,
          `variation`.

        Options of `Recipe.run`, which say how it is computed:

        - `steps`: more steps take longer. Default: 50, or 300 for losses other than "neighbors".
        - `extractor`: the network. Default: `VGG19`, whose weights (80 MB) are downloaded once.
          ``CompactVGG()`` needs no download, and is eight to ten times as fast as `VGG19`.
        - `callbacks`: called after every step, such as ``[ProgressBar()]``.
        - `initial`, `pyramid`, `finish`, `tile`, `optimizer`, `parameters`, `precision`, `plan`,
          `jit_compile`, `seed`, `checkpoint`.

    Returns
    -------
    Result
        ``result.image`` is the painted picture, ``float32 [H, W, 3]`` in [0, 1].
        ``result.save("out.png")`` writes it to a file, and ``result.plot()`` shows the losses.

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument, a picture or the weights cannot be used. These errors are raised before the
        first step.
    TransferError
        If the run fails. The attribute `result` of the error holds the image so far.

    Examples
    --------
    With your own pictures:

    >>> import stylekit as sk
    >>> sk.stylize("photo.jpg", "starry.jpg", strength=0.6).save("out.png")  # doctest: +SKIP

    With pictures of scikit-image and the network that is part of the package, in a few seconds:

    >>> from skimage import data
    >>> network = sk.CompactVGG()
    >>> result = sk.stylize(data.astronaut(), data.coffee(), size=96, steps=10, extractor=network)
    >>> result.image.shape
    (96, 96, 3)
    >>> path = result.save("astronaut.png")
    """
    expected = "an option of recipes.basic or of Recipe.run"
    check_options("stylize", options, SIGNATURE.parameters, expected=expected)
    technique, how = divided(basic, options)
    return basic(content, style, **technique).run(**how)


def _signature() -> inspect.Signature:
    """Return the signature of `basic`, with the parameters of `Recipe.run` as keywords."""
    own = inspect.signature(basic)
    _, *how = inspect.signature(Recipe.run).parameters.values()
    named = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in how]
    return own.replace(parameters=[*own.parameters.values(), *named], return_annotation="Result")


# For completion in notebooks and for the reference documentation.
SIGNATURE = stylize.__signature__ = _signature()  # type: ignore[attr-defined]


def _gram_terms(parts: Sequence[StylePart], weight: float, layers: LayersLike) -> list[Loss]:
    """Return one Gram loss for each style."""
    return [
        GramStyleLoss(
            one.style, one.mask, one.style_mask, layers=layers, weight=weight * one.weight
        )
        for one in parts
    ]


def _one_each(value, styles, name):
    """Return a list with one entry for each style, given None, one value or a list."""
    values = list(value) if isinstance(value, (list, tuple)) else [value] * len(styles)
    if len(values) != len(styles):
        fail(
            f"`{name}` must hold one entry for each style",
            expected=f"one entry, or {len(styles)}",
            received=len(values),
            argument=name,
        )
    return values


def _shares(weights, covers):
    """Return the weights of the styles, scaled so that their sum is at most 1 at every pixel."""
    values = [1.0] * len(covers) if weights is None else list(weights)
    values = [number(w, "a style weight", low=0, argument="style_weights") for w in values]
    if len(values) != len(covers) or not sum(values):
        fail(
            "`style_weights` must hold one weight for each style",
            expected=f"{len(covers)} weights, not all 0",
            received=weights,
            argument="style_weights",
        )
    most = np.max(sum(w * cover for w, cover in zip(values, covers, strict=True)))
    return [float(w / most) for w in values]
