"""Losses that can be evaluated tile by tile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from stylekit.functional import Tensor
from stylekit.losses.base import Loss, Targets, per_picture

MATHEMATICS = {
    "is_mean": ("compute", "means", "statistic"),
    "reach": ("compute",),
    "parts": ("compute",),
}
"""Attributes that say something of methods: of another class's they say nothing."""

READS_NOTHING = ("__init__", "prepare", "get_config")
"""Methods that a class may add while what it inherits in `only_prepared` still holds."""


class TileableLoss(Loss):
    """A loss that `Tiles` and `Recompute` can take in parts, and whose traces `Reuse` can share.

    Any other loss works as well, except in tiles. What a class declares here holds for its own
    methods: where a class derived from it, or one mixed in, brings another `compute`, `means` or
    `statistic`, the attribute falls back to its default until that class declares it, too.

    Parameters
    ----------
    weight, name
        See `Loss`.

    Attributes
    ----------
    is_mean : bool
        Whether the value follows from mask-weighted means over the cells of its layers, which the
        tiles of a picture combine by mass. Such a loss writes `means` and `value`, and its targets
        are a dict by layer.
    reach : int or None
        Of a loss without layers whose value is a mean over pixels: how many pixels away lies what
        a pixel's own entry depends on. In tiles `compute` is then given bands of rows, one by
        one, as if each were a picture. The targets are None or a dict. None: it is given the
        whole picture.
    per_cell : tuple of str
        Which targets of a layer, or of the picture, have an entry a cell, or pixel:
        ``[1 or B, h, w, C]``. The one that is called ``"mask"``, unless it is None, weighs the
        means; of an empty one they are zero.
    only_prepared : tuple of str
        Attributes that `prepare` alone reads. Of another run's loss they may differ, and what was
        traced for the one serves the other; see `stylekit.transfer.Reuse`.
    """

    is_mean = False
    reach: int | None = None
    per_cell: tuple[str, ...] = ("mask",)
    only_prepared: tuple[str, ...] = ()

    def __init_subclass__(cls, **options) -> None:
        super().__init_subclass__(**options)
        for attribute, methods in MATHEMATICS.items():
            if not cls._declares(attribute, lambda own, methods=methods: own.keys() & {*methods}):
                setattr(cls, attribute, getattr(TileableLoss, attribute))
        if not cls._declares("only_prepared", _reads):
            cls.only_prepared = ()

    @classmethod
    def _declares(cls, attribute: str, differs) -> bool:
        """Return whether an attribute is declared before any class that differs from it."""
        for base in cls.__mro__:
            if attribute in vars(base):
                return True
            if differs(vars(base)):
                return False
        return False

    @property
    def parts(self) -> tuple[TileableLoss, ...]:
        """The losses whose sum it is: itself, unless it takes several in one pass."""
        return (self,)

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return the value that follows from the means; see `Loss.compute`."""
        value = self.value(self.means(features, targets), targets)
        return per_picture(value, ops.shape(image)[0])

    def means(self, features: Mapping[str, Any], targets: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is a mean over cells, by layer, for the layers that are in `features`.

        Parameters
        ----------
        features : mapping of str to tensor [B, h, w, C]
        targets : mapping of str
            By layer, as `prepare` returned them.

        Returns
        -------
        dict of str to tensor [B, ...], or to nested dicts of them
        """
        raise NotImplementedError(f"{type(self).__name__} has no means over cells")

    def value(self, means: Mapping[str, Any], targets: Mapping[str, Any]) -> Tensor:
        """Return the loss's value ``[B]`` from all layers' means."""
        raise NotImplementedError(f"{type(self).__name__} has no means over cells")


def _reads(own: Mapping[str, Any]) -> bool:
    """Return whether a class has methods of its own that may read any attribute."""
    return any(
        isinstance(value, property) or callable(value)
        for name, value in own.items()
        if name not in READS_NOTHING
    )
