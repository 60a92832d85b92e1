"""Smoothness of the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stylekit import functional
from stylekit._checks import choice, number
from stylekit.functional import Tensor
from stylekit.losses.base import Targets
from stylekit.losses.canvas import Canvas
from stylekit.losses.tileable import TileableLoss

CHANNELS = ("rgb", "chroma")


class TotalVariationLoss(TileableLoss):
    """Keeps neighbouring pixels alike: `functional.total_variation`.

    One of the chroma beside one of the colours takes out coloured noise and fringes, and leaves
    strokes of light and dark as they are.

    Parameters
    ----------
    exponent : float
        Power of the image gradient's magnitude, above 0: 1 is total variation proper (L1), 2 its
        square (L2), 2.5 the ``(dx^2 + dy^2)^1.25`` of the Keras example and the region scripts.
    isotropic : bool
        Whether dx and dy make one magnitude (True), or each its own, as `tf.image` has it.
    channels : str
        ``"rgb"``: the colours. ``"chroma"``: their differences from the luma
        (`functional.chroma`), so that what varies in lightness alone costs nothing.
    weight, name
        See `Loss`.

    Notes
    -----
    Where the extractor's picture tiles, pixels of opposite edges are neighbours.

    The gradient of the chroma's variation sums to zero over the channels of each pixel: a step
    against it keeps their mean, and moves the colour towards the neighbours'.

    Examples
    --------
    >>> import stylekit as sk
    >>> terms = [
    ...     sk.TotalVariationLoss(weight=2),
    ...     sk.TotalVariationLoss(channels="chroma", weight=8, name="color_noise"),
    ... ]
    """

    reach = 1

    def __init__(
        self,
        exponent: float = 2.0,
        *,
        isotropic: bool = True,
        channels: str = "rgb",
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        self.exponent = number(exponent, "exponent", low=0, open_low=True)
        self.isotropic = bool(isotropic)
        self.channels = choice(channels, "channels", CHANNELS)

    def prepare(self, canvas: Canvas) -> Targets:
        """Return how the picture tiles, as the one key of an entry without tensors, or None."""
        tile = canvas.extractor.tile
        return {tile: ()} if tile else None

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return `functional.total_variation` of the channels; see `Loss.compute`."""
        image = functional.chroma(image) if self.channels == "chroma" else image
        (tile,) = targets or (None,)
        return functional.total_variation(image, self.exponent, isotropic=self.isotropic, tile=tile)

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config = {"exponent": self.exponent, "isotropic": self.isotropic}
        return config | {"channels": self.channels} | super().get_config()
