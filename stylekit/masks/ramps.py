"""Masks with linear and radial gradients."""

from __future__ import annotations

import numpy as np

from stylekit._checks import fail, number
from stylekit.masks.operations import pair, two_numbers


def linear_gradient(
    shape: tuple[int, int], angle: float = 0.0, *, start: float = 0.0, stop: float = 1.0
) -> np.ndarray:
    """Return a linear ramp from exactly 0 to exactly 1 across the picture.

    Parameters
    ----------
    shape : (int, int)
        Height and width.
    angle : float, optional
        Direction in which the ramp rises, in degrees counter-clockwise: 0 is from left to right,
        and 90 from bottom to top. ``angle + 180`` gives the complement.
    start, stop : float, optional
        Positions at which the ramp begins to rise from 0 and at which it reaches 1. They are
        fractions of the picture's extent along `angle`, measured between the outermost pixel
        centres, with ``0 <= start < stop <= 1``.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1].

    Examples
    --------
    >>> linear_gradient((1, 5))
    array([[0.  , 0.25, 0.5 , 0.75, 1.  ]], dtype=float32)
    """
    height, width = pair(shape)
    radians = np.deg2rad(number(angle, "angle"))
    start = number(start, "start", low=0, high=1)
    stop = number(stop, "stop", low=0, high=1)
    if start >= stop:
        fail(
            "`start` must be below `stop`",
            received=f"start={start:g}, stop={stop:g}",
            hint="add 180 to `angle` for a falling ramp, or use masks.threshold for a hard edge",
        )
    right, up = np.round([np.cos(radians), np.sin(radians)], 12)  # exactly (0, 1) for 90 degrees
    rows, columns = np.ogrid[:height, :width]
    along = (columns - (width - 1) / 2) * right + ((height - 1) / 2 - rows) * up
    extent = along.max() - along.min()
    if extent == 0:
        fail(
            "the picture must have at least two pixels along the ramp",
            received=f"shape {(height, width)}, angle {angle:g}",
        )
    ramp = ((along - along.min()) / extent - start) / (stop - start)
    return np.clip(ramp, 0, 1).astype(np.float32)


def radial_gradient(
    shape: tuple[int, int],
    center: tuple[float, float] | None = None,
    radius: float | None = None,
    *,
    inner: float = 0.0,
) -> np.ndarray:
    """Return a mask that is 1 at a centre and falls linearly to 0 at `radius`.

    Parameters
    ----------
    shape : (int, int)
        Height and width.
    center : (float, float), optional
        Row and column of the centre. The centre of the first pixel is (0, 0). The position may be
        outside the picture. Default: the middle of the picture, which lies between pixels if the
        height or width is even.
    radius : float, optional
        Distance from the centre, in pixels, at which the mask reaches 0. Default: the distance from
        the centre to the farthest corner.
    inner : float, optional
        Distance in pixels up to which the mask stays 1, at least 0 and below `radius`.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1].
    """
    height, width = pair(shape)
    if center is None:
        center = ((height - 1) / 2, (width - 1) / 2)
    row, column = two_numbers(center, "center", "(row, column)")
    row = number(row, "the centre's row", argument="center")
    column = number(column, "the centre's column", argument="center")
    rows, columns = np.ogrid[:height, :width]
    distance = np.hypot(rows - row, columns - column)
    radius = number(distance.max() if radius is None else radius, "radius", low=0, open_low=True)
    inner = number(inner, "inner", low=0)
    if inner >= radius:
        fail(
            "`inner` must be below `radius`",
            expected=f"less than {radius:g}",
            received=f"{inner:g}",
            argument="inner",
        )
    return np.clip((radius - distance) / (radius - inner), 0, 1).astype(np.float32)
