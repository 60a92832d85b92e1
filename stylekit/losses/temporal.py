"""What keeps a frame of a video like the frames before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from keras import ops

from stylekit._checks import caused_by, fail
from stylekit.functional import Tensor, full_precision
from stylekit.image import PictureLike, as_image, picture_hash
from stylekit.image.arrays import unit_values
from stylekit.losses.base import Targets
from stylekit.losses.canvas import Canvas
from stylekit.losses.content import reference_at
from stylekit.losses.tileable import TileableLoss


class TemporalLoss(TileableLoss):
    """Keeps a frame like the stylised frame before it, where that is not occluded.

    With x the image, w the stylised frame before, moved by the optical flow, and c in [0, 1] how
    much a pixel is to be kept, the value is ``mean c (x - w)^2`` over all pixels and channels: what
    is occluded counts as 0, so that a few pixels that are left do not outweigh the others.

    Parameters
    ----------
    previous : path, PIL image or array [H, W, 3]
        The stylised frame before, moved; see `stylekit.image.warp`. Of the picture's aspect ratio.
    weights : array_like [H, W]
        In [0, 1]; see `stylekit.image.unoccluded`. All 0 is a frame without one before.
    weight, name
        See `Loss`.

    Raises
    ------
    InputError, InputTypeError
        If the weights do not fit `previous`. By `prepare`, if its aspect ratio is not the
        picture's.

    References
    ----------
    Ruder, Dosovitskiy, Brox: Artistic Style Transfer for Videos, 2016: the
    temporal consistency loss.
    """

    reach = 0
    per_cell = ("weights", "image")
    only_prepared = ("previous", "weights")

    def __init__(
        self,
        previous: PictureLike,
        weights: npt.ArrayLike,
        *,
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        self.previous = as_image(previous, "previous")
        with caused_by("weights"):
            self.weights = unit_values(weights, "weights")
        if self.weights.shape != self.previous.shape[:2]:
            fail(
                "`weights` have another shape than `previous`",
                expected=str(self.previous.shape[:2]),
                received=str(self.weights.shape),
                argument="weights",
            )

    def prepare(self, canvas: Canvas) -> Targets:
        """Return the moved frame and the weights at this size."""
        return {
            "image": reference_at(self.previous[np.newaxis], canvas, "previous"),
            "weights": canvas.scaled_mask(self.weights),
        }

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return ``mean c (x - w)^2`` in the unit of the pixels, [0, 1]."""
        image = full_precision(image)
        before, weights = (ops.cast(targets[key], image.dtype) for key in ("image", "weights"))
        return ops.mean(weights * ops.square(image - before), axis=(1, 2, 3))

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config = {"previous": picture_hash(self.previous), "weights": picture_hash(self.weights)}
        return config | super().get_config()
