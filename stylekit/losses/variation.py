"""Smoothness of the image."""

from __future__ import annotations

from stylekit import functional
from stylekit._checks import number
from stylekit.losses.base import Loss


class TotalVariationLoss(Loss):
    """Keeps neighbouring pixels alike: `functional.total_variation`.

    Parameters
    ----------
    exponent : float
        Power of the image gradient's magnitude, above 0: 1 is total variation proper (L1), 2 its
        square (L2), 2.5 the ``(dx^2 + dy^2)^1.25`` of the Keras example and the region scripts.
    isotropic : bool
        Whether dx and dy make one magnitude (True), or each its own, as `tf.image` has it.
    weight, name
        See `Loss`.
    """

    reach = 1

    def __init__(
        self,
        exponent: float = 2.0,
        *,
        isotropic: bool = True,
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        self.exponent = number(exponent, "exponent", low=0, open_low=True)
        self.isotropic = bool(isotropic)

    def compute(self, image, features, targets):
        """Return `functional.total_variation` of the image; see `Loss.compute`."""
        return functional.total_variation(image, self.exponent, isotropic=self.isotropic)

    def get_config(self):
        """Return the settings; see `Loss.get_config`."""
        config = {"exponent": self.exponent, "isotropic": self.isotropic}
        return config | super().get_config()
