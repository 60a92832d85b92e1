"""Style by relaxed optimal transport: each place of the image and of the style finds its nearest.

Nearest neighbours are sought both ways: from the image to the style, so that every place looks like
some of the style, and from the style to the image, so that nothing of the style is left out.
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
"""Brings the value to the size of the relative squared errors of other style losses, which are
smaller where they have settled: a strength of 0.5 in the recipes, which multiply a loss of the
user's own by 32 with VGG19, then has strokes and keeps the content. Judged by eye."""


PAIR = 36
"""Bytes for a pair of places while the gradient is taken: distances of features, and of colours."""


class RelaxedTransportLoss(Loss):
    """Brings the features of the image to those of a style by relaxed optimal transport.

    With C_ij the cosine distances between sampled hypercolumns of the image and of the style, the
    value is `SCALE` times the weighted mean of three dimensionless terms:

    - the relaxed earth mover's distance ``max(mean_i min_j C_ij, mean_j min_i C_ij)``;
    - `moments`: the relative L1 errors of the mean and of the covariance of the hypercolumns, which
      hold the lengths of the features and with them the contrast;
    - `palette`: the relaxed earth mover's distance of the cells' colours, by root mean square.

    Parameters
    ----------
    style : path, PIL image or array, or a list of them
        Each keeps its own size and aspect ratio.
    mask : array [H, W], path, PIL image or callable, or a list of them, optional
        Where the style goes, in [0, 1]. Of several regions each takes from its own style region
        alone. The values are the masses of the cells in means and covariances, and each region's
        value is multiplied by its share of the picture.
    style_mask : array [h, w], path, PIL image or callable, or a list of them, optional
        Where each style is taken, in the same order; the masses of the style's cells.
    layers : sequence of str, or mapping of str to float
        Of the hypercolumns. Default: the extractor's own style layers. A mapping holds the layers'
        weights, too.
    layer_weights : sequence of float or mapping, optional
        One a layer, at least 0: factors of the features. Default: equal.
    moments, palette : float
        Weights of the second and the third term beside the first's 1, at least 0.
    samples : int
        Most cells of a region, and of its style region, that are compared; see `CellGrid`. Time and
        memory grow with the square. Of fewer cells all are taken.
    style_scale : float
        Size of the style pictures relative to their own: above 1 the strokes grow.
    seed : int
        Of the samples, at least 0.
    weight, name
        See `Loss`.

    Raises
    ------
    InputError
        By the constructor, if the numbers of styles and masks differ. By `prepare`, if a mask is
        unfit, a style is too small for a layer, or a region has no cell on either side (the message
        lists the pairs).

    References
    ----------
    Kolkin, Salavon, Shakhnarovich: Style Transfer by Relaxed Optimal Transport and
    Self-Similarity (STROTSS), CVPR 2019, eq. 8-10, and section 2.4 for regions. We depart from them
    in these points:

    - They draw 1024 places of the image anew in every step. Here the sample depends on the seed,
      the size and the round of a `Pyramid` alone, because L-BFGS needs an objective that stays the
      same from step to step.
    - A hypercolumn is the mean over a cell instead of an interpolated point, and its layers are
      divided by the mean of their features and their number of channels; theirs are as they are.
    - The moments' errors are relative to the style's.
    - Their weight of the palette is the inverse of the content's, and doubles with each size. Ours
      is by default theirs at the finest size, 1/2.
    - Their colours are a rotation of RGB, which leaves Euclidean distances as they are. Their
      program adds the cosine distance of the colours, which depends on where black lies.
    - Soft masks are ours.
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
        """Draw the samples, and look at the styles; see `Loss.prepare`.

        Returns
        -------
        dict of str to dict
            By region: the positions that its sample reads, ``"index"`` by layer and ``"pixels"``;
            the masses of its cells and of the style's, ``"weights"`` ``[N]`` and ``"masses"``
            ``[M]``; ``"factors"`` by layer; the style's ``"columns"`` ``[1, M, C]`` and
            ``"colors"`` ``[1, M, 3]``; their ``"mean"`` and ``"covariance"``; and ``"share"``.
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
                "regions have no cell:" + "".join(empty),
                expected="at least one cell in the picture, and in the style",
                hint="enlarge the regions in the masks, or the pictures",
            )
        return {
            str(number): self._region(grid, beside, sides, layers, draws)
            for number, (beside, sides) in enumerate(zip(grids, pairs, strict=True))
        }

    def _region(self, grid, beside, sides, layers, draws) -> dict[str, Any]:
        """Return the targets of a region of the picture and of its style."""
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
        """Return the places of some cells that weigh anything, or of all of them."""
        places = np.flatnonzero(weights)
        if len(places) > self.samples:
            places = np.sort(draws.choice(places, self.samples, replace=False))
        return places

    def compute(self, image: Tensor, features: Mapping[str, Any], targets: Targets) -> Tensor:
        """Return the weighted mean of the terms, summed over the regions; see `Loss.compute`."""
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
        """Return what the distances of all pairs take; see `Loss.needs`."""
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
    """Return a list with an entry a region, from one for all or one each."""
    values = list(value) if isinstance(value, list | tuple) else [value] * count
    if len(values) != count:
        fail(
            "the numbers of styles and masks differ",
            expected=f"one `{argument}`, or {count}",
            received=len(values),
            argument=argument,
        )
    return values
