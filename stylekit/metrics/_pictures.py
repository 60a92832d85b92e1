"""Pictures that are compared pixel by pixel or cell by cell."""

from __future__ import annotations

import numpy as np

from stylekit._checks import fail
from stylekit.image import PictureLike, as_image


def same_size(photo: PictureLike, result: PictureLike) -> tuple[np.ndarray, np.ndarray]:
    """Return a photograph and a result as `as_image` does; raise `InputError` if sizes differ."""
    photo, result = as_image(photo, "photo"), as_image(result, "result")
    if result.shape != photo.shape:
        fail(
            "result has another size than photo",
            expected=f"shape {photo.shape}",
            received=f"shape {result.shape}",
            hint="use stylekit.image.resize",
            argument="result",
        )
    return photo, result


def large_enough(picture: PictureLike, name: str, side: int) -> np.ndarray:
    """Return a picture as `as_image` does; raise `InputError` if a side is too short."""
    picture = as_image(picture, name)
    check_side(picture, name, side)
    return picture


def check_side(picture: np.ndarray, name: str, side: int, user: str = "") -> None:
    """Raise `InputError` if a side of a picture is shorter than what its `user` needs."""
    height, width = picture.shape[:2]
    if min(height, width) < side:
        fail(
            f"{name} is too small" + (f" for {user}" if user else ""),
            expected=f"at least {side} pixels a side",
            received=f"{width}x{height} pixels",
            hint="use a larger picture",
            argument=name,
        )
