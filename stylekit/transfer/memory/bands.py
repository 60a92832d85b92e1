"""The geometry of bands: rows of a picture, for losses that read pixels and no feature maps.

For such a loss, let F(A) be the sum over the pixels of a range A of rows. The value at a pixel
depends on pixels at most r away, and rows outside of A are treated as missing. If the last 2 r rows
of A, called C, are the first rows of B, then ``F(A and B together) = F(A) + F(B) - F(C)``. The
reason: at the end of A, the missing rows change the values of up to r rows, and at the end of C
they change the values in the same way. The same is true of the beginning of B. The loss therefore
needs no method other than `compute`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from stylekit.transfer.memory.tiles import add, cut


@dataclasses.dataclass(frozen=True)
class Band:
    """Some rows of a picture.

    Attributes
    ----------
    start : int or tensor
        The first row.
    rows : int
        Number of rows.
    sign : int
        1 for a band, or -1 for the rows that two bands share, which are subtracted once.
    """

    start: Any
    rows: int
    sign: int = 1

    def cut(self, values):
        """Return these rows of ``[B, H, W, C]``."""
        return cut(values, (self.start, 0), (self.rows, values.shape[2]))

    def add(self, whole, rows):
        """Return `whole` with the rows, times the sign, added in their place."""
        return add(whole, (self.start, 0), self.sign * rows)


class Bands:
    """The bands of a picture.

    Parameters
    ----------
    shape : (int, int)
        (H, W) of the picture.
    pixels : int
        Approximate number of pixels in a band, not counting those that it shares with the next
        band.
    reach : int
        Distance, in pixels, up to which pixels affect the loss at a pixel.
    """

    def __init__(self, shape: tuple[int, int], pixels: int, reach: int) -> None:
        self.height, width = shape
        self.shared = 2 * reach
        self.rows = max(1, self.shared, pixels // width)
        self.count = max(0, self.height - self.shared - 1) // self.rows  # without the last band

    def fold(self, body: Callable, state):
        """Apply ``state = body(state, band)`` to one band after the other; return the last state.

        In a graph, all bands except the last are one loop, for which `body` is called with a `Band`
        of tensors.
        """

        def step(index, state):
            state = body(state, Band(index * self.rows, self.rows + self.shared))
            if self.shared:
                state = body(state, Band((index + 1) * self.rows, self.shared, sign=-1))
            return index + 1, state

        if self.count:
            loop = (lambda index, _: index < self.count), step, (tf.constant(0), state)
            _, state = tf.while_loop(*loop, parallel_iterations=1)
        start = self.count * self.rows
        return body(state, Band(start, self.height - start))
