"""Parametrisations of the image: what is optimised, and how an image is made of it."""

from __future__ import annotations

import abc
import itertools
import math
from collections.abc import Callable

import tensorflow as tf

from stylekit._checks import integer, number

SHOWN = (0.0, 1.0)
"""Range of the images that a run shows, keeps and returns."""


class Parameters(abc.ABC):
    """A parametrisation of the image: values that an optimizer moves, and their picture.

    Attributes
    ----------
    bounds : (float, float) or None
        Limits that the values are clipped to after each step.
    working : float
        Copies of the picture that `image` and its gradient hold at their peak beside the values,
        used to estimate memory.

    Notes
    -----
    The objective sees the picture as `image` returns it, also where it leaves [0, 1]. The images
    that callbacks are shown, and those of a checkpoint and of the result, are clipped to [0, 1].
    """

    bounds: tuple[float, float] | None = None
    working: float = 0.0

    @abc.abstractmethod
    def prepare(self, image, base, update_mask):
        """Return the values whose picture is `image`, and the context that `image` needs.

        Parameters
        ----------
        image : tensor [B, H, W, 3]
            Where the optimisation starts.
        base : tensor [B, H, W, 3]
            What is kept where the update mask is 0.
        update_mask : tensor [1, H, W, 1] or None
            Where the image may change, in [0, 1].

        Returns
        -------
        values : tensor [B, ...]
        context
            What `image` needs beside the values, constant while one size is optimised.
        """

    @abc.abstractmethod
    def image(self, values, context):
        """Return the image ``[B, H, W, 3]`` of some values, in differentiable operations."""

    def pictures(self, shape: tuple[int, int]) -> float:
        """Return the number of values divided by that of a picture (H, W): to estimate memory."""
        return 1.0


class Pixels(Parameters):
    """The pixels themselves: ``x0 + m (z - x0)`` with values z in [0, 1] and the update mask m.

    Outside the mask the image is the start ``x0``, bit for bit, and the inside adapts to its true
    surroundings; where m is between 0 and 1 the image can move that share of the way.
    """

    bounds = (0.0, 1.0)

    def prepare(self, image, base, update_mask):
        """Return the values whose picture is the image; see `Parameters.prepare`."""
        if update_mask is None:
            return image, None
        return _unmasked(image, base, update_mask), {"base": base, "mask": update_mask}

    def image(self, values, context):
        """Return the image of the values; see `Parameters.image`."""
        if context is None:
            return values
        return _masked(values, context["base"], context["mask"])

    def __repr__(self) -> str:
        return "Pixels()"


class LaplacianPyramid(Parameters):
    """The coefficients of a Laplacian pyramid of the image.

    A step moves the image at all scales at once: a coefficient of a coarse band moves a whole area,
    so that colours and large shapes settle in a few steps of a small learning rate.

    Parameters
    ----------
    levels : int
        Number of bands, at least 1, the coarsest picture included. Halving ends at one pixel: a
        small picture has fewer bands. With one band the values are the pixels, without bounds.
    scale : float
        The values of band k are its coefficients times ``scale**k``, above 0. 1, the coefficients
        themselves, is for Adam and other optimizers that scale the gradient of each value. 2 is for
        `LBFGS` and plain gradient descent.

    Notes
    -----
    Let ``x_0`` be the image, and ``x_{k+1} = R x_k`` half as large. Band k is ``x_k - E x_{k+1}``,
    and the last one is the coarsest picture itself. The image is the sum from coarse to fine, ``x_k
    = band_k + E x_{k+1}``, whatever R and E are (Burt and Adelson 1983, who take kernels of five
    taps). Here R is the mean of two neighbours in each direction, and E interpolates linearly:
    ``(1, 3, 3, 1) / 4``. At even sizes these are the resizings of Kolkin et al. At odd ones their
    program resizes to half the size rounded down, which moves pixels against each other; here the
    last row or column repeats, and the coarse size is rounded up.

    Where an update mask m is given the image is ``x0 + m (z - x0)``, with z the sum and x0 what is
    to be kept, as for `Pixels`: bit-identical to x0 where m is 0.

    There are no bounds: the picture may leave [0, 1] during a run, and the losses are those of that
    picture. See `Parameters`. Kolkin et al. take Adam at a learning rate of 0.002, in 200 steps at
    each size. Their eight bands are beside the coarsest picture, which is the last of the bands
    here.

    One step of a coefficient of band k moves about ``4^k`` pixels, and its gradient is the sum of
    theirs. With a scale of 2 a unit step of any value changes the picture by about the same
    norm. Without it the first step of L-BFGS, along the gradient, overshoots by orders of
    magnitude, and many evaluations are spent on shorter ones.

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

    def prepare(self, image, base, update_mask):
        """Return the coefficients of an image, ``[B, N]``; see `Parameters.prepare`.

        The bands follow one another from the finest to the coarsest.
        """
        shape = tuple(image.shape[1:3])
        context = {"shape": shape, "base": None, "mask": None}
        if update_mask is not None:
            image = _unmasked(image, base, update_mask)
            context |= {"base": base, "mask": update_mask}
        bands = []
        for size, _ in itertools.pairwise(self._shapes(shape)):
            coarse = _halved(_halved(image, 1), 2)
            bands.append(image - _enlarged(coarse, size))
            image = coarse
        bands.append(image)
        flat = [
            tf.reshape(band * self.scale**k, (band.shape[0], -1)) for k, band in enumerate(bands)
        ]
        return tf.concat(flat, axis=1), context

    def image(self, values, context):
        """Return the image of the coefficients; see `Parameters.image`."""
        shapes = self._shapes(context["shape"])
        flat = tf.split(values, [3 * math.prod(shape) for shape in shapes], axis=1)
        bands = [
            tf.reshape(band, (-1, *shape, 3)) / self.scale**k
            for k, (band, shape) in enumerate(zip(flat, shapes, strict=True))
        ]
        image = bands.pop()
        for band, shape in zip(reversed(bands), reversed(shapes[:-1]), strict=True):
            image = band + _enlarged(image, shape)
        if context["mask"] is None:
            return image
        return _masked(image, context["base"], context["mask"])

    def pictures(self, shape):
        """Return the number of coefficients by that of pixels; see `Parameters.pictures`."""
        return sum(map(math.prod, self._shapes(shape))) / math.prod(shape)

    def _shapes(self, shape: tuple[int, int]) -> list[tuple[int, int]]:
        """Return (H, W) of each band, from the finest on."""
        height, width = shape
        shapes = [(height, width)]
        while len(shapes) < self.levels and max(height, width) > 1:
            height, width = (height + 1) // 2, (width + 1) // 2
            shapes.append((height, width))
        return shapes

    def __repr__(self) -> str:
        return f"LaplacianPyramid(levels={self.levels}, scale={self.scale:g})"


def _unmasked(image, base, mask):
    """Return z in [0, 1] with ``base + m (z - base)`` the image, or as near to it as m allows."""
    # What a coarser level moved by m (z - x0) is x0 + m (z - x0): its z, not the image.
    return clip(base + tf.math.divide_no_nan(image - base, mask), SHOWN)


def _masked(values, base, mask):
    return base + mask * (values - base)


# TensorFlow's own resizing returns float32 for any input, and on a GPU its gradient is summed in no
# fixed order: a resumed run would not end the same.


def _halved(images, axis: int):
    """Return the means of pairs of neighbours along an axis; the last of an odd number repeats."""
    size = images.shape[axis]
    if size % 2:
        images = tf.concat([images, _part(images, axis, size - 1, 1)], axis)
    shape = [-1, *images.shape[1:]]
    shape[axis : axis + 1] = [shape[axis] // 2, 2]
    return tf.reduce_mean(tf.reshape(images, shape), axis + 1)


def _enlarged(images, shape: tuple[int, int]):
    """Return images of twice the size, by linear interpolation, without what is beyond (H, W)."""
    return _doubled(_doubled(images, 1, shape[0]), 2, shape[1])


def _doubled(images, axis: int, size: int):
    count = images.shape[axis]
    first, last = _part(images, axis, 0, 1), _part(images, axis, count - 1, 1)
    before = tf.concat([first, _part(images, axis, 0, count - 1)], axis)
    after = tf.concat([_part(images, axis, 1, count - 1), last], axis)
    # The fine pixels lie a quarter of a coarse one to either side of its centre.
    pairs = tf.stack([0.75 * images + 0.25 * before, 0.75 * images + 0.25 * after], axis + 1)
    shape = [-1, *images.shape[1:]]
    shape[axis] = 2 * count
    return _part(tf.reshape(pairs, shape), axis, 0, size)


def _part(images, axis: int, start: int, size: int):
    begin, sizes = [0] * 4, [-1, *images.shape[1:]]
    begin[axis], sizes[axis] = start, size
    return tf.slice(images, begin, sizes)


def shown(values, render: Callable | None):
    """Return the image of some values as a run shows, keeps and returns it: in [0, 1].

    Without a function from values to the image the values are the image, within these bounds.
    """
    return values if render is None else clip(render(values), SHOWN)


def clip(values, bounds: tuple[float, float] | None):
    """Return values within bounds; None bounds nothing."""
    return values if bounds is None else tf.clip_by_value(values, *bounds)
