"""The mathematics of the losses as pure functions of tensors, in `keras.ops`.

Feature maps have the shape ``[B, h, w, C]``, and masks ``[1, h, w, 1]`` or ``[B, h, w, 1]`` with
values in [0, 1]. A mask of None means all ones. Every function computes in float64 for float64
input, so that numeric gradients can be checked. For other input it computes in float32, because
sums over a picture overflow float16.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from stylekit._checks import choice
from stylekit._gradient import custom_gradient
from stylekit.image.arrays import tiled_axes

Tensor = Any
"""A tensor of the Keras backend. Keras has no type that covers the tensors of all backends."""

EPSILON = 1e-8
"""Added to divisors, so that quotients stay finite where a reference is exactly zero. It is small
compared with features, whose magnitude is about 1 or more."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luma of ITU-R BT.601, the Y of YIQ."""

NOISE = 1e-6
"""Variance that is added to the variance of features before a square root is taken, relative to the
mean square of the features. In float32, a variance that is computed as a difference of means has an
error of about a tenth of this value."""

QUANTILE_BLOCK = 2**21
"""Number of values that are sorted at a time for quantiles. Sorting them needs about 0.1 GB."""

_FLAT = 1e-5
"""Lower limit of the mean cosine distances by which `self_similarity` divides."""

GRAM_SCALINGS = ("relative", "pixels", "gatys2016", "neural-style", "keras")
"""Accepted values of the argument `normalize` of `gram_distance`."""


def full_precision(x: Tensor) -> Tensor:
    """Return `x` cast to float32, or unchanged if it is float64."""
    return ops.cast(x, _full_dtype(x))


def _full_dtype(x):
    return "float64" if keras.backend.standardize_dtype(x.dtype) == "float64" else "float32"


def gram_matrix(feature: Tensor) -> Tensor:
    """Return the Gram matrix of a feature map, ``G = F^T F / N``.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
        A feature map. F is the same map as an ``[N, C]`` matrix with ``N = h * w``.

    Returns
    -------
    tensor [B, C, C]
        The Gram matrix of Gatys et al. 2016, eq. 3, divided by N, so that pictures of different
        sizes are comparable.
    """
    return masked_gram_matrix(feature, None)


def masked_gram_matrix(feature: Tensor, mask: Tensor | None) -> Tensor:
    """Return the Gram matrix of a region, ``sum_p m_p f_p f_p^T / sum_p m_p``.

    Each position is weighted by the mask once. Many programs multiply the features by the mask,
    which weights positions by ``m^2`` and distorts soft borders. Many also divide by h * w instead
    of the sum of the mask, which makes the loss of a small region too small.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
        A feature map.
    mask : tensor [1 or B, h, w, 1] or None
        Weights in [0, 1]. None means all ones.

    Returns
    -------
    tensor [B, C, C]
        The guided Gram matrix of Gatys et al. 2017, eq. 4, where ``m`` is the square of the paper's
        guide. Zero if the mask is 0 everywhere.

    Notes
    -----
    The function has a custom gradient. For the upstream gradient ``D`` it returns
    ``dF = m (F (D + D^T)) / sum m``. Automatic differentiation would keep a masked copy of the
    features until the backward pass, and multiply by D and by D^T separately.
    """
    height, width = ops.shape(feature)[1:3]
    if mask is None:
        # The product is cast, because sizes that are unknown in a traced function are integer
        # tensors.
        return _gram(feature, ops.cast(height * width, _full_dtype(feature)))
    weights = ops.reshape(ops.cast(mask, _full_dtype(feature)), (-1, height * width, 1))
    # The lower bound makes the result 0 instead of 0 / 0 if the mask is 0 everywhere.
    mass = ops.maximum(ops.sum(weights, axis=1, keepdims=True), EPSILON)
    return _gram(feature, mass, weights)


def _slope_of_gram(upstream, value, feature, mass, weights=None):
    both = (upstream + ops.swapaxes(upstream, 1, 2)) / mass
    result = ops.matmul(_positions(feature), both)
    if weights is not None:
        result = result * weights
    return ops.cast(ops.reshape(result, ops.shape(feature)), feature.dtype)


@custom_gradient(_slope_of_gram)
def _gram(feature, mass, weights=None):
    f = _positions(feature)
    left = f if weights is None else f * weights
    return ops.matmul(ops.swapaxes(left, 1, 2), f) / mass


def _positions(feature):
    _, height, width, channels = ops.shape(feature)
    return full_precision(ops.reshape(feature, (-1, height * width, channels)))


def pair_weights(mask: Tensor, shift: tuple[int, int]) -> Tensor:
    """Return the weights of all pairs of positions that are separated by the given shift.

    Parameters
    ----------
    mask : tensor [1 or B, h, w, 1]
        Weights of the positions, in [0, 1].
    shift : (int, int)
        Shift down and to the right in cells, at least 0 and less than h and w.

    Returns
    -------
    tensor [1 or B, h - down, w - right, 1]
        ``min(m_p, m_(p + shift))``, where m is the mask. For the shift (0, 0) the result is the
        mask.
    """
    height, width = mask.shape[1:3]
    down, across = shift
    return ops.minimum(mask[:, : height - down, : width - across], mask[:, down:, across:])


def shifted_gram_matrices(
    feature: Tensor, shifts: Sequence[tuple[int, int]], mask: Tensor | None = None
) -> Tensor:
    """Return the cross-correlations of a feature map with shifted copies of itself.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
        A feature map. h and w must be known when the function is traced.
    shifts : sequence of (int, int)
        S shifts down and to the right in cells, at least 0 and less than h and w.
    mask : tensor [1 or B, h, w, 1] or None
        Weights of the positions, in [0, 1]. None means all ones.

    Returns
    -------
    tensor [B, S, C, C]
        ``sum_p w_p f_p f_(p + shift)^T / sum_p w_p`` for each shift, where w is `pair_weights`
        (Berger and Memisevic 2017, eq. 3). The matrix of a shift is zero if all its pairs have the
        weight 0. For the shift (0, 0) it is the `masked_gram_matrix`. For other shifts it is not
        symmetric.

    Notes
    -----
    The function has a custom gradient. Automatic differentiation would keep both shifted copies of
    the features for each shift until the backward pass. With the upstream gradient ``D`` and w
    scaled to sum to 1, a shift adds ``w_p f_(p + shift) D^T`` to the gradient at p, and
    ``w_p f_p D`` to the gradient at p + shift.
    """
    dtype = _full_dtype(feature)
    if mask is None:
        mask = ops.ones((1, *feature.shape[1:3], 1), dtype=dtype)
    weights = [pair_weights(ops.cast(mask, dtype), shift) for shift in shifts]
    masses = [ops.maximum(ops.sum(one, axis=(1, 2, 3), keepdims=True), EPSILON) for one in weights]
    return _shifted_grams(feature, *map(ops.divide, weights, masses))


def _pairs(feature, weights):
    """Return the features at the first and at the second positions of the pairs, ``[B, N, C]``.

    The shift is the difference between the shapes of the feature map and of the weights.
    """
    height, width = feature.shape[1:3]
    rows, columns = weights.shape[1:3]
    first = feature[:, :rows, :columns]
    return _positions(first), _positions(feature[:, height - rows :, width - columns :])


def _slope_of_shifted_grams(upstream, value, feature, *shifted):
    height, width = feature.shape[1:3]
    result = 0.0
    for number, weights in enumerate(shifted):
        rows, columns = weights.shape[1:3]
        first, second = _pairs(feature, weights)
        weights = ops.reshape(weights, (-1, rows * columns, 1))
        slope = upstream[:, number]
        at_first = weights * ops.matmul(second, ops.swapaxes(slope, 1, 2))
        at_second = weights * ops.matmul(first, slope)
        down, across = height - rows, width - columns
        shape = (-1, rows, columns, feature.shape[-1])
        pads = ((0, 0), (0, down), (0, across), (0, 0)), ((0, 0), (down, 0), (across, 0), (0, 0))
        for part, pad in zip((at_first, at_second), pads, strict=True):
            result += ops.pad(ops.reshape(part, shape), pad)
    return ops.cast(result, feature.dtype)


@custom_gradient(_slope_of_shifted_grams)
def _shifted_grams(feature, *shifted):
    grams = []
    for weights in shifted:
        first, second = _pairs(feature, weights)
        first = first * ops.reshape(weights, (ops.shape(weights)[0], -1, 1))
        grams.append(ops.matmul(ops.swapaxes(first, 1, 2), second))
    return ops.stack(grams, axis=1)


def masked_mean(feature: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean of each channel over a region, ``sum_p m_p f_p / sum_p m_p``.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
        A feature map.
    mask : tensor [1 or B, h, w, 1] or None
        Weights in [0, 1]. None means all ones.

    Returns
    -------
    tensor [B, C]
        Zero if the mask is empty.
    """
    feature = full_precision(feature)
    if mask is None:
        return ops.mean(feature, axis=(1, 2))
    mask = ops.cast(mask, feature.dtype)
    mass = ops.maximum(ops.sum(mask, axis=(1, 2)), EPSILON)
    return ops.sum(feature * mask, axis=(1, 2)) / mass


def moments(feature: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of each channel over a region.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
        A feature map.
    mask : tensor [1 or B, h, w, 1] or None
        Weights in [0, 1]. None means all ones.

    Returns
    -------
    mean, deviation : tensor [B, C]
        The deviation is the square root of the variance plus 1e-8, so that its gradient is finite
        for constant features.
    """
    feature = full_precision(feature)
    mean = masked_mean(feature, mask)
    centred = feature - mean[:, None, None, :]
    return mean, ops.sqrt(masked_mean(centred * centred, mask) + EPSILON)


def relative_error(value: Tensor, target: Tensor) -> Tensor:
    """Return the relative squared error, ``|value - target|^2 / (|target|^2 + eps)``.

    Parameters
    ----------
    value : tensor [B, ...]
        The values to compare.
    target : tensor [1 or B, ...]
        The reference values.

    Returns
    -------
    tensor [B]
        A dimensionless distance. The norms are over all axes but the first; ``eps`` is `EPSILON`.
    """
    value, target = full_precision(value), full_precision(target)
    axes = tuple(range(1, len(value.shape)))
    error = ops.sum(ops.square(value - target), axis=axes)
    return error / (ops.sum(ops.square(target), axis=axes) + EPSILON)


def gram_distance(gram: Tensor, target: Tensor, normalize: str = "relative") -> Tensor:
    """Return the squared distance of two Gram matrices, in one of the scalings of the literature.

    Parameters
    ----------
    gram, target : tensor [B, C, C], [1 or B, C, C]
        Gram matrices that are divided by the number of positions, as `gram_matrix` returns them.
    normalize : str
        The scaling. With ``D = gram - target`` and C channels:

        ``"relative"``
            ``|D|^2 / (|target|^2 + eps)``. Dimensionless, and the default of all losses.
        ``"pixels"``
            ``mean D^2``. Used by the code of Gatys et al. Johnson et al. 2016 divide G by C h w and
            sum ``|G - A|^2``, which gives the same number. The TensorFlow tutorials and the region
            scripts also use this scaling, if the Gram matrix is divided by the number of pixels, as
            they recommend.
        ``"gatys2016"``
            ``sum D^2 / (4 C^2)``: Gatys et al. 2016, eq. 4. The paper divides by ``4 C^2 N^2``
            with the same N for image and style. Here each Gram matrix is divided by its own N, so
            that image and style may differ in size.
        ``"neural-style"``
            ``mean (D / C)^2``. Used by neural-style and neural-style-pt, which divide by C h w.
        ``"keras"``
            ``sum D^2 / 36``. Used by the Keras example, which sets C to the number of channels of
            the image, 3. The example also sets N to the number of pixels of the picture, which
            weights a layer of N cells by ``(N / pixels)^2``. This factor is omitted here.

    Returns
    -------
    tensor [B]
        The distance of each picture.

    Raises
    ------
    InputError
        If `normalize` is none of the values above.
    """
    difference = full_precision(gram) - full_precision(target)
    return gram_scale(target, normalize) * ops.sum(ops.square(difference), axis=(1, 2))


def gram_scale(target: Tensor, normalize: str = "relative") -> Tensor:
    """Return the factor by which `gram_distance` multiplies the sum of squared differences.

    Parameters
    ----------
    target : tensor [1 or B, C, C]
        Gram matrix of the reference.
    normalize : str
        One of `GRAM_SCALINGS`; see `gram_distance`.

    Returns
    -------
    tensor [1 or B]
        The factor of each reference.

    Raises
    ------
    InputError
        If `normalize` is not one of `GRAM_SCALINGS`.
    """
    choice(normalize, "normalize", GRAM_SCALINGS)
    target = full_precision(target)
    square = ops.sum(ops.square(target), axis=(1, 2))
    if normalize == "relative":
        return 1 / (square + EPSILON)
    channels = target.shape[-1]
    divisor = {
        "pixels": channels**2,
        "gatys2016": 4 * channels**2,
        "neural-style": channels**4,
        "keras": 4 * 3**2,
    }[normalize]
    return ops.ones_like(square) / divisor


def raw_moments(feature: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean and the mean square of each channel over a region.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
        A feature map.
    mask : tensor [1 or B, h, w, 1] or None
        Weights in [0, 1]. None means all ones.

    Returns
    -------
    tensor [B, 2, C]
        The mean and the mean square of each channel. Both are means over positions, which can be
        averaged over tiles. Zero if the mask is 0 everywhere.
    """
    feature = full_precision(feature)
    both = (masked_mean(feature, mask), masked_mean(ops.square(feature), mask))
    return ops.stack(both, axis=1)


def moment_distance(moments: Tensor, target: Tensor) -> Tensor:
    """Return the relative squared error of the channels' means and standard deviations.

    Parameters
    ----------
    moments, target : tensor [B, 2, C], [1 or B, 2, C]
        Means and mean squares, from `raw_moments`.

    Returns
    -------
    tensor [B]
        ``(|mu - mu_t|^2 + |sigma - sigma_t|^2) / (|mu_t|^2 + |sigma_t|^2)``, which is 1 for
        features that are all zero. The deviation sigma is the square root of the variance plus
        `NOISE` times the mean square plus `EPSILON`, so that its gradient is finite for constant
        features.
    """
    return relative_error(_mean_and_deviation(moments), _mean_and_deviation(target))


def _mean_and_deviation(moments):
    mean, square = ops.unstack(full_precision(moments), axis=1)
    variance = ops.maximum(square - ops.square(mean), 0) + NOISE * square
    return ops.stack((mean, ops.sqrt(variance + EPSILON)), axis=1)


def joint_moments(feature: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the Gram matrix and the means of the channels over a region.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
        A feature map.
    mask : tensor [1 or B, h, w, 1] or None
        Weights in [0, 1]. None means all ones.

    Returns
    -------
    tensor [B, C, C + 1]
        The first C columns are the `masked_gram_matrix`, and the last column is the `masked_mean`.
        Both are means over positions, which can be averaged over tiles. The covariance can be
        computed from them.
    """
    gram = masked_gram_matrix(feature, mask)
    return ops.concatenate((gram, masked_mean(feature, mask)[..., None]), axis=-1)


def covariance_root(target: Tensor) -> Tensor:
    """Return the square root of the covariance of a reference, for `gaussian_distance`.

    Parameters
    ----------
    target : tensor [1 or B, C, C + 1]
        Moments of the reference, from `joint_moments`.

    Returns
    -------
    tensor [1 or B, C, C]
        The symmetric square root of the covariance plus noise, in float64. See the notes of
        `gaussian_distance` about the noise.
    """
    _, covariance = _gaussian(target, _energy(target))
    values, vectors = ops.eigh(covariance)
    roots = ops.sqrt(ops.maximum(values, 0))
    return ops.matmul(vectors * roots[:, None, :], ops.swapaxes(vectors, 1, 2))


def gaussian_distance(moments: Tensor, target: Tensor, root: Tensor | None = None) -> Tensor:
    """Return the squared 2-Wasserstein distance of two Gaussians, relative to the target.

    Parameters
    ----------
    moments, target : tensor [B, C, C + 1], [1 or B, C, C + 1]
        Moments of the image and of the reference, from `joint_moments`.
    root : tensor [1 or B, C, C], optional
        The `covariance_root` of the target. Passing it saves time if the target is used more than
        once. Default: computed from `target`.

    Returns
    -------
    tensor [B]
        ``(|mu - mu_t|^2 + tr(S + T - 2 (T^1/2 S T^1/2)^1/2)) / E|f_t|^2``, with the covariances S
        of the features and T of the target. It is 1 for features that are all zero.

    Notes
    -----
    Noise of variance ``e = NOISE E|f_t|^2`` is added to the features in every direction. It keeps
    the gradients of the roots finite where a covariance is singular. With ``M = T^1/2 S T^1/2``
    the gradient is ``d tr M^1/2 = tr(M^-1/2 dM) / 2``. Unlike the gradient of eigenvectors, it has
    no singularity where eigenvalues are equal. The ``[C, C]`` matrices are computed in float64,
    because M contains squares of variances, down to e^2.
    """
    energy = _energy(target)
    mean, covariance = _gaussian(moments, energy)
    target_mean, target_covariance = _gaussian(target, energy)
    root = covariance_root(target) if root is None else root
    both = ops.matmul(ops.matmul(root, covariance), root)
    fixed = ops.stop_gradient(both)
    values, vectors = ops.eigh(fixed)
    roots = ops.sqrt(ops.maximum(values, ops.square(_noise(energy))[:, None]))
    slope = ops.matmul(vectors / (2 * roots[:, None, :]), ops.swapaxes(vectors, 1, 2))
    # The value is tr M^1/2, because the second term is zero. The gradient is M^-1/2 / 2.
    cross = ops.sum(roots, axis=1) + ops.sum(ops.stop_gradient(slope) * (both - fixed), axis=(1, 2))
    traces = ops.trace(covariance, axis1=1, axis2=2) + ops.trace(
        target_covariance, axis1=1, axis2=2
    )
    squares = ops.sum(ops.square(mean - target_mean), axis=1)
    distance = (squares + traces - 2 * cross) / (energy + EPSILON)
    return ops.cast(distance, _full_dtype(moments))


def _energy(moments):
    """Return the mean squared norm of the features, float64 ``[B]``."""
    return ops.trace(ops.cast(moments, "float64")[..., :-1], axis1=1, axis2=2)


def _noise(energy):
    return NOISE * energy + EPSILON


def _gaussian(moments, energy):
    """Return the mean and the covariance of the features plus noise, in float64."""
    moments = ops.cast(moments, "float64")
    mean = moments[..., -1]
    covariance = moments[..., :-1] - mean[:, :, None] * mean[:, None, :]
    identity = ops.eye(mean.shape[-1], dtype="float64")
    return mean, covariance + _noise(energy)[:, None, None] * identity


def quantile_means(values: Tensor, count: int, weights: Tensor | None = None) -> Tensor:
    """Return the means of quantile functions over K equal intervals of [0, 1].

    Parameters
    ----------
    values : tensor [D, N]
        N samples of each of D distributions.
    count : int
        Number of intervals, K.
    weights : tensor [N], optional
        Weights of the samples, at least 0 and not all 0. Default: equal.

    Returns
    -------
    tensor [D, K]
        The means in ascending order. For K = N and equal weights they are the sorted values.
        Otherwise they are the K equally weighted values that are nearest to the samples. The
        squared 1-D Wasserstein distance between the samples and any other K values equals the
        squared distance between these means and the K values, plus a constant.
    """
    dtype = _full_dtype(values)
    values = ops.cast(values, "float64")
    rows, size = values.shape
    order = ops.argsort(values, axis=-1)
    values = ops.take_along_axis(values, order, axis=-1)
    if weights is None:
        weights = ops.ones_like(values) / size
    else:
        weights = ops.take(ops.cast(weights, "float64"), order)
        weights = weights / ops.sum(weights, axis=-1, keepdims=True)
    # The integral of a quantile function is piecewise linear, with knots at the cumulative weights.
    levels, integral = (
        ops.pad(ops.cumsum(x, axis=-1), ((0, 0), (1, 0))) for x in (weights, weights * values)
    )
    ends = ops.zeros_like(values[:, :1]) + np.arange(count + 1) / count
    # One search is enough for all rows: an offset of 2 per row separates their levels in [0, 1].
    row = np.arange(rows)[:, None]
    index = ops.searchsorted(
        ops.reshape(levels + 2.0 * row, (-1,)), ops.reshape(ends + 2.0 * row, (-1,))
    )
    index = ops.reshape(ops.cast(index, "int64"), (rows, count + 1)) - row * (size + 1) - 1
    index = ops.clip(index, 0, size - 1)
    at, level, whole = (ops.take_along_axis(x, index, axis=-1) for x in (values, levels, integral))
    integral = whole + (ends - level) * at
    return ops.cast((integral[:, 1:] - integral[:, :-1]) * count, dtype)


def sliced_quantiles(
    feature: Tensor, directions: Tensor | None, count: int, mask: Tensor | None = None
) -> Tensor:
    """Return the `quantile_means` of features that are projected onto directions.

    Parameters
    ----------
    feature : tensor [1, h, w, C]
        A feature map.
    directions : tensor [C, D] or None
        Vectors onto which the features are projected. If None, the channel axes are used as
        directions, so that the quantiles describe the histogram of each channel.
    count : int
        Number of quantiles, K.
    mask : tensor [1, h, w, 1] or None
        Weights in [0, 1], not all 0. None means all ones.

    Returns
    -------
    tensor [1, D, K]
        Quantiles along each direction, in ascending order.
    """
    projected = _projected(feature, directions)[0]
    weights = None if mask is None else ops.reshape(mask, (-1,))
    # Directions are processed in groups, to limit the memory of the float64 sums.
    step = max(1, QUANTILE_BLOCK // max(projected.shape[1], count))
    parts = [
        quantile_means(projected[first : first + step], count, weights)
        for first in range(0, projected.shape[0], step)
    ]
    return ops.concatenate(parts)[None]


def sliced_distance(
    feature: Tensor, quantiles: Tensor, directions: Tensor | None, mask: Tensor | None = None
) -> Tensor:
    """Return the squared sliced Wasserstein distance of features to a target, relative to it.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
        A feature map.
    quantiles : tensor [1, D, K]
        The target, from `sliced_quantiles`.
    directions : tensor [C, D] or None
        The same directions as for `sliced_quantiles`.
    mask : tensor [1 or B, h, w, 1] or None
        Weights in [0, 1]. None means all ones.

    Returns
    -------
    tensor [B]
        ``mean_d sum_p m_p (v_d f_p - q_d(u_dp))^2 / sum_p m_p``, divided by the mean of ``q_d^2``.
        Here v_d is a direction, q_d the target's quantile function, and u_dp the level of position
        p along direction d. The level is the sum of the weights of all positions with smaller
        projections plus half the weight of p, divided by the sum of all weights. The distance is 1
        for features that are all zero.
    """
    projected = _projected(feature, directions)
    quantiles = ops.cast(quantiles, projected.dtype)
    count, positions = quantiles.shape[-1], projected.shape[-1]
    if mask is None:
        index = ((np.arange(positions) + 0.5) * count / positions).astype("int32")
        error = ops.square(ops.sort(projected, axis=-1) - ops.take(quantiles, index, axis=-1))
        error = ops.mean(error, axis=-1)
    else:
        order = ops.argsort(ops.stop_gradient(projected), axis=-1)
        weights = ops.reshape(ops.cast(mask, projected.dtype), (-1, 1, positions))
        weights = weights / ops.maximum(ops.sum(weights, axis=-1, keepdims=True), EPSILON)
        weights = ops.take_along_axis(weights + ops.zeros_like(projected), order, axis=-1)
        levels = ops.cumsum(weights, axis=-1) - weights / 2
        index = ops.clip(ops.cast(levels * count, "int32"), 0, count - 1)
        matched = ops.take_along_axis(
            quantiles + ops.zeros_like(projected[..., :1]), index, axis=-1
        )
        error = ops.square(ops.take_along_axis(projected, order, axis=-1) - matched)
        error = ops.sum(weights * error, axis=-1)
    return ops.mean(error, axis=-1) / (ops.mean(ops.square(quantiles)) + EPSILON)


def _projected(feature, directions):
    """Return the features projected onto directions, ``[B, D, N]``."""
    positions = _positions(feature)
    if directions is not None:
        positions = ops.matmul(positions, ops.cast(directions, positions.dtype))
    return ops.swapaxes(positions, 1, 2)


def cosine_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return the cosine distances of all pairs of rows of two sets.

    Parameters
    ----------
    a, b : tensor [B, N, C], [1 or B, M, C]
        The two sets of rows.

    Returns
    -------
    tensor [B, N, M]
        One minus the cosine of the angle, in [0, 2]. A row of zeros has the distance 1 from every
        row, and a finite gradient.
    """
    return 1 - ops.matmul(_directions(a), ops.swapaxes(_directions(b), 1, 2))


def _directions(rows):
    rows = full_precision(rows)
    square = ops.sum(ops.square(rows), axis=-1, keepdims=True)
    return rows * ops.rsqrt(ops.maximum(square, EPSILON))


def rms_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return the root mean square differences of all pairs of rows of two sets.

    Parameters
    ----------
    a, b : tensor [B, N, C], [1 or B, M, C]
        The two sets of rows.

    Returns
    -------
    tensor [B, N, M]
        Euclidean distances divided by the square root of C. Distances below 1e-4 are raised to
        1e-4 and have no gradient.
    """
    a, b = full_precision(a), full_precision(b)
    square = ops.mean(ops.square(a[:, :, None] - b[:, None]), axis=-1)
    return ops.sqrt(ops.maximum(square, EPSILON))


def relaxed_transport(
    cost: Tensor, weights: Tensor | None = None, other_weights: Tensor | None = None
) -> Tensor:
    """Return the relaxed earth mover's distance of two weighted sets.

    Parameters
    ----------
    cost : tensor [B, N, M]
        Cost of moving a unit of mass from each element of the first set to each element of the
        second.
    weights, other_weights : tensor [N], [M], optional
        Masses of the elements, at least 0 and not all 0. Only their ratios matter. Default: equal.

    Returns
    -------
    tensor [B]
        ``max(sum_i w_i min_j C_ij, sum_j v_j min_i C_ij)`` with masses w and v that are scaled to
        sum to 1. Both sums are lower bounds of the earth mover's distance, and each satisfies the
        mass constraint of one set only (Kolkin et al. 2019, eq. 5-8).
    """
    cost = full_precision(cost)
    there = _weighted_mean(ops.min(cost, axis=2), weights)
    back = _weighted_mean(ops.min(cost, axis=1), other_weights)
    return ops.maximum(there, back)


def _weighted_mean(values, weights):
    """Return the weighted mean over the last axis."""
    if weights is None:
        return ops.mean(values, axis=-1)
    weights = ops.cast(weights, values.dtype)
    return ops.sum(values * weights, axis=-1) / ops.maximum(ops.sum(weights), EPSILON)


def self_similarity(rows: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the matrix of cosine distances of all pairs of rows, divided by its column means.

    Parameters
    ----------
    rows : tensor [B, N, C]
        Feature vectors.
    weights : tensor [N], optional
        Weights of the rows in the means, at least 0. Default: equal.

    Returns
    -------
    tensor [B, N, N]
        ``A_ij = D_ij / mean_i D_ij``. This is N times the matrix of Kolkin et al. 2019, eq. 11, so
        that its entries do not shrink as N grows. Means below 1e-5 are mostly rounding errors of
        float32 and are raised to 1e-5. If all rows are equal, the matrix is therefore nearly zero.
    """
    distances = cosine_distances(rows, rows)
    means = _weighted_mean(distances, weights)  # also the column means: the matrix is symmetric
    return distances / ops.maximum(means, _FLAT)[:, None]


def self_similarity_error(rows: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean absolute difference between the self-similarity of rows and a target.

    Parameters
    ----------
    rows : tensor [B, N, C]
        Feature vectors.
    target : tensor [1 or B, N, N]
        The target, from `self_similarity`.
    weights : tensor [N], optional
        Weights of the rows, at least 0. Default: equal.

    Returns
    -------
    tensor [B]
        The difference, in [0, 2].
    """
    difference = ops.abs(self_similarity(rows, weights) - full_precision(target))
    return _weighted_mean(_weighted_mean(difference, weights), weights)


def mean_and_covariance(rows: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the mean and the covariance of rows.

    Parameters
    ----------
    rows : tensor [B, N, C]
        Feature vectors.
    weights : tensor [N], optional
        Weights of the rows, at least 0. Default: equal.

    Returns
    -------
    mean, covariance : tensor [B, C], [B, C, C]
    """
    rows = full_precision(rows)
    columns = ops.swapaxes(rows, 1, 2)
    mean = _weighted_mean(columns, weights)
    centred = columns - mean[..., None]
    shares = ops.ones_like(rows[0, :, 0]) if weights is None else ops.cast(weights, rows.dtype)
    shares = shares / ops.maximum(ops.sum(shares), EPSILON)
    return mean, ops.matmul(centred * shares, ops.swapaxes(centred, 1, 2))


def relative_l1_error(value: Tensor, target: Tensor) -> Tensor:
    """Return the relative absolute error, ``sum |value - target| / (sum |target| + eps)``.

    Parameters
    ----------
    value : tensor [B, ...]
        The values to compare.
    target : tensor [1 or B, ...]
        The reference values.

    Returns
    -------
    tensor [B]
        A dimensionless distance. The sums are over all axes but the first; ``eps`` is `EPSILON`.
    """
    value, target = full_precision(value), full_precision(target)
    axes = tuple(range(1, len(value.shape)))
    error = ops.sum(ops.abs(value - target), axis=axes)
    return error / (ops.sum(ops.abs(target), axis=axes) + EPSILON)


def chroma(image: Tensor) -> Tensor:
    """Return the differences of the red, green and blue channels from the luma.

    Parameters
    ----------
    image : tensor [B, H, W, 3]
        sRGB-encoded values.

    Returns
    -------
    tensor [B, H, W, 3]
        ``c - Y`` for each channel c, where Y is the luma of ITU-R BT.601 (`LUMA`). Zero for grey.
    """
    image = full_precision(image)
    shares = ops.convert_to_tensor(LUMA, dtype=image.dtype)
    return image - ops.sum(shares * image, axis=-1, keepdims=True)


def extended(
    x: Tensor, rows: Sequence[int], columns: Sequence[int], tile: str | None = None
) -> Tensor:
    """Return pictures or feature maps with mirrored or periodic padding.

    Parameters
    ----------
    x : tensor [B, H, W, C]
        Pictures or feature maps.
    rows, columns : (int, int)
        Number of rows to add above and below, at most H, and number of columns to add at the left
        and at the right, at most W.
    tile : {"x", "y", "both"}, optional
        Axes along which the padding is periodic: the width, the height or both. Along the other
        axes the padding is the mirror image. Default: none.

    Returns
    -------
    tensor [B, H + sum(rows), W + sum(columns), C]
        The padded tensor.
    """
    for axis, (before, after), wraps in zip((1, 2), (rows, columns), tiled_axes(tile), strict=True):
        if wraps and (before or after):
            cut = (slice(None),) * axis
            first = [x[*cut, -before:]] if before else []
            last = [x[*cut, :after]] if after else []
            x = ops.concatenate([*first, x, *last], axis=axis)
        elif before or after:
            sides = [(0, 0)] * 4
            sides[axis] = before, after
            x = ops.pad(x, sides, mode="symmetric")
    return x


def total_variation(
    image: Tensor, exponent: float = 2.0, *, isotropic: bool = True, tile: str | None = None
) -> Tensor:
    """Return the total variation: a power of the gradient's magnitude, averaged over the pixels.

    Parameters
    ----------
    image : tensor [B, H, W, C]
        Pictures.
    exponent : float
        Power ``b`` of the magnitude in ``mean (dx^2 + dy^2)^(b/2)`` (Mahendran and Vedaldi 2015,
        eq. 4). 1 gives the original total variation (L1), and 2 gives its square (L2). 2.5 gives
        the ``(dx^2 + dy^2)^1.25`` of the Keras example and of the region scripts.
    isotropic : bool
        If False, return ``mean |dx|^b + |dy|^b``. For b = 1 this is `tf.image.total_variation`,
        averaged instead of summed.
    tile : {"x", "y", "both"}, optional
        Axes along which the picture is periodic, so that the last pixel is also compared with the
        first: the width, the height or both. Default: none.

    Returns
    -------
    tensor [B]
        Mean over pixels and channels, which does not grow with the size of the picture. The
        literature uses the sum.
    """
    image = full_precision(image)
    # Along axes that are not periodic the last pixel is repeated, so that its difference is zero.
    beyond = extended(image, (0, 1), (0, 1), tile)
    dy, dx = beyond[:, 1:, :-1] - image, beyond[:, :-1, 1:] - image
    power = exponent / 2
    smooth = 1e-8 if exponent < 2 else 0.0  # the derivative of the root is infinite at zero

    def raised(square):
        return square if power == 1 else ops.power(square + smooth, power) - smooth**power

    value = raised(dx * dx + dy * dy) if isotropic else raised(dx * dx) + raised(dy * dy)
    return ops.mean(value, axis=(1, 2, 3))


def window_precision(guide: Tensor, epsilon: float = 1e-7) -> Tensor:
    """Return the inverse covariance of a guide's colours in each window of 3 x 3 pixels.

    Parameters
    ----------
    guide : tensor [B, H, W, C]
        Pictures with H and W of at least 3.
    epsilon : float
        Ridge penalty on the slopes of the affine fits (see `matting_energy`), in units of squared
        colour, above 0. It keeps the inverse finite where the guide is constant.

    Returns
    -------
    tensor [B, H, W, C * C]
        ``(Cov_k + epsilon / 9)^-1`` at the centre of each window k, flattened row by row. The
        border pixels, which are the centre of no window, are zero. Computed in float64.
    """
    colors = _windows(ops.cast(guide, "float64"))
    channels = guide.shape[-1]
    ridge = epsilon / len(colors) * ops.eye(channels, dtype="float64")
    inverse = ops.linalg.inv(_covariance(colors, colors) + ridge)
    flat = ops.reshape(inverse, (*ops.shape(inverse)[:3], channels * channels))
    return ops.cast(ops.pad(flat, ((0, 0), (1, 1), (1, 1), (0, 0))), _full_dtype(guide))


def matting_energy(image: Tensor, guide: Tensor, precision: Tensor) -> Tensor:
    """Return the matting Laplacian energy: how far an image is from a local affine map of a guide.

    In each window of 3 x 3 pixels, every channel of the image is fitted by an affine function of
    the guide's colours. The energy is the squared error of the fits.

    Parameters
    ----------
    image : tensor [B, H, W, C]
        Pictures whose energy is computed.
    guide : tensor [1 or B, H, W, G]
        The pictures whose matting Laplacian is used.
    precision : tensor [1 or B, H, W, G * G]
        The `window_precision` of the guide.

    Returns
    -------
    tensor [B]
        ``sum_c V_c^T L V_c / (9 H W C)``, with the channels V_c of the image and the matting
        Laplacian L of the guide (Levin et al. 2008, eq. 12). This is the mean over pixels, windows
        and channels. The sum of Luan et al. 2017, eq. 2, has no divisor.

    Notes
    -----
    L is the sum over windows k of the minimum of a least squares problem in the slopes a and the
    offset b (Levin et al., eq. 5):

    ``V^T L V = sum_k min_ab sum_(i in k) (V_i - a . I_i - b)^2 + epsilon |a|^2
    = 9 sum_k Var_k(V) - a_k . Cov_k(I, V),  a_k = (Cov_k(I, I) + epsilon / 9)^-1 Cov_k(I, V).``

    Therefore neither the matrix L nor its blocks need to be computed. By the envelope theorem, the
    gradient of the minimum is twice the residual of the fit, ``2 L V``. The colour of a window's
    centre is subtracted before the products are formed, because in float32 ``E[I^2] - E[I]^2``
    loses the small covariances of smooth areas.
    """
    image = full_precision(image)
    return _matting_energy(image, ops.cast(guide, image.dtype), ops.cast(precision, image.dtype))


def _slope_of_matting(upstream, value, image, guide, precision):
    guides, colors, _, slopes = _window_fits(image, guide, precision)
    result = 0.0
    for place, (given, color) in enumerate(zip(guides, colors, strict=True)):
        row, column = divmod(place, 3)
        residual = color - ops.sum(given[..., None] * slopes, axis=-2)
        result += ops.pad(residual, ((0, 0), (row, 2 - row), (column, 2 - column), (0, 0)))
    scale = 2 * upstream / _count(image) / len(colors)
    return ops.reshape(scale, (-1, 1, 1, 1)) * result


@custom_gradient(_slope_of_matting)
def _matting_energy(image, guide, precision):
    _, colors, covariance, slopes = _window_fits(image, guide, precision)
    variance = sum(color * color for color in colors) / len(colors)
    residual = variance - ops.sum(slopes * covariance, axis=-2)
    return ops.sum(residual, axis=(1, 2, 3)) / _count(image)


def _window_fits(image, guide, precision):
    """Return the centred guide and image, their covariance and the slopes of each window."""
    guides, colors = _windows(guide), _windows(image)
    covariance = _covariance(guides, colors)
    inner, channels = precision[:, 1:-1, 1:-1], guide.shape[-1]
    inverse = ops.reshape(inner, (*ops.shape(inner)[:3], channels, channels))
    return guides, colors, covariance, ops.matmul(inverse, covariance)


def _windows(x):
    """Return the nine pixels of every window of 3 x 3, minus the mean of the window."""
    height, width = ops.shape(x)[1:3]
    centre = x[:, 1:-1, 1:-1]
    shifts = [
        x[:, row : height - 2 + row, column : width - 2 + column] - centre
        for row in range(3)
        for column in range(3)
    ]
    mean = sum(shifts) / len(shifts)
    return [shift - mean for shift in shifts]


def _covariance(first, second):
    """Return the covariance of two pictures' channels in each window, ``[B, h, w, C, D]``."""
    products = (a[..., :, None] * b[..., None, :] for a, b in zip(first, second, strict=True))
    return sum(products) / len(first)


def _count(image):
    """Return the number of values in a picture, as a tensor of the picture's dtype."""
    _, height, width, channels = ops.shape(image)
    return ops.cast(height * width * channels, image.dtype)
