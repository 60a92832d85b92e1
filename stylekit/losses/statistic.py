"""Losses that compare one statistic of the image's features with that of a reference."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

from keras import ops

from stylekit import functional
from stylekit._checks import InputTypeError, explain, naming, number
from stylekit.functional import Tensor
from stylekit.image import PictureLike, as_image, picture_hash
from stylekit.losses.base import (
    LayersLike,
    LayerWeightsLike,
    Targets,
    optional_layers,
    weight_config,
    weight_shares,
    weight_tuple,
)
from stylekit.losses.canvas import Canvas
from stylekit.losses.region import Region
from stylekit.losses.tileable import TileableLoss
from stylekit.masks import MaskLike


class StatisticLoss(TileableLoss):
    """Compares one statistic of the image's features with that of a reference.

    A subclass writes `statistic` alone. If that is a mask-weighted mean over positions, zero for an
    empty mask, ``is_mean = True`` lets tiles take it. The value is the mean over layers, by their
    weights, of ``distance``; with a mask, each is multiplied by the region's share of the picture,
    so that the force on a pixel does not grow as the region shrinks.

    Parameters
    ----------
    reference : path, PIL image or array
        It keeps its own size and aspect ratio.
    layers : sequence of str, or mapping of str to float
        Default: the extractor's own style layers. A mapping holds the layers' weights, too.
    layer_weights : sequence of float or mapping, optional
        One a layer, at least 0. Default: equal.
    mask, reference_mask : array [H, W], path, PIL image or callable, optional
        Where the statistic is taken in the image and in the reference; of their sizes.
    reference_scale : float
        Size of the reference on the canvas, relative to its own.
    weight, name
        See `Loss`.
    """

    area_exponent = 1.0
    only_prepared = (
        "reference",
        "reference_scale",
        "region",
        "reference_region",
        "layer_weights",
        "area_exponent",
    )
    _reference_name = "reference"

    def __init__(
        self,
        reference: PictureLike,
        *,
        layers: LayersLike = None,
        layer_weights: LayerWeightsLike = None,
        mask: MaskLike | None = None,
        reference_mask: MaskLike | None = None,
        reference_scale: float = 1.0,
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        self.reference = as_image(reference, self._reference_name)
        self.layers = optional_layers(layers)
        self.layer_weights = weight_tuple(layer_weights, layers)
        self.region = Region(mask)
        self.reference_region = Region(
            reference_mask,
            f"{self._reference_name} mask",
            argument=f"{self._reference_name}_mask",
        )
        self.reference_scale = number(
            reference_scale, f"{self._reference_name}_scale", low=0, open_low=True
        )

    @abc.abstractmethod
    def statistic(self, feature: Tensor, mask: Tensor | None) -> Tensor:
        """Return the statistic of a feature map over a region.

        Parameters
        ----------
        feature : tensor [B, h, w, C]
        mask : tensor [1, h, w, 1] or None
            None is the whole map.

        Returns
        -------
        tensor [B, ...]
        """

    def _statistic(self, feature: Tensor, mask: Tensor | None) -> Tensor:
        value = self.statistic(feature, mask)
        if not hasattr(value, "shape"):
            raise InputTypeError(
                explain(
                    f"{type(self).__name__}.statistic returned no tensor",
                    expected="a tensor [B, ...]",
                    received=type(value).__name__,
                    hint="is a return missing?",
                )
            )
        return value

    def distance(self, statistic: Tensor, target: Tensor) -> Tensor:
        """Return the distance ``[B]`` of two statistics: `functional.relative_error`."""
        return functional.relative_error(statistic, target)

    def prepare(self, canvas: Canvas) -> Targets:
        """Return by layer the reference's statistic, the image's mask, its share, and a weight."""
        beside = canvas.beside(self.reference, self.reference_scale, argument=self._reference_name)
        layers = self.layers_of(canvas.extractor)
        masks = self.region.prepare(canvas, layers)
        reference_masks = self.reference_region.prepare(beside, masks)
        with naming(f"in method {type(self).__name__}.statistic"):
            statistics = beside.statistics(self._statistic, reference_masks)
        weights = weight_shares(layers, self.layer_weights)
        targets = {}
        for layer, statistic in statistics.items():
            mask = masks[layer]
            share = 1.0 if mask is None else float(ops.mean(mask)) ** self.area_exponent
            targets[layer] = {
                "statistic": statistic,
                "mask": mask,
                "share": ops.convert_to_tensor(share, "float32"),
                "weight": weights[layer],
            }
        return targets

    def means(self, features: Mapping[str, Tensor], targets: Targets) -> dict[str, Any]:
        """Return the statistics by layer, as far as the features go; see `TileableLoss`."""
        with naming(f"in method {type(self).__name__}.statistic"):
            return {
                layer: self._statistic(features[layer], targets[layer]["mask"])
                for layer in targets
                if layer in features
            }

    def value(self, means: Mapping[str, Any], targets: Targets) -> Tensor:
        """Return the weighted mean over layers of the distances; see `TileableLoss`."""
        value = 0.0
        for layer, statistic in means.items():
            distance = self.distance(statistic, targets[layer]["statistic"])
            distance = functional.full_precision(distance)
            factor = targets[layer]["weight"] * targets[layer]["share"]
            value += ops.cast(factor, distance.dtype) * distance
        return value

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config: dict[str, Any] = {self._reference_name: picture_hash(self.reference)}
        config |= weight_config(self.layer_weights)
        if self.reference_scale != 1:
            config[f"{self._reference_name}_scale"] = self.reference_scale
        config |= self.region.get_config("mask")
        config |= self.reference_region.get_config(f"{self._reference_name}_mask")
        return config | super().get_config()
