"""Coarse to fine: the sizes of a run, and how its steps are shared among them."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

from stylekit._checks import fail, integer, number
from stylekit._defaults import COARSEST
from stylekit.image import fit_shape


@dataclasses.dataclass(frozen=True, init=False)
class Pyramid:
    """The levels of a coarse-to-fine run.

    Attributes
    ----------
    sizes : tuple of int
        Longer side of the image at each level, in pixels; the last is the picture's own. A size
        that is given again is a further round: a new level that goes on from the last one's image,
        with a new optimizer state, for losses that look at `Canvas.start` or `Canvas.round`.
    shares : tuple of float
        Share of the steps of each level; scaled to sum to 1. Default: equal.

    Raises
    ------
    InputError
        If a size is smaller than the one before, or the shares are negative, all zero or of
        another number.
    """

    sizes: tuple[int, ...]
    shares: tuple[float, ...]

    def __init__(self, sizes: Sequence[int], shares: Sequence[float] | None = None) -> None:
        sizes = tuple(integer(size, "a pyramid's size", low=1, argument="sizes") for size in sizes)
        if not sizes or any(b < a for a, b in itertools.pairwise(sizes)):
            fail(
                "a pyramid's sizes are wrong",
                expected="sizes from the smallest to the largest",
                received=list(sizes),
                argument="sizes",
            )
        shares = (1.0,) * len(sizes) if shares is None else shares
        shares = tuple(
            number(share, "a pyramid's share", low=0, argument="shares") for share in shares
        )
        if len(shares) != len(sizes) or not sum(shares):
            fail(
                "a pyramid's shares are wrong",
                expected=f"{len(sizes)} shares, not all zero",
                received=list(shares),
                argument="shares",
            )
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "shares", tuple(share / sum(shares) for share in shares))

    @classmethod
    def halving(cls, size: int, levels: int) -> Pyramid:
        """Return `levels` levels up to a longer side of `size`, each half the next.

        Each level has half the steps of the one before: a step there costs a quarter, and what
        the coarse levels have settled the finer ones need not find again.
        """
        integer(
            levels,
            "the number of a pyramid's levels",
            low=1,
            high=size.bit_length(),
            argument="levels",
        )
        sizes = [max(1, round(size / 2**k)) for k in reversed(range(levels))]
        return cls(sizes, [2.0**k for k in reversed(range(levels))])

    @classmethod
    def of(cls, size: int) -> Pyramid:
        """Return the levels for a picture of a longer side, each half the next.

        The coarsest is the first that is at most 768 pixels: a picture up to that has one level.
        Each level has a third of the steps of the one before, and so takes hardly longer.
        """
        count = 1 + max(0, math.ceil(math.log2(size / COARSEST)))
        sizes = cls.halving(size, count).sizes
        return cls(sizes, [3.0**k for k in reversed(range(count))])

    def levels(self, shape: tuple[int, int], steps: int) -> list[tuple[tuple[int, int], int]]:
        """Return ((H, W), steps) of each level for a picture of a shape.

        Every step is given to a level; the last level takes what rounding leaves.

        Raises
        ------
        InputError
            If the last size is not the picture's longer side.
        """
        if self.sizes[-1] != max(shape):
            fail(
                "a pyramid does not end at the picture's size",
                expected=f"a last size of {max(shape)}",
                received=self.sizes[-1],
                argument="pyramid",
            )
        height, width = shape
        counts = [int(steps * share) for share in self.shares]
        counts[-1] = steps - sum(counts[:-1])
        shapes = [fit_shape(shape, size) for size in self.sizes[:-1]]
        return list(zip([*shapes, (height, width)], counts, strict=True))
