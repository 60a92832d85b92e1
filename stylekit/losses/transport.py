"""Style losses that compare the distributions of features by Wasserstein distances."""

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
"""Number of arrays as large as the sorted values in a step: the values, their indices and the
differences."""

QUANTILES = 100
"""Bytes per value for the computation of quantiles."""


class WassersteinStyleLoss(StyleLoss, StatisticLoss):
    """Squared Wasserstein distance between Gaussians fitted to the features of image and style.

    The features of the image, or of a region, and those of the style are described by their means
    and covariances. The loss is the weighted mean over layers of `functional.gaussian_distance`:
    the squared 2-Wasserstein distance of the Gaussians, divided by the mean squared length of the
    style's features. It is multiplied by the region's share of the picture. It is 0 for equal means
    and covariances, and 1 for features that are all 0.

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

    Notes
    -----
    A step computes the eigenvalues of one matrix ``[C, C]`` per layer, whatever the picture's size.

    References
    ----------
    Dowson, Landau: The Fréchet distance between multivariate normal distributions, Journal of
    Multivariate Analysis 12, 1982. The program style-transfer-pytorch, by K. Crowson, uses this
    distance with a Newton-Schulz iteration, and compares the means of the channels. Here the value
    is relative to the style's features, so that every layer has the same influence.
    """

    is_mean = True
    only_prepared = StatisticLoss.only_prepared

    def statistic(self, feature: Tensor, mask: Tensor | None) -> Tensor:
        """Return `functional.joint_moments`."""
        return functional.joint_moments(feature, mask)

    def distance(self, statistic: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        """Return `functional.gaussian_distance` to the target statistic and covariance root."""
        return functional.gaussian_distance(statistic, *target)

    def prepare(self, canvas: Canvas) -> Targets:
        """Return the targets of `StatisticLoss`, with each statistic's `covariance_root`."""
        targets = super().prepare(canvas)
        for target in targets.values():
            moments = target["statistic"]
            target["statistic"] = moments, functional.covariance_root(moments)
        return targets


class SlicedWassersteinLoss(FeatureStyleLoss):
    """Sliced Wasserstein distance between the distributions of the features of image and style.

    The features of the image, or of a region, are projected onto random directions. The sorted
    projections along each direction are compared with those of the style. The loss is the weighted
    mean over layers of `functional.sliced_distance`, times the region's share of the picture. It is
    0 if the features of the image are a permutation of the style's, and, with enough directions,
    only then. It is 1 for features that are all 0. It is not a mean over positions, so it cannot be
    evaluated in tiles.

    Parameters
    ----------
    style, mask, style_mask, layers, layer_weights, style_scale
        See `WassersteinStyleLoss`. Pictures and regions of different sizes are compared by their
        quantile functions. The values of a soft mask are the weights of the positions.
    directions : int, optional
        Number of directions per layer, at least 1. Default: the number of channels. Fewer
        directions are faster, because most of the time of a step is spent on sorting.
    seed : int
        Seed of the random directions, at least 0.
    weight, name
        See `Loss`.

    Notes
    -----
    The paper draws new directions in every step. Here new directions are drawn for each size and
    for each round at a size that a `Pyramid` repeats. They stay the same from step to step, because
    L-BFGS needs an objective that does not change. If there are no more directions than channels,
    the directions are orthonormal. As many directions as channels then span the whole feature
    space.

    References
    ----------
    Heitz, Vanhoey, Chambon, Belcour: A Sliced Wasserstein Loss for Neural Texture Synthesis, CVPR
    2021. They add the region numbers as additional channels. Here each region has a separate loss,
    whose mask may be soft.
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
        """Return the memory for sorting; see `Loss.needs`."""
        return sorting_needs(
            h * w * (self.directions or channels) for h, w, channels in maps.values()
        )

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        return {"directions": self.directions, "seed": self.seed} | super().get_config()


def random_directions(seed: Sequence[int], channels: int, count: int) -> np.ndarray:
    """Return unit vectors, float32 ``[C, D]``, orthogonal within each group of C vectors."""
    random, bases = np.random.default_rng(seed), []
    for _ in range(-(-count // channels)):
        basis, triangle = np.linalg.qr(random.normal(size=(channels, channels)))
        bases.append(basis * np.sign(np.diag(triangle)))  # uniformly distributed (Mezzadri 2007)
    return np.concatenate(bases, axis=1)[:, :count].astype("float32")


def sorting_needs(counts: Iterable[int]) -> Needs:
    """Return the `Needs` of a loss that sorts values, from the number of values per layer."""
    counts = list(counts)
    block = min(functional.QUANTILE_BLOCK, max(counts, default=0))
    held = 4 * sum(counts)
    return Needs(SORTED * held, held + QUANTILES * block, held)


def cell_count(canvas: Canvas, layer: str, mask: Tensor | None) -> int:
    """Return the rounded sum of a layer's mask, at least 1, or the number of cells for None."""
    if mask is None:
        mask = canvas.mask(np.ones(canvas.mask_shape, "float32"), layer)
    return max(1, round(float(ops.sum(mask))))
