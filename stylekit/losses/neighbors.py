"""Style by nearest neighbours: each place of the image imitates a similar place of the style.

Every hypercolumn of the picture is matched with the nearest hypercolumn of the style, and the image
is optimised until its features equal the matched features (Kolkin et al. 2022). The matches are
fixed while one level of the pyramid is painted.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

from stylekit._checks import choice, fail, integer, number
from stylekit.functional import EPSILON, Tensor, full_precision, masked_mean
from stylekit.image import PictureLike, as_image, picture_hash
from stylekit.losses.base import (
    LayersLike,
    LayerWeightsLike,
    Targets,
    optional_layers,
    per_picture,
    weight_config,
    weight_tuple,
    weights_by_layer,
)
from stylekit.losses.canvas import Canvas
from stylekit.losses.hypercolumns import (
    CELL,
    CellGrid,
    block_means,
    block_size,
    hypercolumns,
    nearest_neighbors,
    regular_sample,
    resized,
)
from stylekit.losses.region import Region
from stylekit.losses.tileable import TileableLoss
from stylekit.masks import MaskLike

if TYPE_CHECKING:
    from stylekit.features import FeatureExtractor

FINE_SAMPLE = 4
"""When each layer is matched separately, `candidates` is divided by this factor. By default 4096
candidates remain, which is the number of samples in the paper."""

FADE = 0.25
"""Exponent of the mask by which distances are divided. The distances to the nearest candidates of
two styles differ by a few tenths. With an exponent of 1, the styles would change over within a
tenth of a ramp. With this exponent, they mix over about half of it."""

DISTANCES = ("squared", "cosine")

DEEPEST_STRIDE = 8
"""Stride in pixels of the deepest default layer, which is that of conv4_1. Deeper layers transfer
large shapes of the style. Quality was judged without deeper layers."""


class NeighborStyleLoss(TileableLoss):
    """Error of each place of the image from the most similar place of a style picture.

    The hypercolumns of a query picture, ``alpha * start + (1 - alpha) * content``, are matched with
    the nearest hypercolumns of the style. Here `start` is the image at the beginning of a level of
    the pyramid, when the matching is done. Let F_l be the image's features of layer l, averaged
    over the cells of the grid, T_l the matched features, and g_l the factor of the layer in a
    hypercolumn. The loss is ``sum_l g_l^2 mean |F_l - T_l|^2 / sum_l g_l^2 mean |T_l|^2``, where
    the means are over cells. It is dimensionless.

    In further rounds at the same size (see `Pyramid`), each layer is matched separately, from the
    current image. This makes the strokes crisp. It is the final pass of the paper.

    Parameters
    ----------
    style : path, PIL image or array, or a list of them
        Each style picture keeps its own size and aspect ratio. If there are several styles, each
        place is matched with the nearest hypercolumn of all styles, so that styles do not blur into
        each other.
    mask : array [H, W], path, PIL image or callable, or a list of them, optional
        Where each style is applied, in [0, 1]. The values are the weights of the places in the
        loss. Where masks overlap, they also affect which style is chosen, because distances are
        divided by the fourth root of the mask.
    style_mask : array [h, w], path, PIL image or callable, or a list of them, optional
        Which part of each style picture is used, in [0, 1]. Distances are also divided by this
        mask. Places where it is 0 are not candidates.
    style_weights : sequence of float, optional
        One weight per style, above 0. It determines how strongly the style is preferred, and is the
        style's weight in the loss. Default: 1.
    layers, layer_weights
        See `StatisticLoss`. Default: the extractor's style layers whose stride is at most
        `DEEPEST_STRIDE` pixels. For VGG19 these are conv1_1, conv2_1, conv3_1 and conv4_1.
    alpha : float
        Share of the current image in the query, in [0, 1]; the rest is the content. Smaller values
        preserve faces and other structures. Larger values follow the strokes painted so far.
    round_alpha : float
        The same share in further rounds. With a value below 1, the content is not lost over many
        rounds, or over the frames of a video, each of which continues from the previous frame.
    distance : str
        ``"squared"``: the formula above. ``"cosine"``: one minus the cosine of the image's and the
        matched hypercolumns, as in the paper. The cosine does not constrain the contrast. It is
        suitable for Adam on a `LaplacianPyramid`; L-BFGS makes the contrast too strong. It cannot
        be evaluated in tiles.
    turned, mirrored : bool
        Whether copies of the style, rotated by 90, 180 and 270 degrees, or mirrored, are additional
        candidates.
    candidates : int
        Maximum number of hypercolumns of a style, or of a copy of a style, among which neighbours
        are searched. In further rounds the maximum is a quarter of this number. If a style has more
        hypercolumns, a regular sample is used.
    style_scale : float
        Factor by which the style pictures are resized, above 0. Values above 1 make strokes larger.
    names : sequence of str, optional
        Names of the regions in error messages. Default: their numbers, from 1, if there are
        several.
    weight, name
        See `Loss`.

    Raises
    ------
    InputError
        In the constructor, if there is no style, or the number of masks, weights or names differs
        from the number of styles. In `prepare`, if a mask is invalid, a style is too small for a
        layer, or a region of the picture has no candidate in its style (the message lists these
        regions).

    References
    ----------
    Kolkin, Kucera, Paris, Sykora, Shechtman, Shakhnarovich: Neural Neighbor Style Transfer, 2022.
    The hypercolumns, the centred matching and the query are those of the paper (section 3). The
    default of `alpha` is also theirs; in their program, alpha is the share of the content, 0.75.
    This loss differs from theirs as follows. The error is squared, for which L-BFGS needs a quarter
    of the evaluations and no correction of colours. Layers are also divided by their mean. The
    matches are fixed for each round of the final pass.
    """

    is_mean = True
    per_cell = ("mask", "feature")
    only_prepared = (
        *("styles", "regions", "style_regions", "style_weights", "layer_weights"),
        *("alpha", "round_alpha", "turned", "mirrored", "candidates", "style_scale"),
    )

    def __init__(
        self,
        style: PictureLike | Sequence[PictureLike],
        mask: MaskLike | Sequence[MaskLike | None] | None = None,
        style_mask: MaskLike | Sequence[MaskLike | None] | None = None,
        *,
        style_weights: Sequence[float] | None = None,
        layers: LayersLike = None,
        layer_weights: LayerWeightsLike = None,
        alpha: float = 0.25,
        round_alpha: float = 1.0,
        distance: str = "squared",
        turned: bool = False,
        mirrored: bool = False,
        candidates: int = 16384,
        style_scale: float = 1.0,
        names: Sequence[str] | None = None,
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        styles: Sequence[Any] = style if isinstance(style, list | tuple) else [style]
        self.styles = tuple(as_image(one, "style") for one in styles)
        count = len(self.styles)
        if not count:
            fail(
                "at least one style is required",
                expected="a picture, or a list of them",
                argument="style",
            )
        if names is None:
            names = [f" {k}" for k in range(1, count + 1)] if count > 1 else [""]
        else:
            names = [f" {one}" for one in _one_each(names, count, "names", "names")]
        self.regions = tuple(
            Region(one, f"mask{of}")
            for one, of in zip(_one_each(mask, count, "masks", "mask"), names, strict=True)
        )
        self.style_regions = tuple(
            Region(one, f"style mask{of}", argument="style_mask")
            for one, of in zip(
                _one_each(style_mask, count, "style masks", "style_mask"), names, strict=True
            )
        )
        weights = _one_each(style_weights, count, "style_weights", "style_weights")
        self.style_weights = tuple(
            1.0
            if one is None
            else number(one, "a style weight", low=0, open_low=True, argument="style_weights")
            for one in weights
        )
        self.layers = optional_layers(layers)
        self.layer_weights = weight_tuple(layer_weights, layers)
        self.alpha = number(alpha, "alpha", low=0, high=1)
        self.round_alpha = number(round_alpha, "round_alpha", low=0, high=1)
        self.distance = choice(distance, "distance", DISTANCES)
        self.is_mean = self.is_mean and self.distance == "squared"
        self.turned, self.mirrored = bool(turned), bool(mirrored)
        self.candidates = integer(candidates, "candidates", low=1)
        self.style_scale = number(style_scale, "style_scale", low=0, open_low=True)

    def layers_of(self, extractor: FeatureExtractor) -> tuple[str, ...]:
        """Return the layers, by default the shallower style layers; see `Loss.layers_of`."""
        if self.layers is not None:
            return self.layers
        layers = extractor.default_layers("style_layers")
        strides = {layer: max(extractor.stride(layer)) for layer in layers}
        shallow = tuple(layer for layer, stride in strides.items() if stride <= DEEPEST_STRIDE)
        return shallow or tuple(strides)

    def prepare(self, canvas: Canvas) -> Targets:
        """Match the query picture of the level with the styles; see `Loss.prepare`.

        Returns
        -------
        dict of str to dict
            By layer: ``"feature"``, the matched features ``[B, h, w, C]``, ``"mask"``, the weights
            of the cells ``[1, h, w, 1]``, and ``"factor"``, a scalar. For the cosine distance, this
            dict is the value of a single key, ``"columns"``, or ``"layers"`` in further rounds.
            Each layer then also has ``"amount"``, the share in the loss of the layers that are
            matched together.
        """
        named = weights_by_layer(self.layers_of(canvas.extractor), self.layer_weights)
        weights = {layer: one for layer, one in named.items() if one}  # 0 is not matched
        layers = list(weights)
        grid = CellGrid(canvas, layers)
        masks = [_mask(grid, region) for region in self.regions]
        each = range(len(self.styles))
        offers = [offer for k in each for offer in self._offers(canvas, k, layers)]
        self._check(offers)
        query = canvas.start
        alpha = self.round_alpha if canvas.round else self.alpha
        if alpha < 1 and canvas.picture is not None:
            query = alpha * query + (1 - alpha) * canvas.image
        queries = grid.maps(query)
        ones = {layer: ops.ones_like(feature[:1, ..., :1]) for layer, feature in queries.items()}
        covers = [
            {layer: weight * one for layer, one in (mask or ones).items()}
            for mask, weight in zip(masks, self.style_weights, strict=True)
        ]
        for offer in offers:
            offer.look()
        groups = [[layer] for layer in layers] if canvas.round else [layers]
        most = max(1, self.candidates // FINE_SAMPLE) if canvas.round else self.candidates
        targets: dict[str, Any] = {}
        for group in groups:
            within = {layer: weights[layer] for layer in group}
            share = sum(within.values()) / sum(weights.values())
            targets |= self._match(queries, covers, offers, within, share, most)
        if self.distance == "squared":
            return targets
        return {"layers" if canvas.round else "columns": targets}

    def _offers(self, canvas, number: int, layers: Sequence[str]) -> list[_Offer]:
        """Return the candidates of a style and its copies."""
        style, region = self.styles[number], self.style_regions[number]
        mask = region.mask
        if mask is not None:
            mask = canvas.beside(style).resolve_mask(mask, region.what, region.argument)
        turns, flips = range(4 if self.turned else 1), (1, -1) if self.mirrored else (1,)
        offers = []
        for turn, flip in itertools.product(turns, flips):
            picture, where = (
                None if one is None else np.ascontiguousarray(np.rot90(one[:, ::flip], turn))
                for one in (style, mask)
            )
            beside = canvas.beside(picture, self.style_scale)
            beside.check_size(layers)
            grid = CellGrid(beside, layers)
            offers.append(_Offer(number, grid, None if where is None else grid.mask(where)))
        return offers

    def _check(self, offers: Sequence[_Offer]) -> None:
        lost = [
            f"\n  {self.regions[offer.number].what} with {self.style_regions[offer.number].what}"
            for offer in offers
            if not offer.has_candidates()
        ]
        if lost:
            fail(
                "regions of the picture have no candidate in their style:"
                + "".join(dict.fromkeys(lost)),
                expected=f"a style region of at least one cell, {CELL}x{CELL} pixels",
                hint="enlarge the regions in the style mask, or the style",
            )

    def _match(
        self, queries, covers, offers, weights: Mapping[str, float], share: float, most: int
    ) -> dict[str, Any]:
        """Return the targets of layers that are matched together among at most `most` candidates.

        `share` is the share of these layers in the loss.
        """
        layers = list(weights)
        factors = []
        for layer, weight in weights.items():
            mean = sum(float(ops.mean(offer.maps[layer])) for offer in offers) / len(offers)
            factors.append(weight / (max(mean, EPSILON) * queries[layer].shape[-1]))
        grids = {layer: queries[layer].shape[1:] for layer in layers}
        keys = [offer.candidates(layers, factors, most) for offer in offers]
        columns = hypercolumns([queries.pop(layer) for layer in layers], factors)
        here = [ops.convert_to_numpy(covers[offer.number][layers[0]]).ravel() for offer in offers]
        matched = ops.stack([_nearest_of_all(picture, keys, here) for picture in columns])
        del columns, keys  # each is as large as the targets
        sums = {layer: sum(cover[layer] for cover in covers) for layer in layers}
        targets, norm, first = {}, 0.0, 0
        for layer, factor in zip(layers, factors, strict=True):
            *shape, depth = grids[layer]
            feature = matched[..., first : first + depth] / factor
            feature = _weighed(feature, sums[layers[0]], shape)
            squares = masked_mean(ops.square(feature), sums[layer])
            norm += factor**2 * float(ops.mean(ops.sum(squares, axis=-1)))
            targets[layer] = {"feature": feature, "mask": sums[layer], "factor": factor}
            first += depth
        for layer, target in targets.items():
            amount = share * float(ops.mean(sums[layer]))
            if self.distance == "squared":
                target["factor"] = amount * target["factor"] ** 2 / (norm + EPSILON)
            else:
                target["amount"] = ops.convert_to_tensor(amount, "float32")
            target["factor"] = ops.convert_to_tensor(target["factor"], "float32")
        return targets

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return the relative squared error, or the cosine distance; see `Loss.compute`."""
        if self.distance == "squared":
            return super().compute(image, features, targets)
        ((how, targets),) = targets.items()
        groups = [[layer] for layer in targets] if how == "layers" else [list(targets)]
        value = 0.0
        for layers in groups:
            factors = [targets[layer]["factor"] for layer in layers]
            own = [_in_cells(features[layer], targets[layer]["feature"]) for layer in layers]
            wanted = [targets[layer]["feature"] for layer in layers]
            mask, amount = (targets[layers[0]][key] for key in ("mask", "amount"))
            distance = 1 - _cosine(hypercolumns(own, factors), hypercolumns(wanted, factors))
            value += ops.cast(amount, distance.dtype) * masked_mean(distance, mask)[:, 0]
        return per_picture(value, ops.shape(image)[0])

    def means(self, features: Mapping[str, Tensor], targets: Targets) -> dict[str, Any]:
        """Return the squared errors summed over channels, by layer; see `TileableLoss`."""
        means = {}
        for layer in targets:
            if layer in features:
                wanted = full_precision(targets[layer]["feature"])
                error = ops.square(_in_cells(features[layer], wanted) - wanted)
                means[layer] = ops.sum(masked_mean(error, targets[layer]["mask"]), axis=-1)
        return means

    def value(self, means: Mapping[str, Any], targets: Targets) -> Tensor:
        """Return the sum over layers, weighted by factors; see `TileableLoss`."""
        return sum(
            (
                ops.cast(targets[layer]["factor"], mean.dtype) * mean
                for layer, mean in means.items()
            ),
            0.0,
        )

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config: dict[str, Any] = {"styles": [picture_hash(style) for style in self.styles]}
        for key, regions in (("masks", self.regions), ("style_masks", self.style_regions)):
            if any(region.mask is not None for region in regions):
                config[key] = [region.get_config("mask").get("mask") for region in regions]
        config |= {"style_weights": list(self.style_weights), "alpha": self.alpha}
        config["round_alpha"] = self.round_alpha
        config |= {"distance": self.distance, "turned": self.turned, "mirrored": self.mirrored}
        config |= {"candidates": self.candidates, "style_scale": self.style_scale}
        config |= weight_config(self.layer_weights)
        return config | super().get_config()


class _Offer:
    """The candidates of one style, or of a copy of it.

    Parameters
    ----------
    number : int
        Number of the style, from 0.
    grid : CellGrid
        Grid of the style picture.
    weights : dict of str to tensor or None
        Mask of the style, by layer. None: the whole picture.
    """

    def __init__(self, number: int, grid: CellGrid, weights) -> None:
        self.number, self._grid, self._weights = number, grid, weights
        self.maps: dict[str, Any] = {}

    def has_candidates(self) -> bool:
        """Return whether the mask is above 0 in at least one cell of each layer."""
        return self._weights is None or all(
            float(ops.max(weights)) > 0 for weights in self._weights.values()
        )

    def look(self) -> None:
        """Evaluate the network on the style picture."""
        self.maps = self._grid.maps(self._grid.canvas.image)

    def candidates(self, layers, factors, most: int):
        """Return hypercolumns ``[M, C]`` and their weights ``[M]``, in (0, 1], or None."""
        # Each layer is matched once, so its feature map is not needed again.
        columns = hypercolumns([self.maps.pop(layer) for layer in layers], factors)
        height, width, depth = columns.shape[1:]
        places = regular_sample((height, width), most)
        weights = None
        if self._weights is not None:
            weights = ops.convert_to_numpy(self._weights[layers[0]]).ravel()
            sampled = places[weights[places] > 0]
            places = sampled if sampled.size else np.flatnonzero(weights)
            weights = weights[places] / weights[places].max()
        return ops.take(ops.reshape(columns, (-1, depth)), places, axis=0), weights


def _nearest_of_all(columns, keys, covers):
    """Return, for each place, the nearest candidate of all styles that are applied there.

    Parameters
    ----------
    columns : tensor [h, w, C]
    keys : list of (tensor [M, C], array [M] or None)
        Candidates and their weights, by offer.
    covers : list of array [h * w]
        Mask of each offer at each place. Places where all masks are 0 keep their own hypercolumn.
    """
    height, width, depth = columns.shape
    columns = ops.reshape(columns, (-1, depth))
    if len(keys) == 1 and covers[0].all():
        index, _ = nearest_neighbors(columns, *keys[0])
        return ops.reshape(ops.take(keys[0][0], index, axis=0), (height, width, depth))
    nearest = np.full(height * width, np.inf, "float32")
    places = np.arange(height * width)  # by default, each place's own hypercolumn
    first = height * width
    for (candidates, weights), cover in zip(keys, covers, strict=True):
        here = np.flatnonzero(cover)
        if here.size:
            queries = columns if here.size == cover.size else ops.take(columns, here, axis=0)
            index, distance = nearest_neighbors(queries, candidates, weights)
            distance = ops.convert_to_numpy(distance) / cover[here] ** FADE
            closer = distance < nearest[here]
            nearest[here[closer]] = distance[closer]
            places[here[closer]] = first + ops.convert_to_numpy(index)[closer]
        first += candidates.shape[0]
    matched = ops.take(ops.concatenate([columns, *(one for one, _ in keys)]), places, axis=0)
    return ops.reshape(matched, (height, width, depth))


def _weighed(feature, mask, shape):
    """Return a feature map reduced to coarser cells by means that are weighted by the mask."""
    if tuple(feature.shape[1:3]) == tuple(shape):
        return feature
    mask = ops.maximum(full_precision(mask), EPSILON)
    return resized(feature * mask, shape) / resized(mask, shape)


def _in_cells(feature, target):
    """Return the features in the cells of a target, in full precision."""
    size = block_size(feature.shape[1:3], target.shape[1:3])
    return block_means(full_precision(feature), size)


def _cosine(a, b):
    product = ops.sum(a * b, axis=-1, keepdims=True)
    squares = ops.sum(a * a, axis=-1, keepdims=True) * ops.sum(b * b, axis=-1, keepdims=True)
    return product / ops.sqrt(ops.maximum(squares, EPSILON**2))


def _mask(grid: CellGrid, region: Region):
    """Return a region's mask by layer, or None for the whole picture, which needs no masks."""
    if region.mask is None:
        return None
    return grid.mask(grid.canvas.resolve_mask(region.mask, region.what, region.argument))


def _one_each(value, count: int, name: str, argument: str) -> list[Any]:
    """Return a list with one entry per style, from a single value or a list of values."""
    values = list(value) if isinstance(value, list | tuple) else [value] * count
    if len(values) != count:
        fail(
            f"the number of {name} differs from the number of styles",
            expected=f"one, or {count}",
            received=len(values),
            argument=argument,
        )
    return values
