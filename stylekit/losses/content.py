"""Losses that preserve the content of a picture: its features or its pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras import ops

from stylekit import functional
from stylekit._checks import caused_by, choice, fail
from stylekit.functional import Tensor
from stylekit.image import PictureLike, as_batch, picture_hash
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

if TYPE_CHECKING:
    from stylekit.features import FeatureExtractor


class ContentLoss(TileableLoss):
    """Squared error between the features of the image and those of a content picture.

    Parameters
    ----------
    reference : path, PIL image or array
        The content picture ``[H, W, 3]``, or a batch ``[B, H, W, 3]`` with one content per image.
        Its aspect ratio must be that of the image.
    layers : sequence of str, or mapping of str to float
        Layers to compare. If `layers` is a mapping, its values are the layer weights. Default: the
        extractor's content layers.
    layer_weights : sequence of float or mapping, optional
        One weight per layer, at least 0. Default: equal weights.
    mask : array [H, W], path, PIL image or callable, optional
        Weight of each position, in [0, 1]. Default: 1 everywhere.
    error : str
        The error of the image's features F from the reference's features P. ``"mse"``:
        ``mean (F - P)^2``. ``"rmse"``: ``sqrt(mean (F - P)^2 + eps)``. ``"half_sse"``:
        ``1/2 sum (F - P)^2`` (Gatys et al. 2016, eq. 1).
    normalize : str
        ``"relative"``: the squared error is divided by ``mean P^2``, or for "half_sse" by ``1/2 sum
        P^2``. The loss is then dimensionless, and "half_sse" equals "mse". ``"none"``: no division,
        as in the papers.
    weight, name
        See `Loss`.

    Raises
    ------
    InputError
        In `prepare`, if the aspect ratios of the reference and the image differ.
    """

    is_mean = True
    per_cell = ("mask", "feature")
    only_prepared = ("reference", "region", "layer_weights")

    def __init__(
        self,
        reference: PictureLike | Sequence[PictureLike],
        *,
        layers: LayersLike = None,
        layer_weights: LayerWeightsLike = None,
        mask: MaskLike | None = None,
        error: str = "mse",
        normalize: str = "relative",
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        with caused_by("reference"):
            self.reference = as_batch(reference, "content")
        self.layers = optional_layers(layers)
        self.layer_weights = weight_tuple(layer_weights, layers)
        self.region = Region(mask)
        self.error = choice(error, "error", ("mse", "rmse", "half_sse"))
        self.normalize = choice(normalize, "normalize", ("relative", "none"))

    def layers_of(self, extractor: FeatureExtractor) -> tuple[str, ...]:
        """Return the names of the layers; default: the content layers. See `Loss.layers_of`."""
        return extractor.default_layers("content_layers") if self.layers is None else self.layers

    def prepare(self, canvas: Canvas) -> Targets:
        """Return a dict of layer name to the reference's features, the mask and the weight."""
        image = reference_at(self.reference, canvas)
        layers = self.layers_of(canvas.extractor)
        masks = self.region.prepare(canvas, layers)
        features = canvas.extract(image, masks)
        weights = weight_shares(layers, self.layer_weights)
        return {
            layer: {"feature": features[layer], "mask": masks[layer], "weight": weights[layer]}
            for layer in masks
        }

    def means(self, features: Mapping[str, Tensor], targets: Targets) -> dict[str, Any]:
        """Return the mean squares of the errors and of P by layer; see `TileableLoss.means`."""
        means = {}
        for layer in targets:
            if layer in features:
                feature, mask = targets[layer]["feature"], targets[layer]["mask"]
                check_batch(features[layer], feature)
                feature = functional.full_precision(feature)
                difference = functional.full_precision(features[layer]) - feature
                means[layer] = {"error": _mean_square(difference, mask)}
                if self.normalize == "relative":
                    means[layer]["reference"] = _mean_square(feature, mask)
        return means

    def value(self, means: Mapping[str, Any], targets: Targets) -> Tensor:
        """Return the weighted mean of the errors over layers; see `TileableLoss.value`."""
        value = 0.0
        for layer in means:
            error = self._error(means[layer], targets[layer]["feature"], targets[layer]["mask"])
            value += ops.cast(targets[layer]["weight"], error.dtype) * error
        return value

    def _error(self, means, feature, mask):
        square = means["error"]
        if self.normalize == "relative":
            square = square / (means["reference"] + functional.EPSILON)
        elif self.error == "half_sse":
            height, width, channels = feature.shape[1:]
            positions = height * width if mask is None else ops.cast(ops.sum(mask), square.dtype)
            return 0.5 * positions * channels * square
        return ops.sqrt(square + functional.EPSILON) if self.error == "rmse" else square

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config: dict[str, Any] = {"reference": picture_hash(self.reference)}
        config |= self.region.get_config("mask")
        config |= {"error": self.error, "normalize": self.normalize}
        config |= weight_config(self.layer_weights)
        return config | super().get_config()


class PixelLoss(TileableLoss):
    """Mean squared error between the pixels of the image and those of a reference.

    Parameters
    ----------
    reference : path, PIL image or array
        A picture ``[H, W, 3]``, or a batch ``[B, H, W, 3]`` with one reference per image. Its
        aspect ratio must be that of the image.
    mask : array [H, W], path, PIL image or callable, optional
        Weight of each pixel, in [0, 1]. Default: 1 everywhere.
    weight, name
        See `Loss`.
    """

    reach = 0
    per_cell = ("mask", "image")
    only_prepared = ("reference", "region")

    def __init__(
        self,
        reference: PictureLike | Sequence[PictureLike],
        *,
        mask: MaskLike | None = None,
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        self.reference = as_batch(reference, "reference")
        self.region = Region(mask)

    def prepare(self, canvas: Canvas) -> Targets:
        """Return the reference and the mask at this size."""
        mask = None if self.region.mask is None else canvas.resolve_mask(self.region.mask)
        return {
            "image": reference_at(self.reference, canvas),
            "mask": None if mask is None else canvas.scaled_mask(mask),
        }

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return ``mean (image - reference)^2`` of pixels in [0, 1]; see `Loss.compute`."""
        image = functional.full_precision(image)
        check_batch(image, targets["image"])
        difference = image - ops.cast(targets["image"], image.dtype)
        return _mean_square(difference, targets["mask"])

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config = {"reference": picture_hash(self.reference)}
        return config | self.region.get_config("mask") | super().get_config()


def reference_at(reference, canvas: Canvas, argument: str = "reference"):
    """Return a batch of references at the size of the canvas, a tensor ``[B, H, W, 3]``.

    Raises
    ------
    InputError
        If the aspect ratios differ by more than rounding to whole pixels can cause.
    """
    height, width = reference.shape[1:3]
    base_height, base_width = canvas.base_shape
    # Rounding changes each side of both shapes by at most half a pixel.
    slack = (height + width + base_height + base_width) / 2
    if abs(height * base_width - width * base_height) > slack:
        fail(
            "the reference must have the aspect ratio of the picture",
            expected=f"that of {base_width}x{base_height}",
            received=f"{width}x{height} pixels",
            hint="crop the reference, or start from a picture of its aspect ratio",
            argument=argument,
        )
    return ops.stack([ops.convert_to_tensor(canvas.fitted(one)) for one in reference])


def check_batch(image, reference) -> None:
    """Raise `InputError` unless there is one reference, or one per image."""
    # In a traced function the batch size may be unknown.
    if reference.shape[0] != 1 and image.shape[0] not in (None, reference.shape[0]):
        fail(
            "the batch must have one reference, or one per picture",
            expected=f"1 or {image.shape[0]}",
            received=reference.shape[0],
            argument="reference",
        )


def _mean_square(x, mask):
    """Return the mean square over channels and, weighted by the mask, over positions: ``[B]``."""
    return ops.mean(functional.masked_mean(ops.square(x), mask), axis=-1)
