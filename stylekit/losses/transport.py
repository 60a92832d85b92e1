"""Style as the distribution of features, compared by what it costs to move one onto the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from stylekit import functional
from stylekit._checks import integer, number
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
from stylekit.losses.statistic import StatisticLoss
from stylekit.losses.tileable import TileableLoss
from stylekit.masks import MaskLike


class WassersteinStyleLoss(StatisticLoss):
    """Brings mean and covariance of the features to those of a style picture.

    The features of the image, or of a region, and those of the style are taken for Gaussians. The
    value is the mean over layers of their squared Wasserstein distance over the mean squared
    length of the style's features, times the region's share of the picture; see
    `functional.gaussian_distance`. It is 0 for equal means and covariances, and 1 for features
    that are all zero.

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

    Notes
    -----
    A step takes the eigenvalues of a matrix [C, C] for each layer, whatever the picture's size.

    References
    ----------
    Dowson, Landau: The Fréchet distance between multivariate normal distributions, Journal of
    Multivariate Analysis 12, 1982. The program style-transfer-pytorch, by K. Crowson, compares
    features by it, in a Newton-Schulz iteration, and by their channels' means; here the value is
    relative to the style's features, so that every layer counts alike.
    """

    is_mean = True
    only_prepared = StatisticLoss.only_prepared
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

    def statistic(self, feature: Tensor, mask: Tensor | None) -> Tensor:
        """Return `functional.joint_moments`."""
        return functional.joint_moments(feature, mask)

    def distance(self, statistic: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        """Return `functional.gaussian_distance` to a statistic and its covariance's root."""
        return functional.gaussian_distance(statistic, *target)

    def prepare(self, canvas: Canvas) -> Targets:
        """Return what `StatisticLoss.prepare` does, each statistic with its covariance's root."""
        targets = super().prepare(canvas)
        for target in targets.values():
            moments = target["statistic"]
            target["statistic"] = moments, functional.covariance_root(moments)
        return targets


class SlicedWassersteinLoss(TileableLoss):
    """Brings the distribution of the features to that of a style picture, along many directions.

    The features of the image, or of a region, are projected onto random directions. Along each
    direction the sorted values are compared with the style's. The value is the mean over layers of
    `functional.sliced_distance`, times the region's share of the picture. It is 0 if and, with
    enough directions, only if the style's features are a permutation of the image's; it is 1 for
    features that are all zero. It is no mean over positions, and cannot be taken in tiles.

    Parameters
    ----------
    style, mask, style_mask, layers, layer_weights, style_scale
        See `WassersteinStyleLoss`. Pictures and regions of other sizes are compared by their
        quantile functions: a soft mask weighs the positions.
    directions : int, optional
        Directions in a layer. Default: as many as it has channels. Fewer are faster: the time of a
        step goes into sorting.
    seed : int
        Of the random directions.
    weight, name
        See `Loss`.

    Notes
    -----
    The paper draws new directions in each step. Here they are drawn anew for each size and, where
    a `Pyramid` repeats a size, for each round, and stay the same in between: `Loss.compute` is not
    told of steps, and L-BFGS needs an objective that stays the same from one to the next. So that
    they leave nothing out, they are orthonormal, as far as there are no more than channels.

    References
    ----------
    Heitz, Vanhoey, Chambon, Belcour: A Sliced Wasserstein Loss for Neural Texture Synthesis,
    CVPR 2021. Their regions are extra channels with the regions' numbers; here a region is a term
    of its own, with a mask that may be soft.
    """

    only_prepared = ("style", "region", "style_region", "style_scale", "seed", "layer_weights")

    def __init__(
        self,
        style: PictureLike,
        mask: MaskLike | None = None,
        style_mask: MaskLike | None = None,
        *,
        layers: LayersLike = None,
        layer_weights: LayerWeightsLike = None,
        style_scale: float = 1.0,
        directions: int | None = None,
        seed: int = 0,
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        self.style = as_image(style, "style")
        self.region = Region(mask)
        self.style_region = Region(style_mask, "style mask", argument="style_mask")
        self.layers = optional_layers(layers)
        self.layer_weights = weight_tuple(layer_weights, layers)
        self.style_scale = number(style_scale, "style_scale", low=0, open_low=True)
        self.directions = None if directions is None else integer(directions, "directions", low=1)
        self.seed = integer(seed, "seed", low=0)

    def prepare(self, canvas: Canvas) -> Targets:
        """Return by layer the directions, the style's quantiles, the mask, and a factor."""
        layers = self.layers_of(canvas.extractor)
        masks = self.region.prepare(canvas, layers)
        beside = canvas.beside(self.style, self.style_scale)
        sources = self.style_region.prepare(beside, masks)
        features = beside.extract(beside.image, sources)
        weights = weight_shares(layers, self.layer_weights)
        seed = self.seed, canvas.round, *canvas.shape
        targets = {}
        for layer, source in sources.items():
            channels = features[layer].shape[-1]
            directions = random_directions(seed, channels, self.directions or channels)
            count = cell_count(canvas, layer, masks[layer])
            share = 1.0 if masks[layer] is None else ops.mean(masks[layer])
            targets[layer] = {
                "directions": ops.convert_to_tensor(directions),
                "quantiles": functional.sliced_quantiles(
                    features.pop(layer), directions, count, source
                ),
                "mask": masks[layer],
                "factor": weights[layer] * share,
            }
        return targets

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return the weighted mean over layers of the distances; see `Loss.compute`."""
        value = 0.0
        for layer, target in targets.items():
            distance = functional.sliced_distance(
                features[layer], target["quantiles"], target["directions"], target["mask"]
            )
            value += ops.cast(target["factor"], distance.dtype) * distance
        return per_picture(value, ops.shape(image)[0])

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config: dict[str, Any] = {"style": picture_hash(self.style)}
        config |= weight_config(self.layer_weights)
        if self.style_scale != 1:
            config["style_scale"] = self.style_scale
        config |= self.region.get_config("mask") | self.style_region.get_config("style_mask")
        config |= {"directions": self.directions, "seed": self.seed}
        return config | super().get_config()


def random_directions(seed: Sequence[int], channels: int, count: int) -> np.ndarray:
    """Return unit vectors, float32 ``[C, D]``; every C of them, in order, are orthogonal."""
    random, bases = np.random.default_rng(seed), []
    for _ in range(-(-count // channels)):
        basis, triangle = np.linalg.qr(random.normal(size=(channels, channels)))
        bases.append(basis * np.sign(np.diag(triangle)))  # evenly distributed (Mezzadri 2007)
    return np.concatenate(bases, axis=1)[:, :count].astype("float32")


def cell_count(canvas: Canvas, layer: str, mask: Tensor | None) -> int:
    """Return the number of a layer's cells on a canvas, or the rounded mass of a mask on them."""
    if mask is None:
        mask = canvas.mask(np.ones(canvas.mask_shape, "float32"), layer)
    return max(1, round(float(ops.sum(mask))))
