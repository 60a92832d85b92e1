"""What is optimised, and how an image is made of it."""

from __future__ import annotations

import abc

import tensorflow as tf


class Parameters(abc.ABC):
    """A parametrisation of the image: values that an optimizer moves, and their picture.

    Attributes
    ----------
    bounds : (float, float) or None
        Limits that the values are clipped to after each step.
    """

    bounds: tuple[float, float] | None = None

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
        context : nested dicts and tuples of tensors or None
        """

    @abc.abstractmethod
    def image(self, values, context):
        """Return the image ``[B, H, W, 3]`` of some values, in differentiable operations."""


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
        # What a coarser level moved by m (z - x0) is x0 + m (z - x0): its z, not the image.
        values = clip(base + tf.math.divide_no_nan(image - base, update_mask), self.bounds)
        return values, {"base": base, "mask": update_mask}

    def image(self, values, context):
        """Return the image of the values; see `Parameters.image`."""
        if context is None:
            return values
        return context["base"] + context["mask"] * (values - context["base"])

    def __repr__(self) -> str:
        return "Pixels()"


def clip(values, bounds: tuple[float, float] | None):
    """Return values within bounds; None bounds nothing."""
    return values if bounds is None else tf.clip_by_value(values, *bounds)
