"""Pictures that tile: opposite edges that fit, so that copies side by side show no seam."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stylekit.image.arrays import rgb_values, tiled_axes

_FITS = 1.5  # Steps across the edge by those inside. A texture that tiles has about 1.

CELL = 16
"""Stride in pixels of the deepest layer of VGG19 and CompactVGG that the recipes read."""


def tileable_shape(shape: Sequence[int], tile: str | None) -> tuple[int, int]:
    """Return a height and width, rounded to multiples of `CELL` along the axes that tile."""
    height, width = (
        max(1, round(side / CELL)) * CELL if wraps else side
        for side, wraps in zip(shape, tiled_axes(tile), strict=False)
    )
    return height, width


def edge_step(picture: np.ndarray, axis: int) -> float:
    """Return the mean absolute step from the last row to the first, by that between neighbours.

    Parameters
    ----------
    picture : ndarray [H, W, C]
    axis : int
        0: of rows. 1: of columns.

    Returns
    -------
    float
        0 where the two edges are equal, and infinite where all rows but these are.
    """
    values = np.moveaxis(picture.astype(np.float64), axis, 0)
    across = np.abs(values[0] - values[-1]).mean()
    inside = np.abs(np.diff(values, axis=0)).mean() if len(values) > 1 else 0.0
    if across == 0:
        return 0.0
    return float(across / inside) if inside else float("inf")


def periodic(picture: npt.ArrayLike, tile: str | None = "both") -> np.ndarray:
    """Return a picture whose opposite edges fit: its periodic component.

    What two opposite edges differ by is taken off as a smooth picture that is flat inside and steep
    at these edges. Along an axis whose edges fit already nothing is taken off.

    Parameters
    ----------
    picture : array_like [H, W] or [H, W, C]
        As in `as_image`, but no path.
    tile : {"x", "y", "both"} or None
        Along the width, the height or both. None changes nothing.

    Returns
    -------
    ndarray, float32 [H, W, 3]
        In [0, 1].

    Raises
    ------
    InputError, InputTypeError
        If it is no picture, or `tile` is unknown.

    Notes
    -----
    With u the picture and v the steps from each edge to the opposite one, the smooth part s is the
    periodic solution of ``laplacian s = v``, by Fourier transforms, and the result is u - s. An
    axis that does not tile is extended by the mirror image, whose edges fit. Lines that end at an
    edge still end there: a picture that is to tile well has none, or is painted over.

    References
    ----------
    Moisan: Periodic Plus Smooth Image Decomposition, Journal of Mathematical Imaging and Vision 39,
    2011. We clip what leaves [0, 1].
    """
    values = rgb_values(picture, "picture")
    axes = tiled_axes(tile)
    torn = [axis for axis in (0, 1) if axes[axis] and edge_step(values, axis) > _FITS]
    if not torn:
        return values
    height, width = values.shape[:2]
    whole = values.astype(np.float64)
    for axis in (0, 1):
        if not axes[axis]:
            whole = np.concatenate([whole, np.flip(whole, axis)], axis)
    jumps = np.zeros_like(whole)
    for axis in torn:
        edges, jump = np.moveaxis(whole, axis, 0), np.moveaxis(jumps, axis, 0)
        step = edges[-1] - edges[0]
        jump[0] += step
        jump[-1] -= step
    rows, columns = (2 * np.cos(2 * np.pi * np.fft.fftfreq(side)) - 2 for side in whole.shape[:2])
    laplacian = np.add.outer(rows, columns)[..., None]
    laplacian[0, 0] = 1  # the mean, which stays as it is: that of the steps is 0
    smooth = np.fft.ifft2(np.fft.fft2(jumps, axes=(0, 1)) / laplacian, axes=(0, 1)).real
    return np.clip((whole - smooth)[:height, :width], 0, 1).astype(np.float32)
