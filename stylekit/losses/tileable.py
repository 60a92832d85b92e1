"""The base class of losses that can be evaluated tile by tile."""

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
"""Attributes that describe methods, with the methods that each describes. An attribute is reset if
a subclass overrides one of its methods."""

READS_NOTHING = ("__init__", "prepare", "get_config")
"""Methods that a subclass may override without resetting the inherited `only_prepared`."""


class TileableLoss(Loss):
    """Base class of losses that `Tiles` and `Recompute` can split and whose traces `Reuse` shares.

    A loss that does not derive from this class can be used with all plans except tiles. The
    attributes describe the methods of the class that declares them. If a subclass or a mixin
    overrides `compute`, `means` or `statistic`, the attributes are reset to their defaults unless
    that class declares them again.

    Parameters
    ----------
    weight, name
        See `Loss`.

    Attributes
    ----------
    is_mean : bool
        Whether the loss is a function of mask-weighted means over the cells of its layers. Such a
        loss implements `means` and `value`, and its targets are a dict by layer. The means of the
        tiles are combined, weighted by the mass of the mask in each tile.
    reach : int or None
        For a loss without layers that is a mean over pixels: the distance, in pixels, to the
        farthest pixel on which the term of one pixel depends. With tiles, `compute` is then called
        with one band of rows at a time, as if it were a picture. The targets must be None or a
        dict. If None, `compute` is called with the whole picture.
    per_cell : tuple of str
        Names of the targets that have one entry per cell of the layer, or per pixel:
        ``[1 or B, h, w, C]``. The target ``"mask"``, unless None, holds the weights of the means.
        The means of an empty mask are 0.
    only_prepared : tuple of str
        Attributes that only `prepare` reads. Two losses that differ only in these share a trace;
        see `stylekit.transfer.Reuse`.
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
        """Return whether an attribute is still valid for this class.

        In method resolution order, the class that declares it must come no later than the first
        class for which `differs` is true.
        """
        for base in cls.__mro__:
            if attribute in vars(base):
                return True
            if differs(vars(base)):
                return False
        return False

    @property
    def parts(self) -> tuple[TileableLoss, ...]:
        """The losses whose sum this loss is: itself, unless it evaluates several in one pass."""
        return (self,)

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return `value` of `means`; see `Loss.compute`."""
        value = self.value(self.means(features, targets), targets)
        return per_picture(value, ops.shape(image)[0])

    def means(self, features: Mapping[str, Any], targets: Mapping[str, Any]) -> dict[str, Any]:
        """Return mask-weighted means over the cells of each layer that is in `features`.

        Parameters
        ----------
        features : mapping of str to tensor [B, h, w, C]
        targets : mapping of str
            What `prepare` returned: the targets of each layer.

        Returns
        -------
        dict of str to tensor [B, ...], or to nested dicts of such tensors
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `means`")

    def value(self, means: Mapping[str, Any], targets: Mapping[str, Any]) -> Tensor:
        """Return the loss ``[B]`` from the means of all layers."""
        raise NotImplementedError(f"{type(self).__name__} must implement `value`")


def _reads(own: Mapping[str, Any]) -> bool:
    """Return whether a class body defines methods or properties other than `READS_NOTHING`."""
    return any(
        isinstance(value, property) or callable(value)
        for name, value in own.items()
        if name not in READS_NOTHING
    )
