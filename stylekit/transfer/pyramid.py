"""`Pyramid`: the sizes of a coarse-to-fine run, and how its steps are distributed."""

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
        Longer side of the image at each level, in pixels, at least 1 and not decreasing. The last
        size is that of the picture. If a size is repeated, the run makes another round at that
        size: a new level that starts from the image of the previous level, with a new optimizer
        state. Losses can detect a round by `Canvas.start` and `Canvas.round`.
    shares : tuple of float
        Share of the steps that each level takes, at least 0. The shares are scaled to sum to 1.
        Default: equal shares.

    Raises
    ------
    InputError
        If a size is smaller than the previous one, or shares are negative or all zero, or the
        number of shares differs from the number of sizes.
    """

    sizes: tuple[int, ...]
    shares: tuple[float, ...]

    def __init__(self, sizes: Sequence[int], shares: Sequence[float] | None = None) -> None:
        sizes = tuple(integer(size, "a pyramid's size", low=1, argument="sizes") for size in sizes)
        if not sizes or any(b < a for a, b in itertools.pairwise(sizes)):
            fail(
                "`sizes` must hold at least one size, from small to large",
                received=list(sizes),
                argument="sizes",
            )
        shares = (1.0,) * len(sizes) if shares is None else shares
        shares = tuple(
            number(share, "a pyramid's share", low=0, argument="shares") for share in shares
        )
        if len(shares) != len(sizes) or not sum(shares):
            fail(
                "`shares` must hold one share for each size",
                expected=f"{len(sizes)} shares, not all zero",
                received=list(shares),
                argument="shares",
            )
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "shares", tuple(share / sum(shares) for share in shares))

    @classmethod
    def halving(cls, size: int, levels: int) -> Pyramid:
        """Return a pyramid of `levels` levels, each half the next, up to a longer side of `size`.

        Each level takes half the steps of the next coarser level, because its steps take about four
        times as long, and because the large forms are settled in the coarse levels.
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
        """Return a pyramid for a longer side of `size`, each level half the next.

        Its coarsest level has at most 768 pixels, so that a picture up to that size has one level.
        Each level takes a third of the steps of the next coarser level, so that it hardly takes
        longer.
        """
        count = 1 + max(0, math.ceil(math.log2(size / COARSEST)))
        sizes = cls.halving(size, count).sizes
        return cls(sizes, [3.0**k for k in reversed(range(count))])

    def levels(self, shape: tuple[int, int], steps: int) -> list[tuple[tuple[int, int], int]]:
        """Return the shape (H, W) and the steps of each level for a picture of a shape.

        The steps of all levels sum to `steps`; the last level takes the steps that rounding leaves
        over.

        Raises
        ------
        InputError
            If the last size differs from the picture's longer side.
        """
        if self.sizes[-1] != max(shape):
            fail(
                "the last size of a pyramid must be the longer side of the picture",
                expected=f"{max(shape)}",
                received=self.sizes[-1],
                argument="pyramid",
            )
        height, width = shape
        counts = [int(steps * share) for share in self.shares]
        counts[-1] = steps - sum(counts[:-1])
        shapes = [fit_shape(shape, size) for size in self.sizes[:-1]]
        return list(zip([*shapes, (height, width)], counts, strict=True))
