"""Check the arguments of metrics, and compute the features of a picture's cells."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from keras import ops

from stylekit._checks import InputTypeError, explain, fail
from stylekit.features import FeatureExtractor
from stylekit.image import PictureLike, as_image
from stylekit.losses.base import layer_tuple


def same_size(photo: PictureLike, result: PictureLike) -> tuple[np.ndarray, np.ndarray]:
    """Return a photograph and a result as images. Raise `InputError` if their sizes differ."""
    photo, result = as_image(photo, "photo"), as_image(result, "result")
    if result.shape != photo.shape:
        fail(
            "`result` must have the size of `photo`",
            expected=f"shape {photo.shape}",
            received=f"shape {result.shape}",
            hint="use stylekit.image.resize",
            argument="result",
        )
    return photo, result


def large_enough(picture: PictureLike, name: str, side: int) -> np.ndarray:
    """Return a picture as an image. Raise `InputError` if a side has fewer than `side` pixels."""
    picture = as_image(picture, name)
    check_side(picture, name, side)
    return picture


def check_side(picture: np.ndarray, name: str, side: int, user: str = "") -> None:
    """Raise `InputError` if a picture has fewer than `side` pixels per side, for use by `user`."""
    height, width = picture.shape[:2]
    if min(height, width) < side:
        fail(
            f"`{name}` is too small" + (f" for {user}" if user else ""),
            expected=f"at least {side} pixels per side",
            received=f"{width}x{height} pixels",
            hint="use a larger picture",
            argument=name,
        )


def check_extractor(extractor: Any) -> None:
    """Raise `InputTypeError` if the argument is not a feature extractor."""
    if not isinstance(extractor, FeatureExtractor):
        raise InputTypeError(
            explain(
                "`extractor` must be a feature extractor",
                expected="an object such as stylekit.VGG19()",
                received=type(extractor).__name__,
            ),
            argument="extractor",
        )


def looking_once(extractor: FeatureExtractor, layers: Iterable[str]) -> FeatureExtractor:
    """Return a copy of an extractor that evaluates each picture once and caches the features.

    Parameters
    ----------
    extractor : FeatureExtractor
    layers : iterable of str
        All layers that will be requested. They are evaluated together.

    Notes
    -----
    The features of the last two pictures are kept, because a metric compares two pictures.
    """
    whole = extractor.network(dict.fromkeys(map(extractor.resolve, layers)))
    kept: dict[Any, Any] = {}

    def features(image):
        key = tuple(image.shape), hashlib.sha256(ops.convert_to_numpy(image)).digest()
        found = kept.pop(key) if key in kept else whole(image)
        if len(kept) > 1:
            del kept[next(iter(kept))]  # the least recently used
        kept[key] = found
        return found

    once = copy.copy(extractor)
    vars(once)["network"] = lambda layers, dtype="float32": features
    return once


def cells_of(
    picture: np.ndarray,
    name: str,
    extractor: FeatureExtractor,
    layers: Sequence[str] | None,
    reduced: Callable,
) -> list[Any]:
    """Return the features of a picture's cells, one array ``[N, C]`` per layer.

    Parameters
    ----------
    picture : ndarray [H, W, 3]
    name : str
        Name of the picture in messages.
    extractor : FeatureExtractor
    layers : sequence of str or None
        Names of the layers. None means the extractor's `style_layers`.
    reduced : callable
        Function that returns the cells ``[N, C]`` of a feature map ``[1, h, w, C]``.

    Raises
    ------
    InputError, InputTypeError
        If `extractor` is not a feature extractor or lacks a layer, or the picture is too small for
        a layer.
    """
    check_extractor(extractor)
    names = extractor.default_layers("style_layers") if layers is None else layer_tuple(layers)
    names = tuple(extractor.resolve(layer) for layer in names)
    for layer in names:
        check_side(picture, name, extractor.smallest_size(layer), f"layer {layer}")
    maps = extractor.network(names)(ops.convert_to_tensor(picture[np.newaxis]))
    return [reduced(maps[layer]) for layer in names]
