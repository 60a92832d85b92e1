"""What the one-call recipes share: a content picture, styles against it, and a strength."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from stylekit._checks import integer, number
from stylekit._defaults import STRENGTH, STYLE_LOSS
from stylekit.features import VGG19, FeatureExtractor, ReflectPadding
from stylekit.image import PictureLike, as_image
from stylekit.losses import ContentLoss, Loss, TotalVariationLoss
from stylekit.masks import MatchedRegions
from stylekit.recipes._colors import Source, finished
from stylekit.recipes._mixed import run_mixed
from stylekit.recipes._styles import StylePart, Terms, method
from stylekit.transfer import Plan, Result, Start, StyleTransfer, TransferError

CHROMA = 2.0
"""Weight of the chroma's total variation, relative to that of the colours. It takes the noise out
of dark and flat parts, and purple fringes beside thin lines, and leaves light and dark strokes."""

SMALL_STYLE = 300
"""Longer side, in pixels, below which quality falls: in 30,000 ratings (Kitov) results got 5.2 of
10 where the style was shown at 150 pixels, 6.0 at 300 and 6.1 at 500."""

REFLECTION = 16
"""Pixels by which pictures are reflected at their borders. Without, the outer 2 pixels of a result
differ from the band 6 to 12 pixels in by up to 0.125; with it, by as much as the photograph's."""


def paint(
    photo: np.ndarray,
    parts: Sequence[StylePart],
    gram: Terms,
    *,
    strength: float = STRENGTH,
    style_loss: Any = STYLE_LOSS,
    steps: int | None = None,
    style_layers: Sequence[str] | None = None,
    content_layers: Sequence[str] | None = None,
    variation: float | None = None,
    initial=None,
    update_mask: np.ndarray | None = None,
    keep_colors: str | None = None,
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
    """Run a content term, the style terms of a total weight, and a light total variation.

    Parameters
    ----------
    photo : ndarray [H, W, 3]
        The content, at the result's size.
    parts : sequence of StylePart
        The styles, as `_colors.prepared` returns them, and where they go.
    gram : callable
        The Gram terms of the recipe; see `_styles.Terms`.
    update_mask : ndarray [H, W], optional
        See `StyleTransfer.run`.
    strength, style_loss, steps, style_layers, content_layers, variation, initial, pyramid, finish
        See `stylize`.
    keep_colors : str, optional
        See `stylize`.
    extractor, optimizer, precision, plan, seed, callbacks, checkpoint
        See `StyleTransfer`.
    """
    strength = number(strength, "strength", low=0, high=1)
    how = method(style_loss, gram)
    steps = integer(how.steps if steps is None else steps, "steps", low=0)
    if variation is not None:
        number(variation, "variation", low=0)
    longer = max(photo.shape[:2])
    levels = how.pyramid(longer, pyramid)
    photo.flags.writeable = False  # the content and the start then are this array, not copies
    start = photo if initial is None else initial
    if start is not photo and not isinstance(start, Start):
        start = as_image(start, "initial", longer)
    pictures = [photo, *(part.style for part in parts)]
    if not isinstance(start, Start):
        pictures.append(start)  # its aspect ratio is checked later
    narrowest = min(min(one.shape[:2]) for one in pictures) * levels.sizes[0] // longer

    def transfer(network: FeatureExtractor) -> StyleTransfer:
        terms: list[Loss] = [ContentLoss(photo, layers=content_layers, weight=1 - strength)]
        terms += how.terms(parts, how.factor(network) * strength, style_layers)
        read = [layer for term in terms for layer in term.layers_of(network)]
        smoothing = how.variation(network) if variation is None else variation
        if smoothing:
            smoothing *= strength
            chroma: dict[str, Any] = {"channels": "chroma", "name": "chroma_variation"}
            terms.append(TotalVariationLoss(weight=smoothing))
            terms.append(TotalVariationLoss(weight=CHROMA * smoothing, **chroma))
        return StyleTransfer(
            terms,
            extractor=without_frame(network, read, narrowest),
            optimizer=optimizer,
            precision=precision,
            plan=plan,
            seed=seed,
        )

    last = None
    if finish is not None:
        network, share = finish
        last = transfer(network), integer(share, "the finish's steps", low=0, high=steps)
    # At strength 0 the start is returned, in its own colours.
    sources = [Source(one.style, one.style_mask, one.weight * one.area) for one in parts]
    colors = photo, keep_colors, update_mask, sources if strength else ()
    try:
        result = run_mixed(
            transfer(VGG19() if extractor is None else extractor),
            # At strength 0 the content is the only term, and a run could only add rounding.
            last if strength else None,
            start,
            steps if strength else 0,
            update_mask=update_mask,
            pyramid=levels,
            callbacks=callbacks,
            checkpoint=checkpoint,
        )
    except TransferError as error:
        error.result = finished(error.result, *colors)
        raise
    return finished(result, *colors)


def without_frame(
    network: FeatureExtractor, layers: Iterable[str], narrowest: int
) -> FeatureExtractor:
    """Return a network that sees pictures reflected at their borders, if the reflection fits.

    Parameters
    ----------
    network : FeatureExtractor
    layers : iterable of str
        That are read.
    narrowest : int
        Shorter side, in pixels, of the smallest picture that the network is to see.
    """
    strides = [side for layer in layers for side in network.stride(layer)]
    fits = narrowest > REFLECTION and not any(REFLECTION % stride for stride in strides)
    return ReflectPadding(network, REFLECTION) if fits else network


def sized_style(style: PictureLike, photo: np.ndarray, style_scale: float) -> np.ndarray:
    """Return a style picture whose longer side is the photo's times the scale.

    Warns where it is enlarged from less than `SMALL_STYLE` pixels, or by 2 or more.
    """
    scale = number(style_scale, "style_scale", low=0, open_low=True)
    wanted = max(1, round(max(photo.shape[:2]) * scale))
    style = as_image(style, "style")
    height, width = style.shape[:2]
    longer = max(height, width)
    if longer < wanted and (longer < SMALL_STYLE or 2 * longer <= wanted):
        warnings.warn(
            f"The style picture has {width}x{height} pixels and is enlarged to {wanted}: its "
            f"strokes get blurred. Use a style of at least {max(SMALL_STYLE, wanted // 2)} pixels "
            "a side, or a smaller size.",
            stacklevel=2,
        )
    return as_image(style, "style", wanted)


def record_regions(result: Result, matched: MatchedRegions, content: str) -> None:
    """Note in a result's manifest what share of both maps each region has, and what was merged."""
    maps = content, "style"
    shares = zip(matched.names, matched.content, matched.style, strict=True)
    result.manifest["regions"] = {
        name: dict(zip(maps, (float(mask.mean()), float(source.mean())), strict=True))
        for name, mask, source in shares
    }
    result.manifest["unmatched"] = dict(zip(maps, matched.unmatched, strict=True))
    for key, colors in (("merged", matched.merged), ("small", matched.small)):
        result.manifest[key] = {
            name: dict(zip(maps, each, strict=True)) for name, each in colors.items()
        }
