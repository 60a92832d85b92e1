"""The matting Laplacian loss, which keeps the image photorealistic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stylekit import functional
from stylekit._checks import caused_by, fail, number
from stylekit.functional import Tensor
from stylekit.image import PictureLike, as_batch, picture_hash
from stylekit.image.arrays import tiled_axes
from stylekit.losses.base import Needs, Targets
from stylekit.losses.canvas import Canvas
from stylekit.losses.content import check_batch, reference_at
from stylekit.losses.tileable import TileableLoss

FITTED, INVERTED = 400, 900
"""Bytes per pixel while the windows are fitted, and while the covariances of the windows are
inverted."""


class MattingLaplacianLoss(TileableLoss):
    """Matting Laplacian loss: residual of local affine fits of the image to the content's colours.

    In every window of 3 x 3 pixels, each channel of the image is fitted by an affine function of
    the content's colours. The loss is the mean squared residual, `functional.matting_energy`.
    Colours, contrast and lightness may change smoothly everywhere, and abruptly only at edges of
    the content. Distorted lines, and texture that the content does not have, are penalised.

    Parameters
    ----------
    reference : path, PIL image or array
        The content picture ``[H, W, 3]``, or a batch ``[B, H, W, 3]`` with one content per image.
        Its aspect ratio must be that of the image.
    epsilon : float
        Ridge penalty on the slopes of the fits, in units of squared colour, above 0. The default is
        that of the program of Luan et al. Larger values penalise local contrast.
    weight, name
        See `Loss`. The value is about 1e-3 for brush strokes where the content is flat, so weights
        are of the order of 1e3.

    Raises
    ------
    InputError
        In `prepare`, if the aspect ratios of the reference and the image differ, or a side of a
        level is shorter than 3 pixels.

    References
    ----------
    .. [1] F. Luan, S. Paris, E. Shechtman, K. Bala: Deep Photo Style Transfer. CVPR 2017,
       equation 2.
    .. [2] A. Levin, D. Lischinski, Y. Weiss: A Closed-Form Solution to Natural Image Matting. IEEE
       Transactions on Pattern Analysis and Machine Intelligence 30(2), 2008, equation 12.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.basic("photo.jpg", "dusk.jpg", style_loss="gram")  # doctest: +SKIP
    >>> recipe.add(sk.MattingLaplacianLoss("photo.jpg", weight=1e4))  # doctest: +SKIP
    """

    reach = 1
    per_cell = ("image", "precision")
    only_prepared = ("reference", "epsilon")

    def __init__(
        self,
        reference: PictureLike | Sequence[PictureLike],
        *,
        epsilon: float = 1e-7,
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        with caused_by("reference"):
            self.reference = as_batch(reference, "content")
        self.epsilon = number(epsilon, "epsilon", low=0, open_low=True)

    def prepare(self, canvas: Canvas) -> Targets:
        """Return the content at this size, and the inverse covariances of its windows."""
        if min(canvas.shape) < 3:
            height, width = canvas.shape
            fail(
                "the picture is too small for windows of 3 x 3 pixels",
                expected="at least 3 pixels per side",
                received=f"{width}x{height} pixels",
                hint="use a larger picture, or fewer pyramid levels",
                argument="reference",
            )
        image = reference_at(self.reference, canvas)
        rows, columns = ((int(wraps),) * 2 for wraps in tiled_axes(canvas.extractor.tile))
        image = functional.extended(image, rows, columns, canvas.extractor.tile)
        return {"image": image, "precision": functional.window_precision(image, self.epsilon)}

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return `functional.matting_energy` of pixels in [0, 1]; see `Loss.compute`."""
        check_batch(image, targets["image"])
        # If the picture tiles, windows cross its edges, and the content is one pixel larger there.
        shapes = zip(targets["image"].shape[1:3], image.shape[1:3], strict=True)
        rows, columns = (((wide - side) // 2,) * 2 for wide, side in shapes)
        image = functional.extended(image, rows, columns, "both")
        return functional.matting_energy(image, targets["image"], targets["precision"])

    def needs(self, shape: tuple[int, int], maps: Mapping[str, tuple[int, int, int]]) -> Needs:
        """Return the memory for the windows of all pixels; see `Loss.needs`."""
        pixels, count = math.prod(shape), len(self.reference)
        return Needs(FITTED * pixels, count * INVERTED * pixels, count * 12 * 4 * pixels)

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config = {"reference": picture_hash(self.reference), "epsilon": self.epsilon}
        return config | super().get_config()
