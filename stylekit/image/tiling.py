"""Make pictures periodic, so that copies fit side by side without a seam."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stylekit.image.arrays import rgb_values, tiled_axes

_FITS = 1.5  # largest `edge_step` of a periodic picture. Textures that tile have about 1

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
    """Return the mean absolute step across opposite edges, divided by the step between neighbours.

    Parameters
    ----------
    picture : ndarray [H, W, C]
        The picture.
    axis : int
        0 compares the last row with the first, 1 the last column with the first.

    Returns
    -------
    float
        0 if the two edges are equal. Infinite if the edges differ but neighbouring rows or columns
        do not.
    """
    values = np.moveaxis(picture.astype(np.float64), axis, 0)
    across = np.abs(values[0] - values[-1]).mean()
    inside = np.abs(np.diff(values, axis=0)).mean() if len(values) > 1 else 0.0
    if across == 0:
        return 0.0
    return float(across / inside) if inside else float("inf")


def periodic(picture: npt.ArrayLike, tile: str | None = "both") -> np.ndarray:
    """Return the periodic component of a picture, whose opposite edges match.

    The function subtracts a smooth picture that contains the differences between opposite edges.
    The smooth picture is steep at the edges and nearly constant inside. Axes whose edges already
    match are not changed.

    Parameters
    ----------
    picture : array_like [H, W] or [H, W, C]
        A picture as in `as_image`, but not a path.
    tile : {"x", "y", "both"} or None
        Axes along which the edges must match: the width, the height or both. None: no change.

    Returns
    -------
    ndarray, float32 [H, W, 3]
        Values in [0, 1].

    Raises
    ------
    InputError, InputTypeError
        If `picture` is not a picture, or `tile` is unknown.

    Notes
    -----
    Let u be the picture, and v the steps from each edge to the opposite edge. The smooth component
    s is the periodic solution of ``laplacian s = v``, computed by Fourier transforms. The result is
    u - s. Along axes that are not tiled, the picture is extended by its mirror image, whose edges
    match. Lines that end at an edge still end there. Choose pictures without such lines, or paint
    over the lines.

    References
    ----------
    Moisan: Periodic Plus Smooth Image Decomposition, Journal of Mathematical Imaging and Vision 39,
    2011. Here the result is also clipped to [0, 1].
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
    laplacian[0, 0] = 1  # avoids 0 / 0: the mean of the steps is 0, so the picture's mean is kept
    smooth = np.fft.ifft2(np.fft.fft2(jumps, axes=(0, 1)) / laplacian, axes=(0, 1)).real
    return np.clip((whole - smooth)[:height, :width], 0, 1).astype(np.float32)
