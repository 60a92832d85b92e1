"""One colour, in any of the ways that it may be written."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import ImageColor

from stylekit._checks import fail


def rgb_color(color: Any, name: str) -> np.ndarray:
    """Return a colour as three whole floats in 0-255.

    Parameters
    ----------
    color : str or sequence of three numbers
        A name or hex string as in CSS, three integers in 0-255, or three floats in 0-1.
    name : str
        What messages call it.

    Raises
    ------
    InputError
        If it is none of these.
    """
    values = color
    if isinstance(color, str):
        try:
            values = ImageColor.getrgb(color)[:3]
        except ValueError:
            values = ()
    values = np.asarray(values)
    scale = 1 if values.dtype.kind == "f" else 255
    if (
        values.shape != (3,)
        or values.dtype.kind not in "iuf"
        or not np.all((values >= 0) & (values <= scale))
    ):
        fail(
            f"{name} is not a colour",
            expected='three integers in 0-255, three floats in 0-1 or a string such as "#ff0000"',
            received=f"{color!r:.60}",
        )
    return np.rint(values * (255 / scale)).astype(float)
