"""The Winograd algorithm for 3 x 3 convolutions. It needs a quarter of the multiplications.

References: Winograd 1980; Lavin and Gray 2016.
"""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from stylekit.features._cpu.order import after

TILE = 4
"""Side of an output tile: the algorithm is F(4 x 4, 3 x 3) of Lavin and Gray."""

WINDOW = TILE + 2
"""Side of the input window of a tile."""

POINT = 1.5
"""The interpolation points are 0, this number, its reciprocal, their negatives, and infinity.

These points give less than half the rounding error of the usual points 1 and 2 (Alam et al. 2022).
The transforms amplify the errors of the sums over channels by 4.8. With the usual points they
amplify the errors by 10.8.
"""

CHANNELS, TILES = 128 * 256, 256
"""Lower limits from which the algorithm is faster than direct convolution, measured on CPUs.

`CHANNELS` is the number of input channels times the number of output channels. `TILES` is the
number of tiles of the whole batch. With oneDNN the limits could be lower, because its allocator
keeps freed memory.
"""

BAND, BANDS = 256, 8
"""Approximate number of tiles that are computed at a time (a band), and largest number of bands.

Smaller bands are slower, and larger bands need more memory. With eight bands, a layer of 512 x 512
cells and 256 channels needs a third of the memory that it needs with a single band.
"""


def pays(x, kernel) -> bool:
    """Return whether `convolve` is faster than direct convolution without losing accuracy.

    This is the case for layers with many channels on CPUs. On GPUs it is not used, because GPU
    libraries choose such algorithms themselves. In half precision the transforms lose too much
    accuracy.

    Parameters
    ----------
    x : tensor, shape [B, H, W, C]
        The input.
    kernel : tensor, shape [h, w, C, K]
        The kernel.

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
    """Return the convolution with padding ``"same"`` and stride 1.

    Parameters
    ----------
    x : tensor, shape [B, H, W, C], float
        The input. Its shape must be known when the function is traced.
    kernel : tensor, shape [3, 3, C, K]
        The kernel.

    Returns
    -------
    tensor, shape [B, H, W, K]

    Notes
    -----
    For each window d of 6 x 6 pixels and a kernel g, the 4 x 4 outputs are
    ``A [(G g Gᵀ) * (Bᵀ d B)] Aᵀ`` (Lavin and Gray 2016, equation 8). The sum over channels is
    computed inside the brackets, as 36 matrix products. The transforms are products with Kronecker
    squares of the three matrices. The kernels are transformed in each call, because the transformed
    kernels need four times the memory of the weights.
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
        with after(done):  # so that only one band needs memory at a time
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
    """Return the bytes of temporary memory that `convolve` needs for a layer or its gradient.

    Parameters
    ----------
    y : tensor or symbolic tensor, shape [B, H, W, K]
        The output.
    kernel : tensor, shape [h, w, C, K]
        The kernel.

    Returns
    -------
    int
        Number of bytes. 0 if `pays` is False.
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
    """Return the windows of some rows of tiles as ``[36, N]``, with pixels ordered as `_ORDER`."""
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
    # The last two rows of a window are the first two rows of the next tile. Columns overlap
    # likewise.
    parts = []
    for down, right in _SHIFTS:
        one = phases[: TILE - 2 * down, : TILE - 2 * right]
        one = one[:, :, :, down : down + rows, right : right + columns]
        parts.append(ops.reshape(one, (one.shape[0] * one.shape[1], -1)))
    return ops.concatenate(parts)


def _rows(batch: int, rows: int, columns: int) -> int:
    """Return the number of rows of tiles that are computed at a time."""
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
"""Order of the pixels of a window in the transforms, as indices into the flattened window."""


def _transforms():
    """Return the transforms of inputs [36, 36], of kernels [36, 9] and of outputs [16, 36].

    A product of two polynomials g and h is determined by its values at as many points as it has
    coefficients. With Vandermonde matrices V, the coefficients of the product are
    ``V⁻¹ [(V g) * (V h)]``. The convolution of neural networks is the transposed map,
    ``Vᵀ [(V g) * (V⁻ᵀ d)]``.
    """

    def powers(count):
        points = np.array([0, POINT, -POINT, 1 / POINT, -1 / POINT])
        infinity = np.eye(count)[-1:]
        return np.concatenate([points[:, None] ** np.arange(count), infinity])

    outputs, kernels, products = powers(TILE).T, powers(3), np.linalg.inv(powers(WINDOW)).T
    # A factor of a row can be moved between the two matrices. Rows of equal norm have the smallest
    # rounding errors.
    scale = np.abs(products).sum(axis=1, keepdims=True)
    products, kernels = products / scale, kernels * scale
    return (
        np.kron(products, products)[:, _ORDER],
        np.kron(kernels, kernels),
        np.kron(outputs, outputs),
    )


_TRANSFORMS = _transforms()
