"""Style by patches: each part of the picture is painted like a similar part of the style."""

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
    """Return a recipe that paints each part of a picture like the most similar part of the style.

    With ``style_loss="gram"``, overlapping windows cover the picture. Each window takes the style
    of the window of the style picture whose map is most similar; see `WindowGramStyleLoss`. With
    ``"neighbors"``, the default, each place takes the most similar place of the style.

    Parameters
    ----------
    content, style : path, PIL image or array
        The two pictures may differ in size.
    content_map, style_map : path, PIL image or array, optional
        Colour maps, each with the height and width of its picture. Equal colours mark the same kind
        of content. Losses other than ``"gram"`` are applied region by region, and need maps of flat
        colours, as in `regions`. Default: the pictures themselves, with the histogram of the style
        matched to that of the content.
    patch : int
        Side of a window in pixels of the result, for ``"gram"``. Smaller windows follow the maps
        more closely; larger windows preserve larger forms of the style. The deepest style layer
        sets the minimum: 128 for block5_conv1, 64 for block4_conv1.
    overlap : float
        Minimum overlap of neighbouring windows as a share of their side, in [0.25, 0.9], for
        ``"gram"``.
    map_patch : int
        The map of each window is reduced to this side, in samples, for comparison, for ``"gram"``.
    position_weight, reuse_penalty : float
        How strongly the same position in the style, and style windows that were not used yet, are
        preferred to a better match of the maps, for ``"gram"``; see
        `stylekit.losses.window_match.match_windows`.
    size : int, optional
        Longer side of the result in pixels. Default: 512; None keeps the size of the content.
    style_scale : float
        Longer side of the style picture relative to the longer side of the result, above 0.
    keep_colors, style_loss
        See `basic`.
    seed : int
        Seed of the random choice among windows that match equally well, for ``"gram"``.
    **options
        Further options of `basic`: strength, style_layers, content_layers and variation.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument, a picture or a map cannot be used.

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
            explain(
                f"`content_map` and `style_map` must be given together, but `{name}` is missing",
                hint="give both maps or neither",
            ),
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
        # The box filter neither overshoots nor produces colours that are not in the pixel's area.
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
