"""A style loss that compares the mean, standard deviation and histogram of each channel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from keras import ops

from stylekit import functional
from stylekit._checks import number
from stylekit.functional import Tensor
from stylekit.image import PictureLike
from stylekit.losses.base import LayersLike, LayerWeightsLike, Needs, Targets
from stylekit.losses.canvas import Canvas
from stylekit.losses.statistic import StatisticLoss, StyleLoss
from stylekit.losses.transport import cell_count, sorting_needs
from stylekit.masks import MaskLike


class MomentStyleLoss(StyleLoss, StatisticLoss):
    """Relative error of the mean and standard deviation of each channel from those of a style.

    The loss is the weighted mean over layers of `functional.moment_distance`, the relative squared
    error of both moments together, times the region's share of the picture. It is 0 for equal means
    and standard deviations, and 1 for features that are all 0.

    Parameters
    ----------
    style, mask, style_mask, layers, layer_weights, style_scale
        See `WassersteinStyleLoss`.
    histogram_weight : float
        Weight of the distance between the histograms of the channels, at least 0; the moments have
        the weight 1. The distance is the mean squared difference of the sorted values, relative to
        the style's mean square. Above 0, the loss cannot be evaluated in tiles.
    weight, name
        See `Loss`.

    References
    ----------
    Huang, Belongie: Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization,
    ICCV 2017, eq. 13, sum the norms of the differences. Li, Wang, Liu, Hou: Demystifying Neural
    Style Transfer, IJCAI 2017, "BN statistics matching", divide the squares by the number of
    channels. Here both moments are relative to the moments of the style. Risser, Wilmot, Barnes:
    Stable and Controllable Neural Texture Synthesis and Style Transfer Using Histogram Losses,
    2017, match histograms of 256 bins and add the loss to the Gram matrix loss. Here all values are
    sorted, without bins.
    """

    is_mean = True
    only_prepared = StatisticLoss.only_prepared

    def __init__(
        self,
        style: PictureLike,
        mask: MaskLike | None = None,
        style_mask: MaskLike | None = None,
        *,
        layers: LayersLike = None,
        layer_weights: LayerWeightsLike = None,
        histogram_weight: float = 0.0,
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
        self.histogram_weight = number(histogram_weight, "histogram_weight", low=0)
        self.is_mean = self.is_mean and not self.histogram_weight

    def statistic(self, feature: Tensor, mask: Tensor | None) -> Tensor:
        """Return `functional.raw_moments`."""
        return functional.raw_moments(feature, mask)

    def distance(self, statistic: Tensor, target: Tensor) -> Tensor:
        """Return `functional.moment_distance`."""
        return functional.moment_distance(statistic, target)

    def prepare(self, canvas: Canvas) -> Targets:
        """Return the targets of `StatisticLoss`, plus ``"quantiles"`` if histograms are used."""
        targets = super().prepare(canvas)
        if self.histogram_weight:
            beside = canvas.beside(self.reference, self.reference_scale, argument="style")
            sources = self.reference_region.prepare(beside, targets)
            for layer, feature in beside.extract(beside.image, sources).items():
                count = cell_count(canvas, layer, targets[layer]["mask"])
                targets[layer]["quantiles"] = functional.sliced_quantiles(
                    feature, None, count, sources[layer]
                )
        return targets

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return the weighted mean of the distances over layers; see `Loss.compute`."""
        value = super().compute(image, features, targets)
        if not self.histogram_weight:
            return value
        for layer, target in targets.items():
            distance = functional.sliced_distance(
                features[layer], target["quantiles"], None, target["mask"]
            )
            factor = self.histogram_weight * target["weight"] * target["share"]
            value += ops.cast(factor, distance.dtype) * distance
        return value

    def needs(self, shape: tuple[int, int], maps: Mapping[str, tuple[int, int, int]]) -> Needs:
        """Return the memory for sorting; see `Loss.needs`."""
        return sorting_needs(map(math.prod, maps.values()) if self.histogram_weight else ())

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config = super().get_config()
        if self.histogram_weight:
            config["histogram_weight"] = self.histogram_weight
        return config
