"""The mean colours of regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from stylekit.functional import EPSILON, Tensor, full_precision
from stylekit.image import picture_hash
from stylekit.losses.base import Loss, Targets
from stylekit.losses.canvas import Canvas

_FLOOR = 0.3  # a tenth of white's


class PaletteLoss(Loss):
    """Brings the mean colour of each region to that of a region of a style.

    With c_r the mean colour under mask m_r and t_r the style's under its own mask, the value is
    ``sum_r (sum m_r / N) |c_r - t_r|^2 / max(|t_r|^2, 0.3)``: errors are relative, and those of
    colours darker than a tenth of white's ``|t|^2 = 3`` are relative to that, so that black
    does not outweigh all else. With tiles it is given the whole picture: a region's mean needs all
    of it, and holds nothing but the masks.

    Parameters
    ----------
    regions : sequence of (style, mask, style_mask)
        Pictures, and masks of the picture's and of the style's size, in [0, 1], not empty.
    weight, name
        See `Loss`.
    """

    def __init__(
        self,
        regions: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
        *,
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        self.masks = [mask for _, mask, _ in regions]
        self.colors = np.array(
            [mean_color(style, source) for style, _, source in regions], np.float32
        )

    def prepare(self, canvas: Canvas) -> Targets:
        """Return the masks as weights of means, their shares, and the style's mean colours."""
        masks = ops.concatenate([canvas.scaled_mask(mask) for mask in self.masks], axis=-1)
        masks = ops.reshape(masks, (-1, len(self.masks)))
        mass = ops.sum(masks, axis=0) + EPSILON
        colors = ops.convert_to_tensor(self.colors)
        share = mass / masks.shape[0] / ops.maximum(ops.sum(colors**2, axis=1), _FLOOR)
        return {"means": ops.transpose(masks / mass), "colors": colors, "share": share}

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return the weighted sum over regions; see `Loss.compute`."""
        pixels = full_precision(ops.reshape(image, (image.shape[0], -1, 3)))
        means, colors, share = (
            ops.cast(targets[key], pixels.dtype) for key in ("means", "colors", "share")
        )
        error = ops.matmul(means, pixels) - colors
        return ops.sum(share * ops.sum(ops.square(error), axis=-1), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        masks = [picture_hash(mask) for mask in self.masks]
        return {"masks": masks, "colors": self.colors.tolist()} | super().get_config()


def mean_color(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the mean colour ``[3]`` of a picture ``[H, W, 3]`` under a mask ``[H, W]``."""
    return np.average(picture.reshape(-1, 3), axis=0, weights=np.ravel(mask))
