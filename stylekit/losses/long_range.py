"""Style as correlations of features with those some way off, which hold rows and grids."""

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
"""Default shifts, of the shorter side. Powers of two of cells, as far as half of a side, are twice
as many for a picture of 192 pixels, take 1.5 times as long and keep rows of bricks no better."""


COPIES, GAPS = 1.15, 8e7
"""Of all feature maps for each shift, and bytes beside, while the gradient is taken: shifts are
taken at a time, and their arrays leave gaps. Fitted to runs on a CPU, at 256 and 512 pixels."""


class LongRangeGramStyleLoss(FeatureStyleLoss):
    """Brings the correlations of features with those some way off to a style's.

    Gram matrices see how features go together at one place, and what is larger than the network's
    receptive field is lost on them. Here features are multiplied by those a shift down, and a shift
    across, as well: `functional.shifted_gram_matrices`. Rows of bricks, grids and stripes stay
    regular. The value is the mean over layers of ``sum_s |G_s - A_s|^2 / sum_s |A_s|^2`` over the
    shifts s, no shift among them, times the region's share of the picture. It is 1 for features
    that are all zero. Its pairs reach across tiles, and it cannot be taken in them.

    Parameters
    ----------
    style, mask, style_mask, layers, layer_weights, style_scale
        See `WassersteinStyleLoss`. Of soft masks a pair of places weighs the smaller value.
    shifts : sequence of int, optional
        In pixels of the final size, at least 1; at a layer each is rounded to whole cells, and left
        out if that is none. Default: an eighth, a quarter and half of the shorter side of the image
        or the style, the smaller of both, as far as the regions have such pairs.
    weight, name
        See `Loss`.

    Raises
    ------
    InputError
        By `prepare`, if a shift is larger than a layer's feature map, or no two places of a region
        are as far apart, at the final size. At a pyramid's coarser levels it is left out.

    Notes
    -----
    A step multiplies two matrices for each shift and direction, where `GramStyleLoss` has one.

    References
    ----------
    Berger, Memisevic: Incorporating long-range consistency in CNN-based texture generation, ICLR
    2017. They add the term to that of Gram matrices with a weight of its own; their shifts are
    cells of each layer.
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
                fail("`shifts` is empty", expected="one shift or more", argument="shifts")
        self.shifts = shifts

    def target(
        self,
        canvas: Canvas,
        layer: str,
        mask: Tensor | None,
        feature: Tensor,
        source: Tensor | None,
    ) -> dict[str, Any]:
        """Return the style's matrices, by their shifts down and across."""
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
        """Return the relative squared error of the matrices of all shifts together."""
        grams = functional.shifted_gram_matrices(feature, list(target["grams"]), target["mask"])
        return functional.relative_error(grams, ops.stack(list(target["grams"].values()), axis=1))

    def needs(self, shape: tuple[int, int], maps: Mapping[str, tuple[int, int, int]]) -> Needs:
        """Return what shifted copies take; see `Loss.needs`."""
        most = 4 * max(map(math.prod, maps.values()), default=0)
        shifts = 1 + 2 * len(SHARES if self.shifts is None else self.shifts)
        copies = COPIES * shifts * 4 * sum(map(math.prod, maps.values()))
        return Needs(copies + GAPS, 2 * most)

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config = {} if self.shifts is None else {"shifts": list(self.shifts)}
        return config | super().get_config()

    def _cells(self, canvas: Canvas, stride: int, regions) -> list[tuple[int, int]]:
        """Return the shifts in pixels of the final size, and in cells, where there are any."""
        reduction = max(canvas.shape) / max(canvas.base_shape)
        if self.shifts is None:
            shorter = min(min(mask.shape[1:3]) for mask in regions.values())
            pairs = [(0, round(share * shorter)) for share in SHARES]
        else:
            pairs = [(one, round(one * reduction / stride)) for one in self.shifts]
        return [(pixels, cells) for pixels, cells in pairs if cells]

    def _leave_out(self, canvas, layer, axis, pixels, cells, what, own) -> None:
        """Take note of a shift that is left out; raise `InputError` at the final size.

        Parameters
        ----------
        pixels, cells : int
            The shift, along an axis.
        what : str
            The region that has no such pairs.
        own : int
            Cells of its feature map along the axis.
        """
        height, width = canvas.shape
        if not canvas.is_final:
            canvas.notes.append(
                f"shift of {pixels} pixels left out at {layer} of {width}x{height}: too large"
            )
            return
        if cells < own:
            fail(
                f"no two places of the {what} are {pixels} pixels apart at layer {layer}",
                expected="a shift that fits into the region",
                hint="take smaller shifts, or a larger region",
                argument="shifts",
            )
        grids = (canvas.extractor.grid(layer, side, axis) for side in itertools.count(cells))
        size = next(length for length, grid in enumerate(grids, cells) if grid.cells > cells)
        fail(
            f"a shift of {pixels} pixels is larger than the feature map of layer {layer}",
            expected=f"at least {size} pixels a side of the picture and of the style",
            received=f"{own} cells for a shift of {cells}",
            hint="take smaller shifts, or larger pictures",
            argument="shifts",
        )


def _has_pairs(mask, shift: tuple[int, int]) -> bool:
    """Return whether pairs of places a shift apart weigh as much as one cell."""
    fits = all(cells < side for cells, side in zip(shift, mask.shape[1:3], strict=True))
    return fits and float(ops.sum(functional.pair_weights(mask, shift))) >= 1
