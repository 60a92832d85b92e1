"""A loss that compares the mean colours of regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from stylekit.functional import EPSILON, Tensor, full_precision
from stylekit.image import picture_hash
from stylekit.losses.base import Loss, Targets
from stylekit.losses.canvas import Canvas

_FLOOR = 0.3  # a tenth of |t|^2 of white


class PaletteLoss(Loss):
    """Relative error of each region's mean colour from the mean colour of its style region.

    Let c_r be the mean colour of the image under mask m_r, t_r that of the style under its mask,
    and N the number of pixels. The loss is
    ``sum_r (sum m_r / N) |c_r - t_r|^2 / max(|t_r|^2, 0.3)``. The bound 0.3 is a tenth of white's
    ``|t|^2 = 3``. It keeps the relative errors of dark colours from dominating.

    With tiles, `compute` is called with the whole picture, because a mean needs the whole region.

    Parameters
    ----------
    regions : sequence of (style, mask, style_mask)
        A style picture ``[h, w, 3]``, a mask ``[H, W]`` of the picture's size and one ``[h, w]`` of
        the style's size. Masks are in [0, 1] and not empty.
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
        """Return the normalised masks, the factors of the regions and the style's mean colours."""
        masks = ops.concatenate([canvas.scaled_mask(mask) for mask in self.masks], axis=-1)
        masks = ops.reshape(masks, (-1, len(self.masks)))
        mass = ops.sum(masks, axis=0) + EPSILON
        colors = ops.convert_to_tensor(self.colors)
        share = mass / masks.shape[0] / ops.maximum(ops.sum(colors**2, axis=1), _FLOOR)
        return {"means": ops.transpose(masks / mass), "colors": colors, "share": share}

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return the sum of the errors over the regions; see `Loss.compute`."""
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
