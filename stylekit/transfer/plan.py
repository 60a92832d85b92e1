"""How an objective is evaluated: in one go, or with less memory for more time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from stylekit._checks import integer
from stylekit.features import FeatureExtractor
from stylekit.losses import Loss
from stylekit.losses.base import layer_tuple
from stylekit.transfer.objective import Objective
from stylekit.transfer.recompute import RecomputedObjective
from stylekit.transfer.tiling import TiledObjective


@dataclasses.dataclass(frozen=True)
class Plan:
    """How an objective is evaluated; this one keeps all activations, and is the fastest.

    The others compute the same value and gradient, but for rounding.
    """

    def objective(
        self, losses: Sequence[Loss], extractor: FeatureExtractor, shape: tuple[int, int], **options
    ) -> Objective:
        """Return the objective of some terms at one size; see `Objective` for `options`."""
        return Objective(losses, extractor, shape, **options)


@dataclasses.dataclass(frozen=True)
class Recompute(Plan):
    """The first layers' activations are not kept but computed again, in less memory.

    Parameters
    ----------
    layers : True, str or sequence of str
        See `RecomputedObjective`.

    Raises
    ------
    InputTypeError
        If the layers are neither True nor names.
    """

    layers: bool | str | Sequence[str] = True

    def __post_init__(self) -> None:
        if self.layers is not True:
            layer_tuple(self.layers)

    def objective(self, losses, extractor, shape, **options):
        """Return the objective; see `Plan.objective`."""
        return RecomputedObjective(losses, extractor, shape, recompute=self.layers, **options)


@dataclasses.dataclass(frozen=True)
class Tiles(Plan):
    """The picture is taken in windows, one after the other: memory does not grow with it.

    A picture, such as a coarse level's, that is no larger than a tile is taken as a whole.

    Parameters
    ----------
    size : int
        Most pixels of a tile's side; see `TiledObjective`.

    Raises
    ------
    InputError
        If the size is below 1.
    """

    size: int = 512

    def __post_init__(self) -> None:
        integer(self.size, "a tile's size", low=1)

    def objective(self, losses, extractor, shape, **options):
        """Return the objective; see `Plan.objective`."""
        if max(shape) <= self.size:
            return super().objective(losses, extractor, shape, **options)
        return TiledObjective(losses, extractor, shape, tile=self.size, **options)
