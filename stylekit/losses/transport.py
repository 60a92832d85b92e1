"""Style as the distribution of features, compared by what it costs to move one onto the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from stylekit import functional
from stylekit._checks import integer
from stylekit.functional import Tensor
from stylekit.image import PictureLike
from stylekit.losses.base import LayersLike, LayerWeightsLike, Needs, Targets
from stylekit.losses.canvas import Canvas
from stylekit.losses.statistic import FeatureStyleLoss, StatisticLoss, StyleLoss
from stylekit.masks import MaskLike

SORTED = 3
"""Copies of the values that are sorted in a step: in their order, their places, the differences."""

QUANTILES = 100
"""Bytes for each value of which quantiles are taken."""


class WassersteinStyleLoss(StyleLoss, StatisticLoss):
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


class SlicedWassersteinLoss(FeatureStyleLoss):
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

    only_prepared = (*FeatureStyleLoss.only_prepared, "seed")

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
        self.directions = None if directions is None else integer(directions, "directions", low=1)
        self.seed = integer(seed, "seed", low=0)

    def target(
        self,
        canvas: Canvas,
        layer: str,
        mask: Tensor | None,
        feature: Tensor,
        source: Tensor | None,
    ) -> dict[str, Any]:
        """Return the directions and the style's quantiles along them."""
        channels = feature.shape[-1]
        seed = self.seed, canvas.round, *canvas.shape
        directions = random_directions(seed, channels, self.directions or channels)
        count = cell_count(canvas, layer, mask)
        return {
            "directions": ops.convert_to_tensor(directions),
            "quantiles": functional.sliced_quantiles(feature, directions, count, source),
        }

    def distance(self, feature: Tensor, target: Mapping[str, Any]) -> Tensor:
        """Return `functional.sliced_distance`."""
        return functional.sliced_distance(
            feature, target["quantiles"], target["directions"], target["mask"]
        )

    def needs(self, shape: tuple[int, int], maps: Mapping[str, tuple[int, int, int]]) -> Needs:
        """Return what sorting takes; see `Loss.needs`."""
        return sorting_needs(
            h * w * (self.directions or channels) for h, w, channels in maps.values()
        )

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        return {"directions": self.directions, "seed": self.seed} | super().get_config()


def random_directions(seed: Sequence[int], channels: int, count: int) -> np.ndarray:
    """Return unit vectors, float32 ``[C, D]``; every C of them, in order, are orthogonal."""
    random, bases = np.random.default_rng(seed), []
    for _ in range(-(-count // channels)):
        basis, triangle = np.linalg.qr(random.normal(size=(channels, channels)))
        bases.append(basis * np.sign(np.diag(triangle)))  # evenly distributed (Mezzadri 2007)
    return np.concatenate(bases, axis=1)[:, :count].astype("float32")


def sorting_needs(counts: Iterable[int]) -> Needs:
    """Return the needs of a loss that sorts some numbers of values, one a layer; see `Needs`."""
    counts = list(counts)
    block = min(functional.QUANTILE_BLOCK, max(counts, default=0))
    held = 4 * sum(counts)
    return Needs(SORTED * held, held + QUANTILES * block, held)


def cell_count(canvas: Canvas, layer: str, mask: Tensor | None) -> int:
    """Return the number of a layer's cells on a canvas, or the rounded mass of a mask on them."""
    if mask is None:
        mask = canvas.mask(np.ones(canvas.mask_shape, "float32"), layer)
    return max(1, round(float(ops.sum(mask))))
