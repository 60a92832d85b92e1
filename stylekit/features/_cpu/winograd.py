"""A 3 x 3 convolution in a quarter of the multiplications (Winograd 1980; Lavin and Gray 2016)."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from stylekit.features._cpu.order import after

TILE = 4
"""Side of what is computed at once, of the outputs; F(4 x 4, 3 x 3) in Lavin and Gray's terms."""

WINDOW = TILE + 2
"""Side of what it is computed from."""

POINT = 1.5
"""Polynomials are taken at 0, this, its reciprocal, their negatives and infinity.

With a point and its reciprocal in the place of the usual 1 and 2 the rounding error is less than
half (Alam et al. 2022): the transforms amplify the errors of the sums over channels by 4.8, and
with the usual points by 10.8.
"""

CHANNELS, TILES = 128 * 256, 256
"""The fewest for which the sums that are saved outweigh the transforms, as measured on CPUs.

Channels that come in times those that go out, and tiles of the whole batch. With oneDNN, whose
allocator keeps what is freed, less would do.
"""

BAND, BANDS = 256, 8
"""About so many tiles are taken at once, or more, so that the bands are at most so many.

Smaller ones would be slower, and larger ones need more memory: 512 x 512 cells of 256 channels take
a third in eight bands of what they take in one.
"""


def pays(x, kernel) -> bool:
    """Return whether `convolve` is the faster way, and as exact as the direct one.

    So it is for layers of many channels on CPUs. GPUs' libraries choose such ways by themselves,
    and half precisions would lose too much in the transforms.

    Parameters
    ----------
    x : tensor, shape [B, H, W, C]
    kernel : tensor, shape [h, w, C, K]

    Returns
    -------
    bool
    """
    batch, height, width, _ = x.shape
    if None in (batch, height, width) or tuple(kernel.shape[:2]) != (3, 3):
        return False
    wide = kernel.shape[2] * kernel.shape[3] >= CHANNELS
    large = batch * _tiles(height) * _tiles(width) >= TILES
    exact = keras.backend.standardize_dtype(x.dtype) in ("float32", "float64")
    return wide and large and exact and _on_tensorflows_cpu()


def convolve(x, kernel):
    """Return the convolution with padding ``"same"``, of strides 1.

    Parameters
    ----------
    x : tensor, shape [B, H, W, C], float
        Of a shape that is known.
    kernel : tensor, shape [3, 3, C, K]

    Returns
    -------
    tensor, shape [B, H, W, K]

    Notes
    -----
    Of each window d of 6 x 6 pixels with a kernel g, the 4 x 4 outputs are
    ``A [(G g Gᵀ) * (Bᵀ d B)] Aᵀ`` (Lavin and Gray 2016, equation 8). The sum over channels is
    taken between the brackets, as 36 products of matrices; the transforms before and after are
    products with Kronecker squares of the three matrices. The kernels' is taken at each call: kept,
    they would take four times the memory of a network's weights.
    """
    batch, height, width, channels = x.shape
    maps = kernel.shape[-1]
    rows, columns = _tiles(height), _tiles(width)
    to_products, to_kernels, to_outputs = (
        ops.convert_to_tensor(matrix, x.dtype) for matrix in _TRANSFORMS
    )
    kernel = ops.reshape(kernel, (9, channels * maps))
    with after(x):
        kernels = ops.matmul(to_kernels, kernel)
    kernels = ops.reshape(kernels, (WINDOW**2, channels, maps))

    bands, done = [], x
    step = _rows(batch, rows, columns)
    for top in range(0, rows, step):
        count = min(rows - top, step)
        with after(done):  # one band's memory after the other
            windows = _windows(x, top, count, columns)
        products = ops.reshape(ops.matmul(to_products, windows), (WINDOW**2, -1, channels))
        products = ops.reshape(ops.matmul(products, kernels), (WINDOW**2, -1))
        done = ops.matmul(to_outputs, products)
        band = ops.reshape(done, (TILE, TILE, batch, count, columns, maps))
        band = ops.transpose(band, (2, 3, 0, 4, 1, 5))
        bands.append(ops.reshape(band, (batch, count * TILE, columns * TILE, maps)))
    y = bands[0] if len(bands) == 1 else ops.concatenate(bands, 1)
    return y[:, :height, :width]


def working(y, kernel) -> int:
    """Return the bytes that a layer takes beside its input and output, here or for its gradient.

    Parameters
    ----------
    y : tensor, or its description, shape [B, H, W, K]
        The output.
    kernel : tensor, shape [h, w, C, K]

    Returns
    -------
    int
        0 where it does not pay.
    """
    if not pays(y, kernel):
        return 0
    batch, height, width, _ = y.shape
    *_, channels, maps = kernel.shape
    rows, columns = _tiles(height), _tiles(width)
    tiles = batch * columns * min(rows, _rows(batch, rows, columns))
    size = np.dtype(keras.backend.standardize_dtype(y.dtype)).itemsize
    return WINDOW**2 * (tiles * (channels + maps) + channels * maps) * size


def _windows(x, top, rows, columns):
    """Return, in each row, one pixel of some rows of windows, as `_ORDER` has them."""
    batch, height, width, channels = x.shape
    first = TILE * top - 1
    last = first + TILE * (rows + 1)
    x = ops.pad(
        x[:, max(first, 0) : last],
        (
            (0, 0),
            (max(-first, 0), max(last - height, 0)),
            (1, TILE * (columns + 1) - width - 1),
            (0, 0),
        ),
    )
    x = ops.reshape(x, (batch, rows + 1, TILE, columns + 1, TILE, channels))
    phases = ops.transpose(x, (2, 4, 0, 1, 3, 5))
    # A window's last two rows are the first two of the next tile; so with columns.
    parts = []
    for down, right in _SHIFTS:
        one = phases[: TILE - 2 * down, : TILE - 2 * right]
        one = one[:, :, :, down : down + rows, right : right + columns]
        parts.append(ops.reshape(one, (one.shape[0] * one.shape[1], -1)))
    return ops.concatenate(parts)


def _rows(batch: int, rows: int, columns: int) -> int:
    """Return how many rows of tiles are taken at once."""
    return max(1, BAND // (batch * columns), math.ceil(rows / BANDS))


def _tiles(size: int) -> int:
    return math.ceil(size / TILE)


def _on_tensorflows_cpu() -> bool:
    return keras.backend.backend() == "tensorflow" and not keras.distribution.list_devices("gpu")


_SHIFTS = [(down, right) for down in (0, 1) for right in (0, 1)]

_ORDER = [
    (TILE * down + row) * WINDOW + TILE * right + column
    for down, right in _SHIFTS
    for row in range(TILE - 2 * down)
    for column in range(TILE - 2 * right)
]
"""Of a window's pixels, by their index in it."""


def _transforms():
    """Return the matrices to products, to kernels and to outputs, [36, 36], [36, 9] and [16, 36].

    A product of polynomials is known from its values at as many points as it has coefficients:
    with Vandermonde matrices V, its coefficients are ``V⁻¹ [(V g) * (V h)]``. A convolution as
    networks have it is that map transposed: ``Vᵀ [(V g) * (V⁻ᵀ d)]``.
    """

    def powers(count):
        points = np.array([0, POINT, -POINT, 1 / POINT, -1 / POINT])
        infinity = np.eye(count)[-1:]
        return np.concatenate([points[:, None] ** np.arange(count), infinity])

    outputs, kernels, products = powers(TILE).T, powers(3), np.linalg.inv(powers(WINDOW)).T
    # A row's factor may be moved from one to the other: with rows of one size sums round least.
    scale = np.abs(products).sum(axis=1, keepdims=True)
    products, kernels = products / scale, kernels * scale
    return (
        np.kron(products, products)[:, _ORDER],
        np.kron(kernels, kernels),
        np.kron(outputs, outputs),
    )


_TRANSFORMS = _transforms()
