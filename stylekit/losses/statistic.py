"""Losses that compare the image's features with those of a reference."""

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
    per_picture,
    weight_config,
    weight_shares,
    weight_tuple,
)
from stylekit.losses.canvas import Canvas
from stylekit.losses.region import Region
from stylekit.losses.tileable import TileableLoss
from stylekit.masks import MaskLike


class ReferenceLoss(TileableLoss):
    """A loss with a reference, and with a mask on either side.

    Parameters
    ----------
    reference, layers, layer_weights, mask, reference_mask, reference_scale, weight, name
        See `StatisticLoss`.
    """

    only_prepared: tuple[str, ...] = (
        "reference",
        "reference_scale",
        "region",
        "reference_region",
        "layer_weights",
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

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config: dict[str, Any] = {self._reference_name: picture_hash(self.reference)}
        config |= weight_config(self.layer_weights)
        if self.reference_scale != 1:
            config[f"{self._reference_name}_scale"] = self.reference_scale
        config |= self.region.get_config("mask")
        config |= self.reference_region.get_config(f"{self._reference_name}_mask")
        return config | super().get_config()


class StatisticLoss(ReferenceLoss):
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
    only_prepared = (*ReferenceLoss.only_prepared, "area_exponent")

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


class StyleLoss(ReferenceLoss):
    """A loss whose reference is a style: the constructor that style losses share.

    Parameters
    ----------
    style : path, PIL image or array
        It keeps its own size and aspect ratio.
    mask : array [H, W], path, PIL image or callable, optional
        Where the style goes, in [0, 1]; of the picture's size. Default: everywhere.
    style_mask : array [h, w], path, PIL image or callable, optional
        Where the style is taken, of the style picture's own size. Default: everywhere.
    layers, layer_weights
        See `StatisticLoss`.
    style_scale : float
        Size of the style picture relative to its own: above 1 the strokes grow.
    weight, name
        See `Loss`.
    """

    _reference_name = "style"

    def __init__(
        self,
        style: PictureLike,
        mask: MaskLike | None = None,
        style_mask: MaskLike | None = None,
        *,
        layers: LayersLike = None,
        layer_weights: LayerWeightsLike = None,
        style_scale: float = 1.0,
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            style,
            layers=layers,
            layer_weights=layer_weights,
            mask=mask,
            reference_mask=style_mask,
            reference_scale=style_scale,
            weight=weight,
            name=name,
        )


class FeatureStyleLoss(StyleLoss):
    """Compares feature maps with a style's by what is no mean over positions, nor fits in tiles.

    The value is the mean over layers, by their weights, of `distance`, times the region's share of
    the picture.

    Parameters
    ----------
    style, mask, style_mask, layers, layer_weights, style_scale, weight, name
        See `StyleLoss`.
    """

    @abc.abstractmethod
    def target(
        self,
        canvas: Canvas,
        layer: str,
        mask: Tensor | None,
        feature: Tensor,
        source: Tensor | None,
    ) -> dict[str, Any]:
        """Return what `distance` compares with at a layer.

        Parameters
        ----------
        canvas : Canvas
        layer : str
        mask : tensor [1, h, w, 1] or None
            Of the image.
        feature : tensor [1, h', w', C]
            Of the style.
        source : tensor [1, h', w', 1] or None
            The style's mask.

        Returns
        -------
        dict of str to tensors
        """

    @abc.abstractmethod
    def distance(self, feature: Tensor, target: Mapping[str, Any]) -> Tensor:
        """Return the distance ``[B]`` of a feature map ``[B, h, w, C]`` from a target.

        Beside what `target` returned, the target holds the image's ``"mask"``.
        """

    def prepare(self, canvas: Canvas) -> Targets:
        """Return by layer what `target` does, with the image's mask and a factor."""
        layers = self.layers_of(canvas.extractor)
        masks = self.region.prepare(canvas, layers)
        beside = canvas.beside(self.reference, self.reference_scale)
        sources = self.reference_region.prepare(beside, masks)
        features = beside.extract(beside.image, sources)
        weights = weight_shares(layers, self.layer_weights)
        targets = {}
        for layer, source in sources.items():
            mask = masks[layer]
            share = 1.0 if mask is None else ops.mean(mask)
            targets[layer] = {
                **self.target(canvas, layer, mask, features.pop(layer), source),
                "mask": mask,
                "factor": weights[layer] * share,
            }
        return targets

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return the weighted mean over layers of the distances; see `Loss.compute`."""
        value = 0.0
        for layer, target in targets.items():
            distance = self.distance(features[layer], target)
            value += ops.cast(target["factor"], distance.dtype) * distance
        return per_picture(value, ops.shape(image)[0])
