"""All metrics of a result in one call."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from stylekit._checks import fail
from stylekit.features import FeatureExtractor
from stylekit.image import PictureLike, as_image, resize
from stylekit.masks.operations import mask_of
from stylekit.masks.operations import resize as resize_mask
from stylekit.metrics._pictures import check_extractor, large_enough, looking_once
from stylekit.metrics.artifacts import chroma_noise, frame
from stylekit.metrics.distances import content_distance, style_distance
from stylekit.metrics.masks import leakage, seam_score
from stylekit.metrics.neighbors import (
    NEIGHBOR_LAYERS,
    STRUCTURE_LAYERS,
    cfsd,
    self_similarity_distance,
    style_coverage,
    style_nearness,
)
from stylekit.metrics.similarity import color_distance, ssim
from stylekit.metrics.wasserstein import sliced_wasserstein_distance

_SMALLEST = 16  # Pixels per side at which conv5_1, the deepest default layer, has a cell.

_TO_STYLE = {
    "near": style_nearness,
    "cover": style_coverage,
    "gram": style_distance,
    "sliced": sliced_wasserstein_distance,
}
_TO_CONTENT = {"content": content_distance, "self": self_similarity_distance, "cfsd": cfsd}


def evaluate(
    result: PictureLike,
    *,
    content: PictureLike,
    style: PictureLike,
    extractor: FeatureExtractor,
    mask: Any = None,
) -> dict[str, float]:
    """Return all metrics of a result.

    Parameters
    ----------
    result : path, PIL image or array_like
        The result, with at least 16 pixels per side.
    content : path, PIL image or array_like
        The photograph. It is resized to the size of the result.
    style : path, PIL image or array_like
        The style. It is resized to the longer side of the result.
    extractor : FeatureExtractor
        The network whose features are compared. Values of different networks are not comparable.
    mask : array_like, PIL.Image.Image, path or callable, optional
        Mask of the region that was stylised. Must have the size of the photograph before resizing.
        It is resized to the size of the result.

    Returns
    -------
    dict of str to float
        Distances from the style: ``near`` (`style_nearness`), ``cover`` (`style_coverage`),
        ``gram`` (`style_distance`), ``sliced`` (`sliced_wasserstein_distance`) and ``color``
        (`color_distance`). Distances from the photograph: ``content`` (`content_distance`),
        ``self`` (`self_similarity_distance`) and ``cfsd`` (`cfsd`). Similarity to the photograph:
        ``ssim`` (`ssim`), where higher values mean more similar. Artifacts: ``chroma``
        (`chroma_noise`) and ``frame`` (`frame`). If a mask is given, the dict also has ``seam``
        (`seam_score`) and ``leakage`` (`leakage`).

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture or the mask is invalid or too small, the aspect ratios of the result and the
        photograph differ, or the extractor lacks a layer.

    Examples
    --------
    A result that is equal to both the photograph and the style has the distance 0 from both:

    >>> import stylekit as sk
    >>> from skimage import data
    >>> photo = sk.image.as_image(data.astronaut(), size=64)
    >>> found = evaluate(photo, content=photo, style=photo, extractor=sk.CompactVGG())
    >>> {name: round(found[name], 4) for name in ("near", "cover", "self", "ssim")}
    {'near': 0.0, 'cover': 0.0, 'self': 0.0, 'ssim': 1.0}
    """
    result = large_enough(result, "result", _SMALLEST)
    photo = _at_size_of(result, content)
    inside = None
    if mask is not None:
        inside = resize_mask(mask_of(mask, as_image(content, "content")), result.shape[:2])
    check_extractor(extractor)
    own = (extractor.default_layers(kind) for kind in ("style_layers", "content_layers"))
    layers = itertools.chain(*own, NEIGHBOR_LAYERS, STRUCTURE_LAYERS)
    how: dict[str, Any] = {"extractor": looking_once(extractor, layers)}
    numbers = {name: measure(style, result, **how) for name, measure in _TO_STYLE.items()}
    numbers["color"] = color_distance(style, result)
    numbers |= {name: measure(photo, result, **how) for name, measure in _TO_CONTENT.items()}
    numbers |= {"ssim": ssim(photo, result), "chroma": chroma_noise(result), "frame": frame(result)}
    if inside is not None:
        numbers["seam"] = seam_score(photo, result, inside)
        numbers["leakage"] = leakage(photo, result, inside)
    return numbers


def _at_size_of(result: np.ndarray, content: PictureLike) -> np.ndarray:
    """Return the photograph at the result's size. Raise `InputError` if aspect ratios differ."""
    shape = result.shape[:2]
    photo = as_image(content, "content", max(shape))
    if max(abs(np.subtract(photo.shape[:2], shape))) > 1:  # one pixel of rounding is allowed
        fail(
            "`result` must have the aspect ratio of `content`",
            expected=f"{photo.shape[1]}x{photo.shape[0]} pixels, or a multiple of this size",
            received=f"{shape[1]}x{shape[0]} pixels",
            hint="crop both to the same part of the picture",
            argument="result",
        )
    return resize(photo, shape)
