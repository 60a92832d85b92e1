"""The geometry of bands: rows of a picture, for terms that read pixels and no network.

Of such a term let F(A) be the sum over the pixels of some rows A of what lies within r pixels of
each, where A ends as a picture does. If the end of A and the beginning of B are 2 r rows C, then
``F(A and B together) = F(A) + F(B) - F(C)``: what the cut changes in A, up to r rows from its end,
it changes in C alike, and so at the beginning of B. A term needs nothing but its own `compute`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from stylekit.transfer.memory.tiles import add, cut


@dataclasses.dataclass(frozen=True)
class Band:
    """Rows of a picture.

    Attributes
    ----------
    start : int or tensor
        The first row.
    rows : int
    sign : int
        1, or -1 if they are what two bands share.
    """

    start: Any
    rows: int
    sign: int = 1

    def cut(self, values):
        """Return these rows of ``[B, H, W, C]``."""
        return cut(values, (self.start, 0), (self.rows, values.shape[2]))

    def add(self, whole, rows):
        """Return `whole` with the rows added in their place, or taken away: as the sign is."""
        return add(whole, (self.start, 0), self.sign * rows)


class Bands:
    """The bands of a picture.

    Parameters
    ----------
    shape : (int, int)
        (H, W) of the picture.
    pixels : int
        About how many are in a band, beside those that it shares with the next.
    reach : int
        How many pixels away a term sees.
    """

    def __init__(self, shape: tuple[int, int], pixels: int, reach: int) -> None:
        self.height, width = shape
        self.shared = 2 * reach
        self.rows = max(1, self.shared, pixels // width)
        self.count = max(0, self.height - self.shared - 1) // self.rows  # but for the last one

    def fold(self, body: Callable, state):
        """Return the last of ``state = body(state, band)``, one band after the other.

        In a graph the bands but for the last one are a loop; `body` is given a `Band` for them all.
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
