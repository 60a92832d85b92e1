"""The mathematics of the losses as pure functions of tensors, in `keras.ops`.

Feature maps are ``[B, h, w, C]``, masks ``[1, h, w, 1]`` or ``[B, h, w, 1]`` in [0, 1]; a mask of
`None` means all ones. Every function keeps float64 (for numeric gradients) and computes in float32
when it is given half precision, because sums over a picture overflow float16.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from stylekit._checks import choice
from stylekit._gradient import own_gradient
from stylekit.image.arrays import tiled_axes

Tensor = Any
"""A tensor of Keras's backend, which has no type of its own."""

EPSILON = 1e-8
"""Keeps quotients finite where a reference is exactly zero; features are of order one and more."""

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in the luma of ITU-R BT.601, the Y of YIQ."""

NOISE = 1e-6
"""Variance that is added to features before a root is taken of it, relative to their mean square.
In float32 a variance that is a difference of means is uncertain by about a tenth of that."""

QUANTILE_BLOCK = 2**21
"""Values of which quantiles are taken at once: about 0.1 GB."""

_FLAT = 1e-5

GRAM_SCALINGS = ("relative", "pixels", "gatys2016", "neural-style", "keras")


def full_precision(x: Tensor) -> Tensor:
    """Return `x` in float32, or unchanged when it is float64 already."""
    return ops.cast(x, _full_dtype(x))


def _full_dtype(x):
    return "float64" if keras.backend.standardize_dtype(x.dtype) == "float64" else "float32"


def gram_matrix(feature: Tensor) -> Tensor:
    """Return the second moments of the channels, ``G = F^T F / N``.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
        A feature map; F is it as an ``[N, C]`` matrix, ``N = h * w``.

    Returns
    -------
    tensor [B, C, C]
        Gatys et al. 2016, eq. 3, divided by N, so that pictures of different sizes compare.
    """
    return masked_gram_matrix(feature, None)


def masked_gram_matrix(feature: Tensor, mask: Tensor | None) -> Tensor:
    """Return the Gram matrix of a region, ``sum_p m_p f_p f_p^T / sum_p m_p``.

    The mask weighs each position once. Multiplying the features by the mask, as many programs do,
    weighs it by ``m^2`` and loses the soft border; dividing by h * w instead of the mask's mass
    starves small regions.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
        A feature map.
    mask : tensor [1 or B, h, w, 1] or None
        Weights in [0, 1]; None means all ones.

    Returns
    -------
    tensor [B, C, C]
        Gatys et al. 2017, eq. 4, with ``m`` for the square of their guide. Zero where the mask is
        empty.

    Notes
    -----
    The gradient is written out: with ``D`` the upstream gradient, ``dF = m (F (D + D^T)) / sum m``.
    Automatic differentiation would keep the masked copy of the features until the backward pass
    and multiply by D and by D^T separately.
    """
    height, width = ops.shape(feature)[1:3]
    if mask is None:
        # A cast, for sizes that a traced function does not know are integer tensors.
        return _gram(feature, ops.cast(height * width, _full_dtype(feature)))
    weights = ops.reshape(ops.cast(mask, _full_dtype(feature)), (-1, height * width, 1))
    # At least a tiny mass: an empty mask gives 0 / tiny = 0 instead of 0 / 0.
    mass = ops.maximum(ops.sum(weights, axis=1, keepdims=True), EPSILON)
    return _gram(feature, mass, weights)


def _slope_of_gram(upstream, value, feature, mass, weights=None):
    both = (upstream + ops.swapaxes(upstream, 1, 2)) / mass
    result = ops.matmul(_positions(feature), both)
    if weights is not None:
        result = result * weights
    return ops.cast(ops.reshape(result, ops.shape(feature)), feature.dtype)


@own_gradient(_slope_of_gram)
def _gram(feature, mass, weights=None):
    f = _positions(feature)
    left = f if weights is None else f * weights
    return ops.matmul(ops.swapaxes(left, 1, 2), f) / mass


def _positions(feature):
    _, height, width, channels = ops.shape(feature)
    return full_precision(ops.reshape(feature, (-1, height * width, channels)))


def pair_weights(mask: Tensor, shift: tuple[int, int]) -> Tensor:
    """Return how much each pair of positions, the second of them shifted, lies in a region.

    Parameters
    ----------
    mask : tensor [1 or B, h, w, 1]
    shift : (int, int)
        Cells down and across, at least 0 and less than h and w.

    Returns
    -------
    tensor [1 or B, h - down, w - across, 1]
        ``min(m_p, m_(p + shift))``, which is the mask itself for no shift.
    """
    height, width = mask.shape[1:3]
    down, across = shift
    return ops.minimum(mask[:, : height - down, : width - across], mask[:, down:, across:])


def shifted_gram_matrices(
    feature: Tensor, shifts: Sequence[tuple[int, int]], mask: Tensor | None = None
) -> Tensor:
    """Return the correlations of features with those at positions a shift away.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
        h and w are known where the function is traced.
    shifts : sequence of (int, int)
        Cells down and across, at least 0 and less than h and w.
    mask : tensor [1 or B, h, w, 1] or None

    Returns
    -------
    tensor [B, S, C, C]
        ``sum_p w_p f_p f_(p + shift)^T / sum_p w_p`` for each of S shifts, with `pair_weights` w:
        Berger and Memisevic 2017, eq. 3. Zero where no pair lies in the region. Without a shift it
        is `masked_gram_matrix`; else it is not symmetric.

    Notes
    -----
    The gradient is written out. Automatic differentiation would keep both shifted copies of the
    features for each shift until the backward pass. With ``D`` the upstream gradient and w scaled
    to sum to 1, a shift adds ``w_p f_(p + shift) D^T`` to the gradient at p, and ``w_p f_p D`` to
    that at p + shift.
    """
    dtype = _full_dtype(feature)
    if mask is None:
        mask = ops.ones((1, *feature.shape[1:3], 1), dtype=dtype)
    weights = [pair_weights(ops.cast(mask, dtype), shift) for shift in shifts]
    masses = [ops.maximum(ops.sum(one, axis=(1, 2, 3), keepdims=True), EPSILON) for one in weights]
    return _shifted_grams(feature, *map(ops.divide, weights, masses))


def _pairs(feature, weights):
    """Return the features at the first and at the second position of pairs, which weights tell."""
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


@own_gradient(_slope_of_shifted_grams)
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
    mask : tensor [1 or B, h, w, 1] or None

    Returns
    -------
    tensor [B, C]
        Zero where the mask is empty.
    """
    feature = full_precision(feature)
    if mask is None:
        return ops.mean(feature, axis=(1, 2))
    mask = ops.cast(mask, feature.dtype)
    mass = ops.maximum(ops.sum(mask, axis=(1, 2)), EPSILON)
    return ops.sum(feature * mask, axis=(1, 2)) / mass


def moments(feature: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel over a region.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
    mask : tensor [1 or B, h, w, 1] or None

    Returns
    -------
    mean, deviation : tensor [B, C]
        The deviation is the root of the variance plus 1e-8, so that its gradient stays finite
        on constant features.
    """
    feature = full_precision(feature)
    mean = masked_mean(feature, mask)
    centred = feature - mean[:, None, None, :]
    return mean, ops.sqrt(masked_mean(centred * centred, mask) + EPSILON)


def relative_error(value: Tensor, target: Tensor) -> Tensor:
    """Return ``|value - target|^2 / (|target|^2 + eps)``, a dimensionless distance.

    Parameters
    ----------
    value : tensor [B, ...]
    target : tensor [1 or B, ...]

    Returns
    -------
    tensor [B]
        Frobenius norms over all axes but the first; ``eps`` is `EPSILON`.
    """
    value, target = full_precision(value), full_precision(target)
    axes = tuple(range(1, len(value.shape)))
    error = ops.sum(ops.square(value - target), axis=axes)
    return error / (ops.sum(ops.square(target), axis=axes) + EPSILON)


def gram_distance(gram: Tensor, target: Tensor, normalize: str = "relative") -> Tensor:
    """Return the distance of two Gram matrices in one of the literature's scalings.

    Parameters
    ----------
    gram, target : tensor [B, C, C], [1 or B, C, C]
        As `gram_matrix` gives them: divided by the number of positions.
    normalize : str
        With ``D = gram - target`` and C channels:

        ``"relative"``
            ``|D|^2 / (|target|^2 + eps)``: dimensionless, the default everywhere.
        ``"pixels"``
            ``mean D^2``: the authors' code of Gatys et al., Johnson et al. 2016 (whose
            ``|G - A|^2`` of G / (C h w) is the same number), the TensorFlow tutorials and the
            region scripts, with the division by the pixels that they recommend.
        ``"gatys2016"``
            ``sum D^2 / (4 C^2)``: Gatys et al. 2016, eq. 4. The paper divides by ``4 C^2 N^2``
            with one N for image and style; here each is divided by its own N, so that the style
            picture may have a size of its own.
        ``"neural-style"``
            ``mean (D / C)^2``: neural-style and neural-style-pt, which divide by C h w.
        ``"keras"``
            ``sum D^2 / 36``: the Keras example, which takes the image's channels, 3, for C. It also
            takes the number of pixels for N, and thereby weighs a layer of N cells by
            ``(N / pixels)^2``.

    Returns
    -------
    tensor [B]

    Raises
    ------
    InputError
        If `normalize` is none of these.
    """
    difference = full_precision(gram) - full_precision(target)
    return gram_scale(target, normalize) * ops.sum(ops.square(difference), axis=(1, 2))


def gram_scale(target: Tensor, normalize: str = "relative") -> Tensor:
    """Return what `gram_distance` multiplies the sum of the squared differences by.

    Parameters
    ----------
    target : tensor [1 or B, C, C]
    normalize : str
        See `gram_distance`.

    Returns
    -------
    tensor [1 or B]

    Raises
    ------
    InputError
        If `normalize` is none of `GRAM_SCALINGS`.
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
    """Return the means of each channel and of its square over a region.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
    mask : tensor [1 or B, h, w, 1] or None

    Returns
    -------
    tensor [B, 2, C]
        Means over positions, as tiles need them. Zero where the mask is empty.
    """
    feature = full_precision(feature)
    both = (masked_mean(feature, mask), masked_mean(ops.square(feature), mask))
    return ops.stack(both, axis=1)


def moment_distance(moments: Tensor, target: Tensor) -> Tensor:
    """Return the relative squared error of means and standard deviations of the channels.

    Parameters
    ----------
    moments, target : tensor [B, 2, C], [1 or B, 2, C]
        As `raw_moments` gives them.

    Returns
    -------
    tensor [B]
        ``(|mu - mu_t|^2 + |sigma - sigma_t|^2) / (|mu_t|^2 + |sigma_t|^2)``: 1 for features that
        are all zero. The deviation is the root of the variance plus `NOISE` times the mean square
        plus `EPSILON`, so that its gradient stays finite on constant features.
    """
    return relative_error(_mean_and_deviation(moments), _mean_and_deviation(target))


def _mean_and_deviation(moments):
    mean, square = ops.unstack(full_precision(moments), axis=1)
    variance = ops.maximum(square - ops.square(mean), 0) + NOISE * square
    return ops.stack((mean, ops.sqrt(variance + EPSILON)), axis=1)


def joint_moments(feature: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the second moments of the channels, and their means, over a region.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
    mask : tensor [1 or B, h, w, 1] or None

    Returns
    -------
    tensor [B, C, C + 1]
        `masked_gram_matrix` and, in the last column, `masked_mean`: means over positions, as tiles
        need them. Mean and covariance follow from it.
    """
    gram = masked_gram_matrix(feature, mask)
    return ops.concatenate((gram, masked_mean(feature, mask)[..., None]), axis=-1)


def covariance_root(target: Tensor) -> Tensor:
    """Return the root of the covariance of a target of `gaussian_distance`.

    Parameters
    ----------
    target : tensor [1 or B, C, C + 1]
        As `joint_moments` gives them.

    Returns
    -------
    tensor [1 or B, C, C]
        The symmetric square root, of the covariance plus `gaussian_distance`'s noise, in float64.
    """
    _, covariance = _gaussian(target, _energy(target))
    values, vectors = ops.eigh(covariance)
    roots = ops.sqrt(ops.maximum(values, 0))
    return ops.matmul(vectors * roots[:, None, :], ops.swapaxes(vectors, 1, 2))


def gaussian_distance(moments: Tensor, target: Tensor, root: Tensor | None = None) -> Tensor:
    """Return the squared Wasserstein distance of two Gaussians, relative to the target.

    Parameters
    ----------
    moments, target : tensor [B, C, C + 1], [1 or B, C, C + 1]
        As `joint_moments` gives them.
    root : tensor [1 or B, C, C], optional
        `covariance_root` of the target, where it is used more than once.

    Returns
    -------
    tensor [B]
        ``(|mu - mu_t|^2 + tr(S + T - 2 (T^1/2 S T^1/2)^1/2)) / E|f_t|^2``, with the covariances S
        of the features and T of the target: 1 for features that are all zero.

    Notes
    -----
    The Gaussians are those of the features plus noise of variance ``e = NOISE E|f_t|^2`` in every
    direction, which keeps the roots' slopes finite where a covariance is singular. With
    ``M = T^1/2 S T^1/2`` the gradient is ``d tr M^1/2 = tr(M^-1/2 dM) / 2``, which, unlike that
    of eigenvectors, has no singularity where eigenvalues are equal. Of the matrices [C, C] all is
    computed in float64: M holds squares of variances, down to e^2.
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
    # Of value tr M^1/2, because the second part is zero, and of gradient M^-1/2 / 2.
    cross = ops.sum(roots, axis=1) + ops.sum(ops.stop_gradient(slope) * (both - fixed), axis=(1, 2))
    traces = ops.trace(covariance, axis1=1, axis2=2) + ops.trace(
        target_covariance, axis1=1, axis2=2
    )
    squares = ops.sum(ops.square(mean - target_mean), axis=1)
    distance = (squares + traces - 2 * cross) / (energy + EPSILON)
    return ops.cast(distance, _full_dtype(moments))


def _energy(moments):
    """Return the mean over positions of the features' squared length, in float64."""
    return ops.trace(ops.cast(moments, "float64")[..., :-1], axis1=1, axis2=2)


def _noise(energy):
    return NOISE * energy + EPSILON


def _gaussian(moments, energy):
    """Return mean and covariance, in float64, of features with noise."""
    moments = ops.cast(moments, "float64")
    mean = moments[..., -1]
    covariance = moments[..., :-1] - mean[:, :, None] * mean[:, None, :]
    identity = ops.eye(mean.shape[-1], dtype="float64")
    return mean, covariance + _noise(energy)[:, None, None] * identity


def quantile_means(values: Tensor, count: int, weights: Tensor | None = None) -> Tensor:
    """Return the means of quantile functions over equal parts of [0, 1].

    Parameters
    ----------
    values : tensor [D, N]
        The values of D functions.
    count : int
        Number of parts, K.
    weights : tensor [N], optional
        At least 0, and not all 0. Default: equal.

    Returns
    -------
    tensor [D, K]
        In ascending order. For K = N and equal weights the sorted values; else what N values have
        to become to be K equally weighted ones, with the least change: the squared 1-D Wasserstein
        distance to K values is that to these plus a constant.
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
    # The integral of a quantile function is linear between the levels of its values.
    levels, integral = (
        ops.pad(ops.cumsum(x, axis=-1), ((0, 0), (1, 0))) for x in (weights, weights * values)
    )
    ends = ops.zeros_like(values[:, :1]) + np.arange(count + 1) / count
    # One search for all rows: what is added keeps their levels, in [0, 1], apart.
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
    """Return `quantile_means` of the features of a picture along directions.

    Parameters
    ----------
    feature : tensor [1, h, w, C]
    directions : tensor [C, D] or None
        None: the channels themselves, whose quantiles are those of their histograms.
    count : int
        Number of parts, K.
    mask : tensor [1, h, w, 1] or None
        The weights, not all 0.

    Returns
    -------
    tensor [1, D, K]
    """
    projected = _projected(feature, directions)[0]
    weights = None if mask is None else ops.reshape(mask, (-1,))
    # Some directions at a time, because the sums are taken in float64.
    step = max(1, QUANTILE_BLOCK // max(projected.shape[1], count))
    parts = [
        quantile_means(projected[first : first + step], count, weights)
        for first in range(0, projected.shape[0], step)
    ]
    return ops.concatenate(parts)[None]


def sliced_distance(
    feature: Tensor, quantiles: Tensor, directions: Tensor | None, mask: Tensor | None = None
) -> Tensor:
    """Return the mean squared 1-D Wasserstein distance along directions, relative to the target.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
    quantiles : tensor [1, D, K]
        The target, as `sliced_quantiles` gives it.
    directions : tensor [C, D] or None
        As for `sliced_quantiles`.
    mask : tensor [1 or B, h, w, 1] or None

    Returns
    -------
    tensor [B]
        ``mean_d sum_p m_p (v_d f_p - q_d(u_dp))^2 / sum_p m_p`` over the mean of ``q_d^2``, where
        u_dp, the level of position p along direction d, is the share of the region's mass that
        lies below it, and half its own: 1 for features that are all zero.
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
    """Return features along directions, ``[B, D, N]``."""
    positions = _positions(feature)
    if directions is not None:
        positions = ops.matmul(positions, ops.cast(directions, positions.dtype))
    return ops.swapaxes(positions, 1, 2)


def cosine_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return one minus the cosine of each pair of rows.

    Parameters
    ----------
    a, b : tensor [B, N, C], [1 or B, M, C]

    Returns
    -------
    tensor [B, N, M]
        In [0, 2]. A row of zeros has the distance 1 from every row; its gradient is finite.
    """
    return 1 - ops.matmul(_directions(a), ops.swapaxes(_directions(b), 1, 2))


def _directions(rows):
    rows = full_precision(rows)
    square = ops.sum(ops.square(rows), axis=-1, keepdims=True)
    return rows * ops.rsqrt(ops.maximum(square, EPSILON))


def rms_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return the root mean square of the differences of each pair of rows.

    Parameters
    ----------
    a, b : tensor [B, N, C], [1 or B, M, C]

    Returns
    -------
    tensor [B, N, M]
        Euclidean distances, divided by the root of C. Those below 1e-4 are 1e-4, without a
        gradient.
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
        What it costs to move a unit of mass from each member of one set to each of the other.
    weights, other_weights : tensor [N], [M], optional
        The masses of the members, at least 0 and not all 0; only their ratios matter. Default:
        equal.

    Returns
    -------
    tensor [B]
        ``max(sum_i w_i min_j C_ij, sum_j v_j min_i C_ij)`` with masses that sum to 1: the larger
        of two lower bounds of the earth mover's distance, each of which fixes the masses of one
        set alone (Kolkin et al. 2019, eq. 5-8).
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
    """Return the cosine distances of all pairs of rows, relative to the mean of their column.

    Parameters
    ----------
    rows : tensor [B, N, C]
    weights : tensor [N], optional
        Of the rows in the means, at least 0. Default: equal.

    Returns
    -------
    tensor [B, N, N]
        ``A_ij = D_ij / mean_i D_ij``: N times the matrix of Kolkin et al. 2019, eq. 11, so that it
        does not shrink as N grows. A mean below 1e-5, where float32 leaves little but rounding,
        counts as 1e-5: the matrix of equal rows is nearly zero.
    """
    distances = cosine_distances(rows, rows)
    means = _weighted_mean(distances, weights)  # of rows, and so of columns
    return distances / ops.maximum(means, _FLAT)[:, None]


def self_similarity_error(rows: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean absolute difference of two self-similarities.

    Parameters
    ----------
    rows : tensor [B, N, C]
    target : tensor [1 or B, N, N]
        As `self_similarity` returns it.
    weights : tensor [N], optional
        Of the rows; see `self_similarity`.

    Returns
    -------
    tensor [B]
        In [0, 2].
    """
    difference = ops.abs(self_similarity(rows, weights) - full_precision(target))
    return _weighted_mean(_weighted_mean(difference, weights), weights)


def mean_and_covariance(rows: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the mean and the covariance of rows.

    Parameters
    ----------
    rows : tensor [B, N, C]
    weights : tensor [N], optional
        Of the rows, at least 0. Default: equal.

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
    """Return ``sum |value - target| / (sum |target| + eps)``, a dimensionless distance.

    Parameters
    ----------
    value : tensor [B, ...]
    target : tensor [1 or B, ...]

    Returns
    -------
    tensor [B]
        Sums over all axes but the first; ``eps`` is `EPSILON`.
    """
    value, target = full_precision(value), full_precision(target)
    axes = tuple(range(1, len(value.shape)))
    error = ops.sum(ops.abs(value - target), axis=axes)
    return error / (ops.sum(ops.abs(target), axis=axes) + EPSILON)


def chroma(image: Tensor) -> Tensor:
    """Return the differences of red, green and blue from their luma.

    Parameters
    ----------
    image : tensor [B, H, W, 3]
        As it is encoded, in sRGB.

    Returns
    -------
    tensor [B, H, W, 3]
        ``c - Y`` of each channel c, with Y the luma of ITU-R BT.601 (`LUMA`): zero for grey.
    """
    image = full_precision(image)
    shares = ops.convert_to_tensor(LUMA, dtype=image.dtype)
    return image - ops.sum(shares * image, axis=-1, keepdims=True)


def extended(
    x: Tensor, rows: Sequence[int], columns: Sequence[int], tile: str | None = None
) -> Tensor:
    """Return pictures or feature maps that go on beyond their edges.

    Parameters
    ----------
    x : tensor [B, H, W, C]
    rows, columns : (int, int)
        How many are added above and below, left and right; no more than there are.
    tile : {"x", "y", "both"}, optional
        Along the width, the height or both the opposite edge follows. Default: neither. Where it
        does not, the mirror image does.

    Returns
    -------
    tensor [B, H + sum(rows), W + sum(columns), C]
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
    """Return the mean over pixels of the image gradient's magnitude to a power.

    Parameters
    ----------
    image : tensor [B, H, W, C]
    exponent : float
        Power ``b`` of the magnitude: ``mean (dx^2 + dy^2)^(b/2)`` (Mahendran and Vedaldi 2015,
        eq. 4). 1 is total variation proper (L1), 2 its square (L2), and 2.5 is the
        ``(dx^2 + dy^2)^1.25`` of the Keras example and of the region scripts.
    isotropic : bool
        False: ``mean |dx|^b + |dy|^b``, which for b = 1 is `tf.image.total_variation`.
    tile : {"x", "y", "both"}, optional
        Along the width, the height or both the first pixel is the last one's neighbour, too.

    Returns
    -------
    tensor [B]
        Mean over pixels and channels (the literature sums), so that it does not grow with size.
    """
    image = full_precision(image)
    # Else the last row and column repeat: every pixel has one term, and theirs is zero.
    beyond = extended(image, (0, 1), (0, 1), tile)
    dy, dx = beyond[:, 1:, :-1] - image, beyond[:, :-1, 1:] - image
    power = exponent / 2
    smooth = 1e-8 if exponent < 2 else 0.0  # the root's slope is infinite at zero

    def raised(square):
        return square if power == 1 else ops.power(square + smooth, power) - smooth**power

    value = raised(dx * dx + dy * dy) if isotropic else raised(dx * dx) + raised(dy * dy)
    return ops.mean(value, axis=(1, 2, 3))


def window_precision(guide: Tensor, epsilon: float = 1e-7) -> Tensor:
    """Return the inverse covariance of a guide's colours in each window of 3 x 3 pixels.

    Parameters
    ----------
    guide : tensor [B, H, W, C]
        H and W at least 3.
    epsilon : float
        Ridge penalty on the slopes of the fits, in units of squared colour, above 0; the inverse
        is finite where the guide is flat.

    Returns
    -------
    tensor [B, H, W, C * C]
        ``(Cov_k + epsilon / 9)^-1`` at the centre of each window k, row by row. Pixels of the
        border are no centres and have zeros. The inverse is taken in float64.
    """
    colors = _windows(ops.cast(guide, "float64"))
    channels = guide.shape[-1]
    ridge = epsilon / len(colors) * ops.eye(channels, dtype="float64")
    inverse = ops.linalg.inv(_covariance(colors, colors) + ridge)
    flat = ops.reshape(inverse, (*ops.shape(inverse)[:3], channels * channels))
    return ops.cast(ops.pad(flat, ((0, 0), (1, 1), (1, 1), (0, 0))), _full_dtype(guide))


def matting_energy(image: Tensor, guide: Tensor, precision: Tensor) -> Tensor:
    """Return how far an image is from a locally affine change of a guide's colours.

    In each window of 3 x 3 pixels every channel of the image is fitted by a linear function of the
    guide's colours. What the fits leave is the quadratic form of the matting Laplacian.

    Parameters
    ----------
    image : tensor [B, H, W, C]
    guide : tensor [1 or B, H, W, G]
    precision : tensor [1 or B, H, W, G * G]
        `window_precision` of the guide.

    Returns
    -------
    tensor [B]
        ``sum_c V_c^T L V_c / (9 H W C)``, with the channels V_c of the image and the matting
        Laplacian L of the guide (Levin et al. 2008, eq. 12): the squared error of the fits, a mean
        over pixels, windows and channels. The sum of Luan et al. 2017, eq. 2, has no divisor.

    Notes
    -----
    L is a sum over windows k of what remains of the least squares problem in the slopes a and the
    offset b (Levin et al., eq. 5),

    ``V^T L V = sum_k min_ab sum_(i in k) (V_i - a . I_i - b)^2 + epsilon |a|^2
    = 9 sum_k Var_k(V) - a_k . Cov_k(I, V),  a_k = (Cov_k(I, I) + epsilon / 9)^-1 Cov_k(I, V).``

    So neither the matrix nor its blocks are needed. By the envelope theorem the gradient of a
    window's minimum is twice the residual of its fit, ``2 L V``. The colours of a window are taken
    relative to its centre before they are multiplied: in float32, E[I^2] - E[I]^2 would lose the
    small covariances of flat places.
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


@own_gradient(_slope_of_matting)
def _matting_energy(image, guide, precision):
    _, colors, covariance, slopes = _window_fits(image, guide, precision)
    variance = sum(color * color for color in colors) / len(colors)
    residual = variance - ops.sum(slopes * covariance, axis=-2)
    return ops.sum(residual, axis=(1, 2, 3)) / _count(image)


def _window_fits(image, guide, precision):
    """Return centred guide and image, their covariances and the slopes, for each window."""
    guides, colors = _windows(guide), _windows(image)
    covariance = _covariance(guides, colors)
    inner, channels = precision[:, 1:-1, 1:-1], guide.shape[-1]
    inverse = ops.reshape(inner, (*ops.shape(inner)[:3], channels, channels))
    return guides, colors, covariance, ops.matmul(inverse, covariance)


def _windows(x):
    """Return the nine pixels of every window of 3 x 3, less the window's mean."""
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
    """Return ``[B, h, w, C, D]`` of the windows of two pictures."""
    products = (a[..., :, None] * b[..., None, :] for a, b in zip(first, second, strict=True))
    return sum(products) / len(first)


def _count(image):
    """Return the number of values of a picture."""
    _, height, width, channels = ops.shape(image)
    return ops.cast(height * width * channels, image.dtype)
