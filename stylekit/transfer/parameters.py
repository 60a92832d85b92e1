"""Parametrisations of the image: variables to optimise, and the image that is made from them."""

from __future__ import annotations

import abc
import itertools
import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
import tensorflow as tf

from stylekit._checks import InputTypeError, explain, fail, integer, naming, number
from stylekit.functional import Tensor
from stylekit.transfer.plugin import Plugin, described, named, tracing

SHOWN = (0.0, 1.0)
"""Range of the pixel values of the images that a run shows, saves and returns."""

DEVIATIONS = (0.46, 0.13, 0.06)
"""Standard deviations of the decorrelated colours of ImageNet, from lucid's
``optvis/param/color.py``."""

COLORS = np.diag(DEVIATIONS) @ [
    np.divide(axis, np.linalg.norm(axis)) for axis in ([1, 1, 1], [1, 0, -1], [1, -2, 1])
]
"""RGB of each decorrelated component, one in each row."""


class Parameters(Plugin, abc.ABC):
    """Base class of parametrisations: the values that are optimised, and the image they represent.

    A subclass implements `prepare` and `image`. It must not store any state of a run, because one
    object may be used at several sizes and in several runs.

    Attributes
    ----------
    bounds : (float, float) or None
        Limits to which the values are clipped after each step. Default: None.
    working : float
        Number of copies of the image that `image` and its gradient hold at their peak, not counting
        the values. Used to estimate memory.
        Used to estimate memory.

    Notes
    -----
    A run applies the update mask m: the image of a step is ``x0 + m (z - x0)``, where z is what
    `image` returns and x0 is the initial image. The losses are evaluated on this image before it is
    clipped to [0, 1]. The images in callbacks, checkpoints and the result are clipped.
    """

    _kind = "parametrisation"
    bounds: tuple[float, float] | None = None
    working: float = 0.0

    @abc.abstractmethod
    def prepare(self, image: Tensor) -> tuple[Tensor, Any]:
        """Return the values that represent an image, and a context for `image`.

        This method is called once for each size.

        Parameters
        ----------
        image : tensor [B, H, W, 3]
            The initial image of the optimisation, in [0, 1].

        Returns
        -------
        values : tensor [B, ...]
        context
            Any object that `image` needs in addition to the values, constant for one size, or None.
        """

    @abc.abstractmethod
    def image(self, values: Tensor, context: Any) -> Tensor:
        """Return the image ``[B, H, W, 3]`` that values represent, by differentiable operations.

        The method is part of the traced step: its Python code runs once for each size.
        """

    def pictures(self, shape: tuple[int, int]) -> float:
        """Return the number of values divided by that of an image (H, W), to estimate memory."""
        return 1.0


class Pixels(Parameters):
    """The pixels themselves, in [0, 1]."""

    bounds = (0.0, 1.0)

    def prepare(self, image: Tensor) -> tuple[Tensor, Any]:
        """Return the image; see `Parameters.prepare`."""
        return image, None

    def image(self, values: Tensor, context: Any) -> Tensor:
        """Return the values; see `Parameters.image`."""
        return values


class LaplacianPyramid(Parameters):
    """The coefficients of a Laplacian pyramid of the image.

    A step changes the image at all scales at once. A coefficient of a coarse band changes a whole
    area, so that colours and large shapes settle in a few steps, even with a small learning rate.

    Parameters
    ----------
    levels : int
        Number of bands including the coarsest picture, at least 1. Halving stops at one pixel, so a
        small picture has fewer bands. With one band the values are the pixels, without bounds.
    scale : float
        The values of band k are its coefficients times ``scale**k``, above 0. Use 1, the
        coefficients themselves, for Adam and other optimizers that scale the gradient of each
        value. Use 2 for `LBFGS` and plain gradient descent.

    Notes
    -----
    Let ``x_0`` be the image, and ``x_{k+1} = R x_k`` half as large. Band k is ``x_k - E x_{k+1}``,
    and the last band is the coarsest picture. The image is the sum from coarse to fine, ``x_k =
    band_k + E x_{k+1}``, for any R and E (Burt and Adelson 1983, who use kernels of five taps).
    Here R is the mean of two neighbours in each direction, and E is linear interpolation: ``(1, 3,
    3, 1) / 4``. At even sizes these are the resizings of Kolkin et al. At odd sizes their program
    rounds the coarse size down, which shifts pixels; here the last row or column is repeated, and
    the coarse size is rounded up.

    There are no bounds. The image may leave [0, 1] during a run, and the losses are evaluated on
    the unclipped image; see `Parameters`. Kolkin et al. use Adam with a learning rate of 0.002, and
    200 steps at each size. They count eight bands in addition to the coarsest picture. Here the
    coarsest picture is one of the bands.

    A step of a coefficient of band k changes about ``4^k`` pixels, and its gradient is the sum of
    the gradients of these pixels. With a scale of 2, a unit step of any value changes the picture
    by about the same norm. With a scale of 1, the first step of L-BFGS, along the gradient, is too
    large by orders of magnitude, and many evaluations are spent on shorter ones.

    References
    ----------
    Burt, Adelson: The Laplacian Pyramid as a Compact Image Code, IEEE Transactions on
    Communications 31, 1983.
    Kolkin, Kucera, Paris, Sykora, Shechtman, Shakhnarovich: Neural Neighbor Style Transfer, 2022,
    section 3.

    Examples
    --------
    >>> import keras
    >>> import stylekit as sk
    >>> transfer = sk.StyleTransfer(
    ...     [sk.ContentLoss("photo.jpg"), sk.GramStyleLoss("starry.jpg", weight=8)],
    ...     optimizer=keras.optimizers.Adam(2e-3),
    ...     parameters=sk.LaplacianPyramid(),
    ... )  # doctest: +SKIP
    """

    working = 7.0  # measured on a CPU at 1536 x 1536 pixels: 5.8 to 7.2

    def __init__(self, levels: int = 8, scale: float = 1.0) -> None:
        self.levels = integer(levels, "levels", low=1)
        self.scale = number(scale, "scale", low=0, open_low=True)

    def prepare(self, image: Tensor) -> tuple[Tensor, Any]:
        """Return the coefficients of an image, ``[B, N]``; see `Parameters.prepare`.

        The bands are in order from the finest to the coarsest.
        """
        shape = tuple(image.shape[1:3])
        bands = []
        for size, _ in itertools.pairwise(self._shapes(shape)):
            coarse = _halved(_halved(image, 1), 2)
            bands.append(image - _enlarged(coarse, size))
            image = coarse
        bands.append(image)
        flat = [
            tf.reshape(band * self.scale**k, (band.shape[0], -1)) for k, band in enumerate(bands)
        ]
        return tf.concat(flat, axis=1), shape

    def image(self, values: Tensor, context: Any) -> Tensor:
        """Return the image of the coefficients; see `Parameters.image`."""
        shapes = self._shapes(context)
        flat = tf.split(values, [3 * math.prod(shape) for shape in shapes], axis=1)
        bands = [
            tf.reshape(band, (-1, *shape, 3)) / self.scale**k
            for k, (band, shape) in enumerate(zip(flat, shapes, strict=True))
        ]
        image = bands.pop()
        for band, shape in zip(reversed(bands), reversed(shapes[:-1]), strict=True):
            image = band + _enlarged(image, shape)
        return image

    def pictures(self, shape: tuple[int, int]) -> float:
        """Return the number of coefficients relative to the number of pixels."""
        return sum(map(math.prod, self._shapes(shape))) / math.prod(shape)

    def _shapes(self, shape: tuple[int, int]) -> list[tuple[int, int]]:
        """Return the shape (H, W) of each band, from the finest to the coarsest."""
        height, width = shape
        shapes = [(height, width)]
        while len(shapes) < self.levels and max(height, width) > 1:
            height, width = (height + 1) // 2, (width + 1) // 2
            shapes.append((height, width))
        return shapes


class FourierPixels(Parameters):
    """The Fourier coefficients of the image in decorrelated colours, scaled by frequency.

    A step changes the image at all scales at once. Low frequencies change most, and the three
    colour components change in about the proportions of natural pictures (Olah, Mordvintsev and
    Schubert 2017).

    Parameters
    ----------
    decay : float
        Exponent of the scale, at least 0. The effect of a value on the image decreases with the
        frequency as ``f**-decay``. The default, 1, is about that of the spectrum of natural
        pictures. With 0 all frequencies have the same scale.

    Notes
    -----
    Let ``c = A x`` be three components of a colour: brightness, red against blue, and green against
    both. They are on orthonormal axes (Ohta, Kanade and Sakai 1980), and divided by their standard
    deviations in natural pictures. With ``C`` the orthonormal two-dimensional Fourier transform of
    a component, the values are the real and imaginary parts of ``C(f) / s(f)``, where ``s(f) = k
    max(f, 1 / max(H, W))**-decay`` and f is in cycles per pixel. The constant k is chosen so that
    independent values of variance 1 give components of variance 1. A learning rate therefore has
    about the same effect at every size.

    There are no bounds. The image may leave [0, 1] during a run, and the losses are evaluated on
    that image; see `Parameters`. Lucid uses a sigmoid instead, which cannot represent a given
    initial image exactly.

    The transform is periodic, so that low frequencies continue across opposite borders.

    References
    ----------
    Olah, Mordvintsev, Schubert: Feature Visualization, Distill, 2017, "Preconditioning and
    Parameterization".
    Ohta, Kanade, Sakai: Color Information for Region Segmentation, Computer Graphics and Image
    Processing 13, 1980.

    Examples
    --------
    >>> import keras
    >>> import stylekit as sk
    >>> transfer = sk.StyleTransfer(
    ...     [sk.ContentLoss("photo.jpg"), sk.GramStyleLoss("starry.jpg", weight=8)],
    ...     optimizer=keras.optimizers.Adam(0.2),
    ...     parameters=sk.FourierPixels(),
    ... )  # doctest: +SKIP
    """

    working = 5.0  # measured on a CPU at 2400 x 2400 pixels

    def __init__(self, decay: float = 1.0) -> None:
        self.decay = number(decay, "decay", low=0)

    def prepare(self, image: Tensor) -> tuple[Tensor, Any]:
        """Return the coefficients, ``[B, 3, H, W // 2 + 1, 2]``; see `Parameters.prepare`."""
        shape = tuple(image.shape[1:3])
        components = tf.tensordot(image, tf.constant(np.linalg.inv(COLORS), image.dtype), 1)
        spectrum = tf.signal.rfft2d(tf.transpose(components, (0, 3, 1, 2)))
        parts = tf.stack([tf.math.real(spectrum), tf.math.imag(spectrum)], axis=-1)
        return parts / self._scale(shape, image.dtype), shape

    def image(self, values: Tensor, context: Any) -> Tensor:
        """Return the image of the coefficients; see `Parameters.image`."""
        real, imaginary = tf.unstack(values * self._scale(context, values.dtype), axis=-1)
        components = tf.signal.irfft2d(tf.complex(real, imaginary), context)
        components = tf.transpose(components, (0, 2, 3, 1))
        return tf.tensordot(components, tf.constant(COLORS, values.dtype), 1)

    def pictures(self, shape: tuple[int, int]) -> float:
        """Return the number of coefficients relative to the number of pixels."""
        return 2 * (shape[1] // 2 + 1) / shape[1]

    def _scale(self, shape: tuple[int, int], dtype):
        """Return the factors by which the values are multiplied, ``[H, W // 2 + 1, 1]``."""
        height, width = shape
        frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
        scale = np.maximum(frequency, 1 / max(shape)) ** -self.decay
        # Each coefficient is stored as two values, and TensorFlow's transform is not orthonormal.
        scale *= math.sqrt(height * width / (2 * np.mean(scale**2)))
        return tf.constant(scale[:, : width // 2 + 1, None], dtype)


# TensorFlow's own resizing returns float32 for any input. On a GPU, the order of the sums in its
# gradient varies, so that a resumed run would not give the same result.


def _halved(images, axis: int):
    """Return the means of pairs along an axis. If the length is odd, the last entry is repeated."""
    size = images.shape[axis]
    if size % 2:
        images = tf.concat([images, _part(images, axis, size - 1, 1)], axis)
    shape = [-1, *images.shape[1:]]
    shape[axis : axis + 1] = [shape[axis] // 2, 2]
    return tf.reduce_mean(tf.reshape(images, shape), axis + 1)


def _enlarged(images, shape: tuple[int, int]):
    """Return images of twice the size by linear interpolation, cropped to (H, W)."""
    return _doubled(_doubled(images, 1, shape[0]), 2, shape[1])


def _doubled(images, axis: int, size: int):
    count = images.shape[axis]
    first, last = _part(images, axis, 0, 1), _part(images, axis, count - 1, 1)
    before = tf.concat([first, _part(images, axis, 0, count - 1)], axis)
    after = tf.concat([_part(images, axis, 1, count - 1), last], axis)
    # The centres of two fine pixels are a quarter of a coarse pixel on either side of the centre of
    # their coarse pixel.
    pairs = tf.stack([0.75 * images + 0.25 * before, 0.75 * images + 0.25 * after], axis + 1)
    shape = [-1, *images.shape[1:]]
    shape[axis] = 2 * count
    return _part(tf.reshape(pairs, shape), axis, 0, size)


def _part(images, axis: int, start: int, size: int):
    begin, sizes = [0] * 4, [-1, *images.shape[1:]]
    begin[axis], sizes[axis] = start, size
    return tf.slice(images, begin, sizes)


def unmasked(image, base, mask):
    """Return the z in [0, 1] for which ``base + m (z - base)`` is nearest to the image."""
    # A coarser level returned x0 + m (z - x0). This level continues with the z of that image.
    return clip(base + tf.math.divide_no_nan(image - base, mask), SHOWN)


def masked(image, base, mask):
    """Return ``base + m (image - base)``, bit-identical to the base where the mask is 0."""
    return base + mask * (image - base)


def rendering(parameters: Parameters, image, base, mask) -> tuple[Any, Callable | None]:
    """Return the values that represent an image, and a function that maps values to an image.

    Parameters
    ----------
    parameters : Parameters
    image : tensor [B, H, W, 3]
        The initial image of the optimisation.
    base : tensor [B, H, W, 3]
        The image that is kept where the mask is 0.
    mask : tensor [1, H, W, 1] or None
        Where the image may change, in [0, 1].

    Returns
    -------
    values : tensor [B, ...]
    render : callable or None
        Takes the values and returns the image ``[B, H, W, 3]``, with the mask applied. None if the
        values are the image, with bounds of [0, 1].

    Raises
    ------
    InputError, InputTypeError
        If `prepare` or `image` returns a wrong type or shape.
    """
    with naming(f"in {named(parameters)}, method prepare"):
        start = image if mask is None else unmasked(image, base, mask)
        prepared = parameters.prepare(start)
        if not isinstance(prepared, tuple) or len(prepared) != 2:
            received = type(prepared).__name__
            raise InputTypeError(
                explain(
                    "`prepare` must return a tuple",
                    expected="a tuple (values, context)",
                    received=received,
                ),
                argument="parameters",
            )
        values, context = tf.convert_to_tensor(prepared[0]), prepared[1]
    if type(parameters) is Pixels and parameters.bounds == SHOWN and mask is None:
        return values, None

    def render(values):
        advice = "Compute the image from the values and the context alone."
        with tracing(parameters, "image", advice):
            result = parameters.image(values, context)
            if result.shape != image.shape:
                fail(
                    "`image` must return an image with the shape of the initial image",
                    expected=str(list(image.shape)),
                    received=list(result.shape),
                    argument="parameters",
                )
        return result if mask is None else masked(result, base, mask)

    return values, render


def shown(values, render: Callable | None):
    """Return the image of given values, clipped to [0, 1]. A run shows, saves and returns it.

    If `render` is None the values are the image, and already in [0, 1].
    """
    return values if render is None else clip(render(values), SHOWN)


def clip(values, bounds: tuple[float, float] | None):
    """Return values clipped to bounds, or unchanged values if `bounds` is None."""
    return values if bounds is None else tf.clip_by_value(values, *bounds)


def as_parameters(parameters) -> Parameters:
    """Return a parametrisation after checking it, or `Pixels` for None.

    Raises
    ------
    InputError, InputTypeError
        If the argument is not a `Parameters` object, or its bounds are invalid.
    """
    if parameters is None:
        return Pixels()
    if not isinstance(parameters, Parameters):
        raise InputTypeError(
            explain(
                "`parameters` must be a parametrisation",
                expected="an object of a class derived from stylekit.transfer.Parameters, such as "
                "Pixels()",
                received=described(parameters),
            ),
            argument="parameters",
        )
    check_bounds(parameters.bounds, f"the bounds of {type(parameters).__name__}")
    return parameters


def check_bounds(bounds, name: str) -> tuple[float, float] | None:
    """Return bounds as a tuple of two floats, or None for no bounds.

    Raises
    ------
    InputError, InputTypeError
        If the bounds are not two numbers with the lower one first.
    """
    if bounds is None:
        return None
    expected = "None, or two numbers (low, high) with low < high"
    if not isinstance(bounds, tuple | list) or not all(isinstance(b, Real) for b in bounds):
        raise InputTypeError(
            explain(f"{name} are invalid", expected=expected, received=bounds), argument="bounds"
        )
    if len(bounds) != 2 or not bounds[0] < bounds[1]:
        fail(f"{name} are invalid", expected=expected, received=bounds, argument="bounds")
    return tuple(bounds)
