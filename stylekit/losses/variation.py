"""Total variation: a loss that smooths the image."""

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
    """Total variation of the image: a penalty on differences between neighbouring pixels.

    The loss is `functional.total_variation`. A second loss with ``channels="chroma"`` removes
    coloured noise and fringes and preserves light and dark strokes.

    Parameters
    ----------
    exponent : float
        Power of the magnitude of the image gradient, above 0. 1 is total variation (L1), 2 its
        square (L2), and 2.5 the ``(dx^2 + dy^2)^1.25`` of the Keras example.
    isotropic : bool
        True: the magnitude is ``sqrt(dx^2 + dy^2)``. False: dx and dy are penalised separately, as
        in `tf.image.total_variation`.
    channels : str
        ``"rgb"``: the colour channels. ``"chroma"``: the differences of the colour channels from
        the luma (`functional.chroma`), so that differences in lightness alone are not penalised.
    weight, name
        See `Loss`.

    Notes
    -----
    If the extractor is set to tile the picture, pixels at opposite edges are neighbours.

    The gradient of the chroma variation sums to zero over the channels of each pixel. A descent
    step preserves the mean of the channels and moves the colour towards the colours of the
    neighbouring pixels.

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
        """Return ``{tile: ()}``, where `tile` says how the picture tiles, or None if it does not.

        `tile` is a key, because targets may hold tensors only as values.
        """
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
