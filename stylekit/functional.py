"""The mathematics of the losses as pure functions of tensors, in `keras.ops`.

Feature maps are ``[B, h, w, C]``, masks ``[1, h, w, 1]`` or ``[B, h, w, 1]`` in [0, 1]; a mask of
`None` means all ones. Every function keeps float64 (for numeric gradients) and computes in float32
when it is given half precision, because sums over a picture overflow float16.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from stylekit._checks import choice
from stylekit._gradient import own_gradient

Tensor = Any
"""A tensor of Keras's backend, which has no type of its own."""

EPSILON = 1e-8
"""Keeps quotients finite where a reference is exactly zero; features are of order one and more."""

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in the luma of ITU-R BT.601, the Y of YIQ."""

GRAM_SCALINGS = ("relative", "pixels", "gatys2016", "neural-style")


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
            ``|G - A|^2`` of G / (C h w) is the same number) and the TensorFlow tutorials.
        ``"gatys2016"``
            ``sum D^2 / (4 C^2)``: Gatys et al. 2016, eq. 4, and the region scripts. The paper
            divides by ``4 C^2 N^2`` with one N for image and style; here each is divided by its
            own N, so that the style picture may have a size of its own.
        ``"neural-style"``
            ``mean (D / C)^2``: neural-style and neural-style-pt, which divide by C h w.

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
    }[normalize]
    return ops.ones_like(square) / divisor


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


def total_variation(image: Tensor, exponent: float = 2.0, *, isotropic: bool = True) -> Tensor:
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

    Returns
    -------
    tensor [B]
        Mean over pixels and channels (the literature sums), so that it does not grow with size.
    """
    image = full_precision(image)
    # The last row and column repeat: their difference is zero and every pixel has one term.
    dy = ops.pad(image[:, 1:] - image[:, :-1], ((0, 0), (0, 1), (0, 0), (0, 0)))
    dx = ops.pad(image[:, :, 1:] - image[:, :, :-1], ((0, 0), (0, 0), (0, 1), (0, 0)))
    power = exponent / 2
    smooth = 1e-8 if exponent < 2 else 0.0  # the root's slope is infinite at zero

    def raised(square):
        return square if power == 1 else ops.power(square + smooth, power) - smooth**power

    value = raised(dx * dx + dy * dy) if isotropic else raised(dx * dx) + raised(dy * dy)
    return ops.mean(value, axis=(1, 2, 3))
