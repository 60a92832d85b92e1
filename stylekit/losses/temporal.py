"""A loss that keeps a frame of a video close to the previous frame."""

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
    """Squared error from the previous stylised frame of a video, except in occluded pixels.

    Let x be the image, w the previous stylised frame, warped by the optical flow, and c in [0, 1]
    the weight of a pixel. The loss is ``mean c (x - w)^2`` over all pixels and channels. Occluded
    pixels contribute 0 to this mean. A mean over the visible pixels alone would give each of them a
    large weight in frames where only a few pixels are visible.

    Parameters
    ----------
    previous : path, PIL image or array [H, W, 3]
        The previous stylised frame, warped; see `stylekit.image.warp`. It must have the aspect
        ratio of the image.
    weights : array_like [H, W]
        Weights of the pixels, in [0, 1]; see `stylekit.image.unoccluded`. For a frame without a
        previous frame, all weights are 0.
    weight, name
        See `Loss`.

    Raises
    ------
    InputError, InputTypeError
        If the shape of the weights differs from that of `previous`. In `prepare`, if the aspect
        ratios of `previous` and the image differ.

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
                "`weights` must have the height and width of `previous`",
                expected=str(self.previous.shape[:2]),
                received=str(self.weights.shape),
                argument="weights",
            )

    def prepare(self, canvas: Canvas) -> Targets:
        """Return the warped frame and the weights at this size; see `Loss.prepare`."""
        return {
            "image": reference_at(self.previous[np.newaxis], canvas, "previous"),
            "weights": canvas.scaled_mask(self.weights),
        }

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return ``mean c (x - w)^2`` of pixels in [0, 1]; see `Loss.compute`."""
        image = full_precision(image)
        before, weights = (ops.cast(targets[key], image.dtype) for key in ("image", "weights"))
        return ops.mean(weights * ops.square(image - before), axis=(1, 2, 3))

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config = {"previous": picture_hash(self.previous), "weights": picture_hash(self.weights)}
        return config | super().get_config()
