"""A style loss that compares correlations of features at a distance, as in rows and grids."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keras import ops

from stylekit import functional
from stylekit._checks import fail, integer
from stylekit.functional import Tensor
from stylekit.image import PictureLike
from stylekit.losses.base import LayersLike, LayerWeightsLike, Needs
from stylekit.losses.canvas import Canvas
from stylekit.losses.statistic import FeatureStyleLoss
from stylekit.masks import MaskLike

SHARES = (1 / 8, 1 / 4, 1 / 2)
"""Default shifts as fractions of the shorter side. The alternative, shifts by all powers of 2 in
cells up to half of a side, gives twice as many shifts for a picture of 192 pixels. It takes 1.5
times as long and does not preserve rows of bricks better."""


COPIES, GAPS = 1.15, 8e7
"""Memory while the gradient is evaluated: number of copies of all feature maps for each shift, and
number of additional bytes. Shifts are evaluated one at a time, and the allocator leaves gaps
between their arrays. Fitted to runs on a CPU at 256 and 512 pixels."""


class LongRangeGramStyleLoss(FeatureStyleLoss):
    """Distance between the Gram matrices of shifted features of image and style.

    A Gram matrix describes which features occur together at one place. It does not capture
    structures larger than the receptive field. This loss also multiplies features by the features
    at a vertical or horizontal distance; see `functional.shifted_gram_matrices`. This preserves the
    regularity of rows of bricks, grids and stripes.

    With the matrices G_s of the image and A_s of the style for each shift s, including no shift,
    the loss is the weighted mean over layers of ``sum_s |G_s - A_s|^2 / sum_s |A_s|^2``, times the
    region's share of the picture. The loss is 1 for features that are all 0. It cannot be evaluated
    in tiles, because the two places of a pair may lie in different tiles.

    Parameters
    ----------
    style, mask, style_mask, layers, layer_weights, style_scale
        See `WassersteinStyleLoss`. With a soft mask, the weight of a pair of places is the smaller
        of the mask values at the two places.
    shifts : sequence of int, optional
        Distances in pixels of the final size, at least 1. At each layer they are rounded to whole
        cells, and shifts of 0 cells are omitted. Default: 1/8, 1/4 and 1/2 of the shorter side of
        the smaller of image and style. Default shifts for which a region has no pairs are omitted.
    weight, name
        See `Loss`.

    Raises
    ------
    InputError
        In `prepare` at the final size, if a shift is larger than a layer's feature map, or a region
        has no two places that are this far apart. At the coarser levels of a pyramid such a shift
        is omitted.

    Notes
    -----
    At each layer, a step computes one matrix product per shift and direction. `GramStyleLoss`
    computes a single one.

    References
    ----------
    Berger, Memisevic: Incorporating long-range consistency in CNN-based texture generation, ICLR
    2017. They add this loss to the Gram matrix loss, with a separate weight. Their shifts are given
    in cells of each layer.
    """

    only_prepared = (*FeatureStyleLoss.only_prepared, "shifts")

    def __init__(
        self,
        style: PictureLike,
        mask: MaskLike | None = None,
        style_mask: MaskLike | None = None,
        *,
        layers: LayersLike = None,
        layer_weights: LayerWeightsLike = None,
        shifts: Sequence[int] | None = None,
        style_scale: float = 1.0,
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            style,
            mask,
            style_mask,
            layers=layers,
            layer_weights=layer_weights,
            style_scale=style_scale,
            weight=weight,
            name=name,
        )
        if shifts is not None:
            several = shifts if isinstance(shifts, Iterable) else (shifts,)
            shifts = tuple(integer(one, "a shift", low=1, argument="shifts") for one in several)
            if not shifts:
                fail("`shifts` must have at least one shift", received="none", argument="shifts")
        self.shifts = shifts

    def target(
        self,
        canvas: Canvas,
        layer: str,
        mask: Tensor | None,
        feature: Tensor,
        source: Tensor | None,
    ) -> dict[str, Any]:
        """Return the style's matrices as a dict from (vertical, horizontal) shift in cells."""
        grids = [canvas.extractor.grid(layer, side, k) for k, side in enumerate(canvas.shape)]
        if mask is None:
            mask = ops.ones((1, *(grid.cells for grid in grids), 1))
        there = ops.ones_like(feature[..., :1]) if source is None else source
        regions = {self.region.what: mask, self.reference_region.what: there}
        shifts = [(0, 0)]
        for axis, grid in enumerate(grids):
            for pixels, cells in self._cells(canvas, grid.stride, regions):
                shift = (0, cells) if axis else (cells, 0)
                unfit = [what for what, one in regions.items() if not _has_pairs(one, shift)]
                if not unfit:
                    shifts.append(shift)
                elif self.shifts is not None:
                    own = regions[unfit[0]].shape[1 + axis]
                    self._leave_out(canvas, layer, axis, pixels, cells, unfit[0], own)
        shifts = list(dict.fromkeys(shifts))
        grams = functional.shifted_gram_matrices(feature, shifts, source)
        return {"grams": {shift: grams[:, number] for number, shift in enumerate(shifts)}}

    def distance(self, feature: Tensor, target: Mapping[str, Any]) -> Tensor:
        """Return the relative squared error over the matrices of all shifts, a tensor ``[B]``."""
        grams = functional.shifted_gram_matrices(feature, list(target["grams"]), target["mask"])
        return functional.relative_error(grams, ops.stack(list(target["grams"].values()), axis=1))

    def needs(self, shape: tuple[int, int], maps: Mapping[str, tuple[int, int, int]]) -> Needs:
        """Return the memory for shifted copies; see `Loss.needs`."""
        most = 4 * max(map(math.prod, maps.values()), default=0)
        shifts = 1 + 2 * len(SHARES if self.shifts is None else self.shifts)
        copies = COPIES * shifts * 4 * sum(map(math.prod, maps.values()))
        return Needs(copies + GAPS, 2 * most)

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config = {} if self.shifts is None else {"shifts": list(self.shifts)}
        return config | super().get_config()

    def _cells(self, canvas: Canvas, stride: int, regions) -> list[tuple[int, int]]:
        """Return (pixels of the final size, cells) of each shift of at least one cell."""
        reduction = max(canvas.shape) / max(canvas.base_shape)
        if self.shifts is None:
            shorter = min(min(mask.shape[1:3]) for mask in regions.values())
            pairs = [(0, round(share * shorter)) for share in SHARES]
        else:
            pairs = [(one, round(one * reduction / stride)) for one in self.shifts]
        return [(pixels, cells) for pixels, cells in pairs if cells]

    def _leave_out(self, canvas, layer, axis, pixels, cells, what, own) -> None:
        """Add a note about an omitted shift, or raise `InputError` at the final size.

        Parameters
        ----------
        pixels, cells : int
            The shift along `axis`, in pixels of the final size and in cells of the layer.
        what : str
            Name of the region that has no pairs at this distance.
        own : int
            Number of cells of the region's feature map along `axis`.
        """
        height, width = canvas.shape
        if not canvas.is_final:
            canvas.notes.append(
                f"shift of {pixels} pixels omitted at {layer} of {width}x{height}: too large"
            )
            return
        if cells < own:
            fail(
                f"the {what} has no two places {pixels} pixels apart at layer {layer}",
                hint="use smaller `shifts` or a larger region",
                argument="shifts",
            )
        grids = (canvas.extractor.grid(layer, side, axis) for side in itertools.count(cells))
        size = next(length for length, grid in enumerate(grids, cells) if grid.cells > cells)
        fail(
            f"a shift of {pixels} pixels is larger than the feature map of layer {layer}",
            expected=f"at least {size} pixels per side of the picture and of the style",
            received=f"{own} cells for a shift of {cells} cells",
            hint="use smaller `shifts` or larger pictures",
            argument="shifts",
        )


def _has_pairs(mask, shift: tuple[int, int]) -> bool:
    """Return whether the weights of pairs of places at this distance sum to at least 1."""
    fits = all(cells < side for cells, side in zip(shift, mask.shape[1:3], strict=True))
    return fits and float(ops.sum(functional.pair_weights(mask, shift))) >= 1
