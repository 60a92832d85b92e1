"""What the one-call recipes share: a content picture, styles against it, and a strength."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from stylekit._checks import integer, number
from stylekit._defaults import STEPS, STRENGTH, VARIATION
from stylekit.features import VGG19, FeatureExtractor
from stylekit.image import PictureLike, as_image
from stylekit.losses import ContentLoss, Loss, TotalVariationLoss
from stylekit.losses.content import CONTENT_LAYERS
from stylekit.masks import MatchedRegions
from stylekit.transfer import Pyramid, Result, Start, StyleTransfer


def paint(
    photo: np.ndarray,
    styles: Callable[[float], list[Loss]],
    *,
    strength: float = STRENGTH,
    steps: int = STEPS,
    content_layers: Sequence[str] = CONTENT_LAYERS,
    variation: float = VARIATION,
    initial=None,
    update_mask: np.ndarray | None = None,
    pyramid: int | None = None,
    extractor: FeatureExtractor | None = None,
    optimizer=None,
    precision: str = "float32",
    seed: int = 0,
    callbacks: Iterable = (),
) -> Result:
    """Run a content term, the style terms of a total weight, and a light total variation.

    Parameters
    ----------
    photo : ndarray [H, W, 3]
        The content, at the result's size.
    styles : callable
        From the weight of all style, `extractor.style_factor` times strength, to the style terms.
    update_mask : ndarray [H, W], optional
        See `StyleTransfer.run`.
    strength, steps, content_layers, variation, initial, pyramid
        See `stylize`.
    extractor, optimizer, precision, seed, callbacks
        See `StyleTransfer`.
    """
    strength = number(strength, "strength", low=0, high=1)
    integer(steps, "steps", low=0)
    number(variation, "variation", low=0)
    longer = max(photo.shape[:2])
    extractor = VGG19() if extractor is None else extractor
    start = photo if initial is None else initial
    if not isinstance(start, Start):
        start = as_image(start, "initial", longer)
    terms: list[Loss] = [ContentLoss(photo, layers=content_layers, weight=1 - strength)]
    terms += styles(extractor.style_factor * strength)
    if variation:
        terms.append(TotalVariationLoss(weight=variation * strength))
    transfer = StyleTransfer(
        terms, extractor=extractor, optimizer=optimizer, precision=precision, seed=seed
    )
    return transfer.run(
        start,
        # At strength 0 the content is the only term, and a run could only add rounding.
        steps if strength else 0,
        update_mask=update_mask,
        pyramid=None if pyramid is None else Pyramid.halving(longer, pyramid),
        callbacks=callbacks,
    )


def sized_style(style: PictureLike, photo: np.ndarray, style_scale: float) -> np.ndarray:
    """Return a style picture whose longer side is the photo's times the scale."""
    scale = number(style_scale, "style_scale", low=0, open_low=True)
    return as_image(style, "style", max(1, round(max(photo.shape[:2]) * scale)))


def record_regions(result: Result, matched: MatchedRegions, content: str) -> None:
    """Note in a result's manifest what share of both pictures each region has."""
    shares = zip(matched.names, matched.content, matched.style, strict=True)
    result.manifest["regions"] = {
        name: {content: float(mask.mean()), "style": float(source.mean())}
        for name, mask, source in shares
    }
    result.manifest["unmatched"] = dict(zip((content, "style"), matched.unmatched, strict=True))
