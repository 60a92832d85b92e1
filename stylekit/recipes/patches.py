"""Style by patches: every part of the picture is painted as the part of the style it resembles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skimage.exposure import match_histograms

from stylekit._checks import InputTypeError, explain
from stylekit._defaults import SIZE, STYLE_LOSS
from stylekit.image import PictureLike, resize, with_map
from stylekit.losses import Loss, WindowGramStyleLoss
from stylekit.losses.base import LayersLike
from stylekit.masks import match_regions
from stylekit.masks import resize as mask_at
from stylekit.recipes._colors import prepared
from stylekit.recipes._paint import check_passed, content_picture, paint, sized_style
from stylekit.recipes._styles import StyleLossLike, StylePart
from stylekit.recipes.recipe import Recipe


def patches(
    content: PictureLike,
    style: PictureLike,
    content_map: PictureLike | None = None,
    style_map: PictureLike | None = None,
    *,
    patch: int = 128,
    overlap: float = 0.5,
    map_patch: int = 8,
    position_weight: float = 0.02,
    reuse_penalty: float = 0.05,
    size: int | None = SIZE,
    style_scale: float = 1.0,
    keep_colors: str | None = None,
    style_loss: StyleLossLike = STYLE_LOSS,
    seed: int = 0,
    **options: Any,
) -> Recipe:
    """Paint each part of a picture in the style of the part of another that means the same.

    Overlapping windows cover the picture. Each takes the style of that window of the style picture
    whose map is most like its own; see `WindowGramStyleLoss`.

    Parameters
    ----------
    content, style : path, PIL image or array
        Of any two sizes.
    content_map, style_map : path, PIL image or array, optional
        Colour maps of their sizes; the same colour means the same thing. Default: the pictures
        themselves, with the style's levels brought to the content's.
    patch : int
        Side of a window in pixels of the result: smaller follows the maps more closely, larger
        keeps larger forms of the style. The deepest style layer sets the least: 128 for
        block5_conv1, 64 for block4_conv1.
    overlap : float
        Share of a side that neighbours have in common at least, in [0.25, 0.9].
    map_patch : int
        Side, in samples, of what is compared of a window's map.
    position_weight, reuse_penalty : float
        How much a window prefers its own place in the style, and one that is not taken yet, over
        a better match of the maps; see `stylekit.losses.window_match.match_windows`.
    size : int, optional
        Longer side of the result in pixels. Default: 512; None keeps the content's own.
    style_scale : float
        Longer side of the style relative to the result's.
    keep_colors, style_loss
        See `basic`. The options of windows are those of ``style_loss="gram"``. By neighbours,
        each place takes the most similar place of the style. With maps, any loss but ``"gram"``
        is held to regions: then the maps hold flat colours, as for `regions`.
    seed : int
        Of the run and of the choice among windows that match alike.
    **options
        Those of `basic`: strength, style_loss, style_layers, content_layers and variation.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument, a picture, a map or the weights are unfit.

    Examples
    --------
    >>> import stylekit as sk
    >>> maps = ["coast_map.png", "monet_map.png"]
    >>> sk.recipes.patches("coast.jpg", "monet.jpg", *maps).run().save("out.png")  # doctest: +SKIP
    """
    check_passed(patches, options)
    if (content_map is None) != (style_map is None):
        name = "content_map" if content_map is None else "style_map"
        raise InputTypeError(
            explain(f"{name} is missing", expected="both maps, or neither", received="one of them"),
            argument=name,
        )
    photo = content_picture(content, size)
    painting = sized_style(style, photo, style_scale)
    regions: list[tuple[Any, Any, str]] = [(None, None, "")]
    if content_map is None or style_map is None:
        maps = photo, match_histograms(painting, photo, channel_axis=-1)
    else:
        _, content_map = with_map(content, content_map, "content")
        _, style_map = with_map(style, style_map, "style")
        if style_loss != "gram":
            matched = match_regions(content_map, style_map)
            regions = [
                (mask_at(mask, photo.shape[:2]), mask_at(source, painting.shape[:2]), name)
                for name, mask, source in zip(
                    matched.names, matched.content, matched.style, strict=True
                )
            ]
        # The mean over each pixel neither rings nor makes colours that are in no pixel's area.
        maps = (
            resize(content_map, photo.shape[:2], "box"),
            resize(style_map, painting.shape[:2], "box"),
        )

    painting = prepared(painting, photo, keep_colors)
    parts = [StylePart(painting, mask, source, name=name) for mask, source, name in regions]

    def gram(parts: Sequence[StylePart], weight: float, layers: LayersLike) -> list[Loss]:
        return [
            WindowGramStyleLoss(
                painting,
                *maps,
                layers=layers,
                patch=patch,
                overlap=overlap,
                map_patch=map_patch,
                position_weight=position_weight,
                reuse_penalty=reuse_penalty,
                seed=seed,
                weight=weight,
            )
        ]

    return paint(photo, parts, gram, style_loss=style_loss, keep_colors=keep_colors, **options)
