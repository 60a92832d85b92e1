"""Base classes of losses that compare features of the image with those of a reference."""

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
    """Base class of losses with a reference, a mask of the image and a mask of the reference.

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
    """Base class of losses that compare a statistic of the features with that of a reference.

    A subclass implements `statistic`. The loss is the weighted mean over layers of `distance`. With
    a mask, each distance is multiplied by the region's share of the picture, so that the gradient
    at a pixel does not grow as the region shrinks.

    The loss can be evaluated in tiles if the statistic is a mask-weighted mean over positions, and
    0 for an empty mask. Such a class sets ``is_mean = True``; see `TileableLoss`.

    Parameters
    ----------
    reference : path, PIL image or array [h, w, 3]
        The reference picture, which keeps its own size and aspect ratio.
    layers : sequence of str, or mapping of str to float
        Layers to compare. If `layers` is a mapping, its values are the layer weights. Default: the
        extractor's style layers.
    layer_weights : sequence of float or mapping, optional
        One weight per layer, at least 0. Default: equal weights.
    mask, reference_mask : array, path, PIL image or callable, optional
        Where the statistic is computed, in [0, 1]: ``[H, W]`` of the image and ``[h, w]`` of the
        reference. Default: everywhere.
    reference_scale : float
        Factor by which the reference is resized, above 0.
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
            Weights of the positions, in [0, 1]. None: the whole map.

        Returns
        -------
        tensor [B, ...]
        """

    def _statistic(self, feature: Tensor, mask: Tensor | None) -> Tensor:
        value = self.statistic(feature, mask)
        if not hasattr(value, "shape"):
            raise InputTypeError(
                explain(
                    f"{type(self).__name__}.statistic must return a tensor",
                    expected="a tensor [B, ...]",
                    received=type(value).__name__,
                    hint="does it end without a return statement?",
                )
            )
        return value

    def distance(self, statistic: Tensor, target: Tensor) -> Tensor:
        """Return `functional.relative_error` of two statistics, a tensor ``[B]``."""
        return functional.relative_error(statistic, target)

    def prepare(self, canvas: Canvas) -> Targets:
        """Return a dict of layer name to the reference's statistic, mask, share and weight."""
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
        """Return the statistic of each layer in `features`; see `TileableLoss.means`."""
        with naming(f"in method {type(self).__name__}.statistic"):
            return {
                layer: self._statistic(features[layer], targets[layer]["mask"])
                for layer in targets
                if layer in features
            }

    def value(self, means: Mapping[str, Any], targets: Targets) -> Tensor:
        """Return the weighted mean of the distances over layers; see `TileableLoss.value`."""
        value = 0.0
        for layer, statistic in means.items():
            distance = self.distance(statistic, targets[layer]["statistic"])
            distance = functional.full_precision(distance)
            factor = targets[layer]["weight"] * targets[layer]["share"]
            value += ops.cast(factor, distance.dtype) * distance
        return value


class StyleLoss(ReferenceLoss):
    """Base class of losses whose reference is a style picture.

    Parameters
    ----------
    style : path, PIL image or array [h, w, 3]
        The style picture, which keeps its own size and aspect ratio.
    mask : array [H, W], path, PIL image or callable, optional
        Where the style is applied: values in [0, 1], with the picture's height and width. Default:
        everywhere.
    style_mask : array [h, w], path, PIL image or callable, optional
        Which part of the style picture is used: values in [0, 1], with the height and width of the
        style. Default: all of it.
    layers, layer_weights
        See `StatisticLoss`.
    style_scale : float
        Factor by which the style picture is resized, above 0. Values above 1 make strokes larger.
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
    """Base class of style losses that need whole feature maps and cannot be evaluated in tiles.

    A subclass implements `target` and `distance`. The loss is the weighted mean of `distance` over
    layers, each multiplied by the region's share of the picture.

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
        """Return the target of a layer, with which `distance` compares the features of the image.

        Parameters
        ----------
        canvas : Canvas
        layer : str
        mask : tensor [1, h, w, 1] or None
            The image's mask at the layer.
        feature : tensor [1, h', w', C]
            The style's features.
        source : tensor [1, h', w', 1] or None
            The style's mask at the layer.

        Returns
        -------
        dict of str to tensors
        """

    @abc.abstractmethod
    def distance(self, feature: Tensor, target: Mapping[str, Any]) -> Tensor:
        """Return the distance ``[B]`` between a feature map ``[B, h, w, C]`` and a target.

        In addition to what `target` returned, the target has the image's ``"mask"``.
        """

    def prepare(self, canvas: Canvas) -> Targets:
        """Return a dict of layer name to `target`, extended by ``"mask"`` and ``"factor"``."""
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
        """Return the weighted mean of the distances over layers; see `Loss.compute`."""
        value = 0.0
        for layer, target in targets.items():
            distance = self.distance(features[layer], target)
            value += ops.cast(target["factor"], distance.dtype) * distance
        return per_picture(value, ops.shape(image)[0])
