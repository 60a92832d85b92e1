"""A style loss by relaxed optimal transport between hypercolumns of image and style (STROTSS).

Nearest neighbours are searched in both directions. From the image to the style they make every
place of the image similar to a place of the style. From the style to the image they make sure that
every part of the style is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from stylekit import functional
from stylekit._checks import fail, integer, number
from stylekit.functional import Tensor
from stylekit.image import PictureLike, as_image, picture_hash
from stylekit.losses.base import (
    LayersLike,
    LayerWeightsLike,
    Loss,
    Needs,
    Targets,
    optional_layers,
    per_picture,
    weight_config,
    weight_tuple,
    weights_by_layer,
)
from stylekit.losses.canvas import Canvas
from stylekit.losses.hypercolumns import CellGrid, cell_means, feature_factors, sample_of, sampled
from stylekit.losses.region import Region
from stylekit.masks import MaskLike

SCALE = 1 / 8
"""Factor of the loss. Without it, the loss would be larger at the end of a run than the relative
squared errors of the other style losses. The recipes multiply a user's loss by 32 with VGG19. With
this factor, a strength of 0.5 gives visible strokes and preserves the content, as judged by eye."""


PAIR = 36
"""Bytes per pair of places, for the distances of features and of colours, while the gradient is
evaluated."""


class RelaxedTransportLoss(Loss):
    """Relaxed earth mover's distance between hypercolumns of the image and of a style (STROTSS).

    A hypercolumn is the concatenation of the features of several layers at one place. With C_ij the
    cosine distances between sampled hypercolumns i of the image and j of the style, the loss is
    `SCALE` times the weighted mean of three dimensionless terms:

    - the relaxed earth mover's distance ``max(mean_i min_j C_ij, mean_j min_i C_ij)``;
    - `moments`: the relative L1 errors of the mean and the covariance of the hypercolumns. They
      depend on the lengths of the features and so on the contrast, which cosines do not;
    - `palette`: the relaxed earth mover's distance of the colours of the cells, with root mean
      square differences as the cost.

    Parameters
    ----------
    style : path, PIL image or array [h, w, 3], or a list of them
        Each keeps its own size and aspect ratio. A list has one style per region.
    mask : array [H, W], path, PIL image or callable, or a list of them, optional
        Where each style is applied: values in [0, 1], with the picture's height and width. The
        values are the weights of the cells in means and covariances. Each region is compared with
        its own style region only, and its value is multiplied by its share of the picture. Default:
        everywhere.
    style_mask : array [h, w], path, PIL image or callable, or a list of them, optional
        Which part of each style is used, in the same order. The values are the weights of the cells
        of the style. Default: all of it.
    layers : sequence of str, or mapping of str to float
        Layers of the hypercolumns. If `layers` is a mapping, its values are the layer weights.
        Default: the extractor's style layers.
    layer_weights : sequence of float or mapping, optional
        Factors of the features, one per layer, at least 0. Default: equal weights.
    moments, palette : float
        Weights of the second and third term, at least 0. The first term has the weight 1.
    samples : int
        Maximum number of cells that are compared per region and per style region, at least 1; see
        `CellGrid`. Time and memory grow with its square.
    style_scale : float
        Factor by which the style pictures are resized, above 0. Values above 1 make strokes larger.
    seed : int
        Seed of the random samples of cells, at least 0.
    weight, name
        See `Loss`.

    Raises
    ------
    InputError
        In the constructor, if the numbers of styles and masks differ. In `prepare`, if a mask is
        invalid, a style is too small for a layer, or a region or style region has no cell. The
        message lists all such regions.

    References
    ----------
    Kolkin, Salavon, Shakhnarovich: Style Transfer by Relaxed Optimal Transport and
    Self-Similarity (STROTSS), CVPR 2019, eq. 8-10, and section 2.4 for regions. This loss differs
    from theirs as follows:

    - They draw 1024 new places of the image in every step. Here the sample depends only on the
      seed, the size and the round of a `Pyramid`, because L-BFGS needs an objective that does not
      change.
    - A hypercolumn is the mean over a cell instead of an interpolated point. The features of each
      layer are divided by their mean and by the number of channels; the paper uses the features
      unchanged.
    - The errors of the moments are relative to the moments of the style.
    - Their palette weight is the inverse of the content weight, and doubles from each size to the
      next. The default here is their weight at the finest size, 1/2.
    - They rotate the colours from RGB, which does not change Euclidean distances. Their program
      adds the cosine distance of the colours, which depends on the origin of the colour space.
    - They have no soft masks.
    """

    def __init__(
        self,
        style: PictureLike | Sequence[PictureLike],
        mask: MaskLike | Sequence[MaskLike | None] | None = None,
        style_mask: MaskLike | Sequence[MaskLike | None] | None = None,
        *,
        layers: LayersLike = None,
        layer_weights: LayerWeightsLike = None,
        moments: float = 1.0,
        palette: float = 0.5,
        samples: int = 1024,
        style_scale: float = 1.0,
        seed: int = 0,
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        lists = {"style": style, "mask": mask, "style_mask": style_mask}
        counts = {key: len(one) for key, one in lists.items() if isinstance(one, list | tuple)}
        count = max(counts.values(), default=1)
        styles, masks, sources = (_one_each(value, count, key) for key, value in lists.items())
        self.styles = [as_image(one, "style") for one in styles]
        numbers = [f" {k}" if count > 1 else "" for k in range(1, count + 1)]
        self.regions = [Region(one, f"mask{k}") for one, k in zip(masks, numbers, strict=True)]
        self.style_regions = [
            Region(one, f"style mask{k}", argument="style_mask")
            for one, k in zip(sources, numbers, strict=True)
        ]
        self.layers = optional_layers(layers)
        self.layer_weights = weight_tuple(layer_weights, layers)
        self.moments = number(moments, "moments", low=0)
        self.palette = number(palette, "palette", low=0)
        self.samples = integer(samples, "samples", low=1)
        self.style_scale = number(style_scale, "style_scale", low=0, open_low=True)
        self.seed = integer(seed, "seed", low=0)

    def prepare(self, canvas: Canvas) -> Targets:
        """Return the sampled positions and the style's hypercolumns; see `Loss.prepare`.

        Returns
        -------
        dict of str to dict
            For each region: the positions of its sample, ``"index"`` (by layer) and ``"pixels"``;
            the masses of its cells and of the style's, ``"weights"`` ``[N]`` and ``"masses"``
            ``[M]``; ``"factors"`` by layer; the style's hypercolumns ``"columns"`` ``[1, M, C]``
            and ``"colors"`` ``[1, M, 3]``; the ``"mean"`` and ``"covariance"`` of the columns; and
            ``"share"``, the region's share of the picture.
        """
        layers = weights_by_layer(self.layers_of(canvas.extractor), self.layer_weights)
        grid = CellGrid(canvas, list(layers))
        draws = np.random.default_rng([self.seed, *canvas.shape, canvas.round])
        grids, pairs, empty = [], [], []
        for style, region, source in zip(
            self.styles, self.regions, self.style_regions, strict=True
        ):
            beside = canvas.beside(style, self.style_scale)
            grids.append(CellGrid(beside, list(layers)))
            sides = grid.weights(region), grids[-1].weights(source)
            pairs.append(sides)
            for what, weights in zip((region.what, source.what), sides, strict=True):
                if not weights.any():
                    empty.append(f"\n  {region.what} with {source.what}: the {what} is empty")
        if empty:
            fail(
                "each region must cover at least one cell of the picture and of the style:"
                + "".join(empty),
                hint="enlarge the regions in the masks, or the pictures",
            )
        return {
            str(number): self._region(grid, beside, sides, layers, draws)
            for number, (beside, sides) in enumerate(zip(grids, pairs, strict=True))
        }

    def _region(self, grid, beside, sides, layers, draws) -> dict[str, Any]:
        """Return the targets of one region. `sides` holds its cell weights in picture and style."""
        places, sources = (self._sample(weights, draws) for weights in sides)
        weights, masses = (
            ops.convert_to_tensor(one[where])
            for one, where in zip(sides, (places, sources), strict=True)
        )
        index = beside.index(sources)
        image = beside.canvas.image
        features = beside.canvas.extract(image, layers)
        factors = feature_factors(features, index, layers)
        columns = sampled(features, index, factors)
        mean, covariance = functional.mean_and_covariance(columns, masses)
        return {
            "index": grid.index(places),
            "pixels": grid.pixel_index(places),
            "weights": weights,
            "factors": factors,
            "columns": columns,
            "colors": cell_means(image, beside.pixel_index(sources)),
            "masses": masses,
            "mean": mean,
            "covariance": covariance,
            "share": ops.convert_to_tensor(sides[0].mean(), "float32"),
        }

    def _sample(self, weights: np.ndarray, draws) -> np.ndarray:
        """Return the indices of at most `samples` random cells of nonzero weight, sorted."""
        places = np.flatnonzero(weights)
        if len(places) > self.samples:
            places = np.sort(draws.choice(places, self.samples, replace=False))
        return places

    def compute(self, image: Tensor, features: Mapping[str, Any], targets: Targets) -> Tensor:
        """Return the sum over regions of the weighted mean of the terms; see `Loss.compute`."""
        value = 0.0
        for region in targets.values():
            one = self._value(image, features, region)
            value += ops.cast(region["share"], one.dtype) * one
        return per_picture(value, ops.shape(image)[0])

    def _value(self, image, features, region):
        masses = region["weights"], region["masses"]
        columns = sampled(features, region["index"], region["factors"])
        cost = functional.cosine_distances(columns, region["columns"])
        value = functional.relaxed_transport(cost, *masses)
        if self.moments:
            mean, covariance = functional.mean_and_covariance(columns, masses[0])
            value += self.moments * (
                functional.relative_l1_error(mean, region["mean"])
                + functional.relative_l1_error(covariance, region["covariance"])
            )
        if self.palette:
            colors = cell_means(image, region["pixels"])
            cost = functional.rms_distances(colors, region["colors"])
            value += self.palette * functional.relaxed_transport(cost, *masses)
        return SCALE * value / (1 + self.moments + self.palette)

    def needs(self, shape: tuple[int, int], maps: Mapping[str, tuple[int, int, int]]) -> Needs:
        """Return the memory for the distances of all pairs; see `Loss.needs`."""
        return Needs(len(self.regions) * PAIR * sample_of(shape, self.samples) ** 2)

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config: dict[str, Any] = {"styles": [picture_hash(style) for style in self.styles]}
        for key, regions in (("masks", self.regions), ("style_masks", self.style_regions)):
            if any(region.mask is not None for region in regions):
                config[key] = [region.get_config("mask").get("mask") for region in regions]
        config |= {"moments": self.moments, "palette": self.palette, "samples": self.samples}
        config |= {"style_scale": self.style_scale, "seed": self.seed}
        config |= weight_config(self.layer_weights)
        return config | super().get_config()


def _one_each(value, count: int, argument: str) -> list[Any]:
    """Return a list with one entry per region, from a single value or a list of them."""
    values = list(value) if isinstance(value, list | tuple) else [value] * count
    if len(values) != count:
        fail(
            "the numbers of styles and masks must be equal",
            expected=f"one `{argument}`, or {count}",
            received=len(values),
            argument=argument,
        )
    return values
