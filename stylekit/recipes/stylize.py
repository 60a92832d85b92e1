"""The one call: a content picture, one style or more, and how strong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from stylekit._checks import fail, number
from stylekit._defaults import SIZE, STRENGTH, STYLE_LOSS
from stylekit.features import FeatureExtractor
from stylekit.image import as_image
from stylekit.losses import GramStyleLoss, Loss
from stylekit.losses.base import LayersLike
from stylekit.masks import combine
from stylekit.masks.finding import fitted
from stylekit.recipes._colors import prepared
from stylekit.recipes._paint import paint, sized_style
from stylekit.recipes._styles import StylePart
from stylekit.transfer import Plan, Result


def stylize(
    content,
    style,
    *,
    strength: float = STRENGTH,
    size: int | None = SIZE,
    style_loss: Any = STYLE_LOSS,
    steps: int | None = None,
    style_weights: Sequence[float] | None = None,
    style_scale: float = 1.0,
    mask=None,
    style_mask=None,
    protect: bool = True,
    keep_colors: str | None = None,
    style_layers: Sequence[str] | None = None,
    content_layers: Sequence[str] | None = None,
    variation: float | None = None,
    initial=None,
    pyramid: int | None = None,
    extractor: FeatureExtractor | None = None,
    finish: tuple[FeatureExtractor, int] | None = None,
    optimizer=None,
    precision: str = "float32",
    plan: Plan | None = None,
    seed: int = 0,
    callbacks: Iterable = (),
    checkpoint=None,
) -> Result:
    """Paint a picture in the style of another.

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
    steps : int, optional
        Evaluations of the gradient, at least 0. Default: 60 for neighbours, else 300.
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
        Default: 16 by neighbours, else the extractor's own, which is light: it takes out the fine
        ripples that max pooling leaves in flat parts. It sees differences of neighbouring pixels,
        which shrink as a picture grows, and so weighs less in large ones.
    initial : path, PIL image, array or Start, optional
        Default: the content. A picture is resized as the content is.
    pyramid : int, optional
        Number of coarse-to-fine levels, each half the next. Default: as many as bring the longer
        side of the coarsest below 128 pixels. By neighbours each level takes the same number of
        steps, and three further rounds at the full size follow. By any other loss each level takes
        half the steps of the one before: the brush strokes are laid out in the coarse ones, and
        keep their size in the picture.
    extractor, optimizer, precision, plan, seed
        See `StyleTransfer`.
    finish : (FeatureExtractor, int), optional
        Another network, and how many of the steps it takes, the last ones at the full size: the
        bundled `CompactVGG` lays out the picture, and `VGG19` gives it the last touch.
    callbacks : iterable of callables
        See `StyleTransfer.run`.
    checkpoint : path or Checkpoint, optional
        A folder that keeps the run's state: started again, it goes on from there. See
        `StyleTransfer.run`.

    Returns
    -------
    Result

    Raises
    ------
    InputError, FileError
        If an argument, a picture or the weights are unfit; before the first step.
    TransferError
        If the run breaks off; it holds the image so far.

    Examples
    --------
    >>> import stylekit as sk
    >>> sk.stylize("photo.jpg", "starry.jpg", strength=0.6).save("out.png")  # doctest: +SKIP
    """
    photo = as_image(content, "content", size)
    styles = [
        sized_style(one, photo, style_scale)
        for one in (style if isinstance(style, (list, tuple)) else [style])
    ]
    if not styles:
        fail("there is no style", expected="at least one style picture")
    masks = [None if one is None else fitted(one, photo) for one in _one_each(mask, styles, "mask")]
    sources = [
        None if source is None else fitted(source, one, "style mask")
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
        steps=steps,
        style_layers=style_layers,
        content_layers=content_layers,
        variation=variation,
        initial=initial,
        pyramid=pyramid,
        extractor=extractor,
        finish=finish,
        optimizer=optimizer,
        precision=precision,
        plan=plan,
        seed=seed,
        callbacks=callbacks,
        checkpoint=checkpoint,
    )


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
        )
    return values


def _shares(weights, covers):
    """Return weights of styles, scaled to sum to 1 where their masks cover most."""
    values = [1.0] * len(covers) if weights is None else list(weights)
    values = [number(w, "a style weight", low=0) for w in values]
    if len(values) != len(covers) or not sum(values):
        expected = f"{len(covers)} weights, not all 0"
        fail("style_weights do not match the styles", expected=expected, received=weights)
    most = np.max(sum(w * cover for w, cover in zip(values, covers, strict=True)))
    return [float(w / most) for w in values]
