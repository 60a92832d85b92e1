"""Style losses that compare Gram matrices, of whole pictures or of regions."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from keras import ops

from stylekit import functional
from stylekit._checks import InputTypeError, check_options, choice, explain, fail, number
from stylekit.functional import Tensor
from stylekit.image import PictureLike
from stylekit.losses.base import LayersLike, LayerWeightsLike, Targets, per_picture, weight_shares
from stylekit.losses.canvas import Canvas
from stylekit.losses.packed import pack_masks, packed_gram_errors
from stylekit.losses.region import Region
from stylekit.losses.statistic import StatisticLoss, StyleLoss
from stylekit.losses.tileable import TileableLoss
from stylekit.masks import MaskLike

RegionLike: TypeAlias = (
    tuple[PictureLike, MaskLike | None]
    | tuple[PictureLike, MaskLike | None, MaskLike | None]
    | tuple[PictureLike, MaskLike | None, MaskLike | None, float]
)
"""One region of `GradientMaskStyleLoss`: ``(style, mask[, style_mask[, weight]])``."""


class GramStyleLoss(StyleLoss, StatisticLoss):
    """Distance between the Gram matrices of the image, or of a region, and those of a style.

    The Gram matrix G of the features f under a mask m is
    ``G = sum_p m_p f_p f_p^T / sum_p m_p`` over the positions p. Without a mask, m is 1. With N
    positions and the style's Gram matrix A, the loss is the weighted mean over layers of
    ``(sum m / N)^a |G - A|^2 / |A|^2``. With a = 1 the gradient at a pixel does not depend on the
    area of the region, and a mask value of 0.5 has half the effect of 1.

    Parameters
    ----------
    style : path, PIL image or array [h, w, 3]
        The style picture, which keeps its own size and aspect ratio.
    mask : array [H, W], path, PIL image or callable, optional
        Where the style is applied: values in [0, 1], with the picture's height and width. A
        callable is called with the picture. Default: everywhere.
    style_mask : array [h, w], path, PIL image or callable, optional
        Which part of the style picture is used: values in [0, 1], with the height and width of the
        style. Default: all of it.
    layers, layer_weights
        See `StatisticLoss`.
    normalize : str
        Scaling of the distance, one of `functional.GRAM_SCALINGS`; see `functional.gram_distance`.
        Default: ``"relative"``, the dimensionless form above.
    intensity : float
        Additional factor of the loss, at least 0.
    style_scale : float
        Factor by which the style picture is resized, above 0. Values above 1 make strokes larger.
    mask_mode : str
        How masks are resized to a layer: ``"simple"``, ``"inside"`` or ``"all"``; see
        `Canvas.mask`.
    area_exponent : float
        The exponent a, in [0, 1]. 0 removes the area factor, as in
        `recipes.presets.region_scripts`.
    small_regions : str
        What to do if a mask covers less than one cell of a layer: ``"error"`` raises,
        ``"skip_layer"`` omits the layer.
    weight, name
        See `Loss`. A weight of about 8 suits a content weight of 1.

    References
    ----------
    Gatys, Ecker, Bethge: Image Style Transfer Using Convolutional Neural Networks, CVPR 2016, eq.
    3-5. Here the matrices are divided by the number of positions and, by default, the distance is
    divided by the target's norm.
    Gatys, Ecker, Bethge, Hertzmann, Shechtman: Controlling Perceptual Factors in Neural Style
    Transfer, CVPR 2017, eq. 4, where m is the square of their guide. Features multiplied by the
    mask itself would weight products by m^2. Here each position is weighted by m.
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
        normalize: str = "relative",
        intensity: float = 1.0,
        style_scale: float = 1.0,
        mask_mode: str = "simple",
        area_exponent: float = 1.0,
        small_regions: str = "error",
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            style,
            layers=layers,
            layer_weights=layer_weights,
            style_scale=style_scale,
            weight=weight,
            name=name,
        )
        self.normalize = choice(normalize, "normalize", functional.GRAM_SCALINGS)
        self.intensity = number(intensity, "intensity", low=0)
        self.region = Region(mask, "mask", mode=mask_mode, small_regions=small_regions)
        self.reference_region = Region(
            style_mask,
            "style mask",
            argument="style_mask",
            mode=mask_mode,
            small_regions=small_regions,
        )
        self.area_exponent = number(area_exponent, "area_exponent", low=0, high=1)

    def statistic(self, feature: Tensor, mask: Tensor | None) -> Tensor:
        """Return `functional.masked_gram_matrix`."""
        return functional.masked_gram_matrix(feature, mask)

    def distance(self, statistic: Tensor, target: Tensor) -> Tensor:
        """Return `intensity` times `functional.gram_distance`, a tensor ``[B]``."""
        return self.intensity * functional.gram_distance(statistic, target, self.normalize)

    def factor(self, target: Tensor) -> Tensor:
        """Return the factor ``[B]`` of the squared differences in `distance`, for a target."""
        return self.intensity * functional.gram_scale(target, self.normalize)

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config = super().get_config() | {"normalize": self.normalize}
        if self.intensity != 1:
            config["intensity"] = self.intensity
        if self.region.mask is not None or self.reference_region.mask is not None:
            config |= {"mask_mode": self.region.mode, "area_exponent": self.area_exponent}
            config["small_regions"] = self.region.small_regions
        return config


class MaskedGramStyleLoss(GramStyleLoss):
    """`GramStyleLoss` with a required mask.

    Parameters
    ----------
    style, mask, style_mask, **options
        See `GramStyleLoss`.
    """

    def __init__(
        self, style: PictureLike, mask: MaskLike, style_mask: MaskLike | None = None, **options: Any
    ) -> None:
        if mask is None:
            raise InputTypeError(
                explain(
                    "`mask` is required",
                    expected="an array [H, W]",
                    received=None,
                    hint="use GramStyleLoss for the whole picture",
                ),
                argument="mask",
            )
        known = inspect.signature(GramStyleLoss).parameters
        check_options(type(self).__name__, options, known)
        super().__init__(style, mask, style_mask, **options)


class GradientMaskStyleLoss(TileableLoss):
    """Sum of `MaskedGramStyleLoss` over several regions, each with its own style.

    "Gradient mask" means a mask with values between 0 and 1, such as a ramp. It is not related to
    image gradients. All regions share one pass over the features, and positions where a mask is 0
    are skipped, so 16 regions that do not overlap cost little more than one. Masks need not sum to
    1. Where they are all 0, no style is applied.

    Parameters
    ----------
    regions : sequence of (style, mask[, style_mask[, weight]])
        Each entry holds the arguments of one `MaskedGramStyleLoss`, where `weight` is the
        `intensity`.
    region_names : sequence of str, optional
        Names of the regions in error messages. Default: their numbers, from 1.
    layers, layer_weights, normalize, style_scale, mask_mode, area_exponent, small_regions
        The same for every region; see `GramStyleLoss`.
    weight, name
        See `Loss`.
    """

    def __init__(
        self,
        regions: Iterable[RegionLike],
        *,
        region_names: Sequence[str] | None = None,
        layers: LayersLike = None,
        layer_weights: LayerWeightsLike = None,
        normalize: str = "relative",
        style_scale: float = 1.0,
        mask_mode: str = "simple",
        area_exponent: float = 1.0,
        small_regions: str = "error",
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        self.regions = tuple(
            MaskedGramStyleLoss(
                style,
                mask,
                style_mask,
                layers=layers,
                layer_weights=layer_weights,
                normalize=normalize,
                intensity=intensity,
                style_scale=style_scale,
                mask_mode=mask_mode,
                area_exponent=area_exponent,
                small_regions=small_regions,
            )
            for style, mask, style_mask, intensity in map(_region_tuple, regions)
        )
        if not self.regions:
            fail(
                "`regions` must not be empty",
                expected="one or more (style, mask) pairs",
                argument="regions",
            )
        self.layers = self.regions[0].layers
        numbers = map(str, range(1, len(self.regions) + 1))
        names = tuple(numbers if region_names is None else region_names)
        if len(names) != len(self.regions):
            fail(
                "`region_names` must have one name per region",
                expected=f"{len(self.regions)} names",
                received=len(names),
                argument="region_names",
            )
        for name, region in zip(names, self.regions, strict=True):
            region.region.what = f"mask of region {name}"
            region.reference_region.what = f"style mask of region {name}"
            region.region.argument = region.reference_region.argument = "regions"

    @property
    def parts(self) -> tuple[TileableLoss, ...]:
        """The losses of the regions; see `TileableLoss.parts`."""
        return self.regions

    def prepare(self, canvas: Canvas) -> Targets:
        """Return a dict of layer name to packed masks, target Gram matrices and factors."""
        prepared = [region.prepare(canvas) for region in self.regions]
        layers = self.layers_of(canvas.extractor)
        weights = weight_shares(layers, self.regions[0].layer_weights)
        targets = {}
        for layer in layers:
            served = [k for k, one in enumerate(prepared) if layer in one]
            if served:
                ones = [prepared[k].pop(layer) for k in served]
                grams = [one["statistic"] for one in ones]
                factors = [self.regions[k].factor(g) for k, g in zip(served, grams, strict=True)]
                shares = weights[layer] * ops.stack([one["share"] for one in ones])
                shares = ops.cast(shares, factors[0].dtype)
                masks = [ops.convert_to_numpy(one["mask"])[0, ..., 0] for one in ones]
                targets[layer] = {
                    "masks": pack_masks(np.stack(masks)),
                    "grams": ops.stack(grams),
                    "factors": shares[:, None] * ops.stack(factors),
                }
        return targets

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return the sum of the losses of the regions; see `Loss.compute`."""
        value = 0.0
        for layer, target in targets.items():
            errors = packed_gram_errors(features[layer], target["masks"], target["grams"])
            value += ops.sum(target["factors"] * errors, axis=0)
        return per_picture(value, ops.shape(image)[0])

    def get_config(self) -> dict[str, Any]:
        """Return the settings of each region; see `Loss.get_config`."""
        regions = []
        for region in self.regions:
            config = region.get_config()
            regions.append({k: v for k, v in config.items() if k not in ("layers", "weight")})
        return {"regions": regions} | super().get_config()


def _region_tuple(region):
    """Return (style, mask, style_mask, weight), with defaults for the last two."""
    if not isinstance(region, (tuple, list)) or not 2 <= len(region) <= 4:
        raise InputTypeError(
            explain(
                "each of `regions` must be a tuple",
                expected="(style, mask[, style_mask[, weight]])",
                received=f"{type(region).__name__} of {len(region)}"
                if hasattr(region, "__len__")
                else type(region).__name__,
            ),
            argument="regions",
        )
    return (*region, *(None, 1.0)[len(region) - 2 :])
