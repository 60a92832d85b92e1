"""Style by nearest neighbours: each place of the image takes the most similar place of the style.

Every hypercolumn of the picture is matched with the nearest one of the style, and the image is
optimised until its features are the matched ones (Kolkin et al. 2022). The matches are fixed while
one level of the pyramid is painted.
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
"""Where each layer is matched on its own, one in so many candidates is kept: by default 4096, which
is the number of samples that the paper takes."""

FADE = 0.25
"""Exponent of a mask that divides distances. The nearest of two styles differ by some tenths: with
1 they would change over in a tenth of a ramp, and with it they mix over about half."""

DISTANCES = ("squared", "cosine")

DEEPEST_STRIDE = 8
"""Pixels between the cells of the deepest layer that neighbours are matched by: conv4_1's. Deeper
ones move large shapes of the style, and quality was judged without them."""


class NeighborStyleLoss(TileableLoss):
    """Brings each place of the image to the most similar place of a style picture.

    The hypercolumns of a query picture, ``alpha * start + (1 - alpha) * content``, are matched
    with the nearest ones of the style. With F_l the image's features of layer l, averaged over the
    cells of the grid, T_l the matched ones and g_l the factor of the layer in a hypercolumn, the
    value is ``sum_l g_l^2 mean |F_l - T_l|^2 / sum_l g_l^2 mean |T_l|^2``: a mean over cells
    without a unit. The matches are made when a level of the pyramid begins.

    In further rounds at one size (see `Pyramid`) each layer is matched on its own, from the image
    so far. That makes the strokes crisp: the final pass of the paper.

    Parameters
    ----------
    style : path, PIL image or array, or a list of them
        Each keeps its own size and aspect ratio. Of several, each place takes the nearest
        hypercolumn of all, so that styles do not blur into each other.
    mask : array [H, W], path, PIL image or callable, or a list of them, optional
        Where each style goes, in [0, 1]. A soft mask weighs the loss; where styles meet it also
        decides between them, because distances are divided by its fourth root.
    style_mask : array [h, w], path, PIL image or callable, or a list of them, optional
        Where each style is taken. Distances are divided by it, too; 0 is no candidate.
    style_weights : sequence of float, optional
        One a style, above 0: how much it is preferred, and its weight in the loss. Default: 1.
    layers, layer_weights
        See `StatisticLoss`. Default: the extractor's style layers, as far as their cells are
        `DEEPEST_STRIDE` pixels or less: of VGG19 conv1_1, conv2_1, conv3_1 and conv4_1.
    alpha : float
        Share of the image so far in the query, in [0, 1]; the rest is the content. Smaller values
        keep faces and other structure, larger ones follow the strokes painted so far.
    round_alpha : float
        The same share in further rounds. Below 1 the content is not lost over many rounds, as in
        the frames of a video, each of which goes on from the one before.
    distance : str
        ``"squared"``, or ``"cosine"``: one minus the cosine of the image's and the matched
        hypercolumns, as in the paper. The cosine leaves the contrast free and suits Adam on a
        `LaplacianPyramid`; L-BFGS drives the contrast too far. It cannot be taken in tiles.
    turned, mirrored : bool
        Whether the style turned by 90, 180 and 270 degrees, or mirrored, offers more candidates.
    candidates : int
        Most hypercolumns of a style, or of a copy of it, among which neighbours are searched; a
        quarter of them in further rounds. Of more, a regular sample is taken.
    style_scale : float
        Size of the style pictures relative to their own: above 1 the strokes grow.
    names : sequence of str, optional
        What messages call the regions. Default: their numbers, from 1, where there are several.
    weight, name
        See `Loss`.

    Raises
    ------
    InputError
        By the constructor, if there is no style, or masks, weights or names do not match the
        styles. By `prepare`, if a mask is unfit, a style is too small for a layer, or a region of
        the picture has no candidate in its style (the message lists them).

    References
    ----------
    Kolkin, Kucera, Paris, Sykora, Shechtman, Shakhnarovich: Neural Neighbor Style Transfer, 2022.
    Hypercolumns, centred matching and the query are theirs (section 3), and so is the default of
    `alpha` (their program calls the content's share alpha: 0.75). We depart from them in the
    squared error, for which L-BFGS needs a quarter of the evaluations and no correction of
    colours; in layers that are divided by their mean, too; and in matches that are fixed for a
    round of the final pass.
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
        """Return the layers, by default the shallow style layers; see `Loss.layers_of`."""
        if self.layers is not None:
            return self.layers
        layers = extractor.default_layers("style_layers")
        strides = {layer: max(extractor.stride(layer)) for layer in layers}
        shallow = tuple(layer for layer, stride in strides.items() if stride <= DEEPEST_STRIDE)
        return shallow or tuple(strides)

    def prepare(self, canvas: Canvas) -> Targets:
        """Match the level's picture with the styles; see `Loss.prepare`.

        Returns
        -------
        dict of str to dict
            By layer: ``"feature"``, the matched features ``[B, h, w, C]``, ``"mask"``, the weights
            of the cells ``[1, h, w, 1]``, and ``"factor"``, a scalar. For the cosine distance it
            is the value of a single key, ``"columns"``, or ``"layers"`` in further rounds, and
            there is ``"amount"``, too: the share of what is matched together in the value.
        """
        named = weights_by_layer(self.layers_of(canvas.extractor), self.layer_weights)
        weights = {layer: one for layer, one in named.items() if one}  # 0 matches nothing
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
        """Return what a style and its copies offer."""
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
        """Return the targets of layers that are matched together among so many candidates.

        Their value has a share in that of all.
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
        del columns, keys  # as large as the targets each
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
        """Return the sum over layers by their factors; see `TileableLoss`."""
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
        Of the style.
    grid : CellGrid
        Of the style picture.
    weights : dict of str to tensor or None
        Its mask, by layer.
    """

    def __init__(self, number: int, grid: CellGrid, weights) -> None:
        self.number, self._grid, self._weights = number, grid, weights
        self.maps: dict[str, Any] = {}

    def has_candidates(self) -> bool:
        """Return whether the mask leaves a cell of each layer."""
        return self._weights is None or all(
            float(ops.max(weights)) > 0 for weights in self._weights.values()
        )

    def look(self) -> None:
        """Run the network."""
        self.maps = self._grid.maps(self._grid.canvas.image)

    def candidates(self, layers, factors, most: int):
        """Return hypercolumns ``[M, C]`` and their weights ``[M]``, in (0, 1], or None."""
        # Each layer is matched once: its map is not needed again.
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
    """Return for each place the nearest of what several styles offer there.

    Parameters
    ----------
    columns : tensor [h, w, C]
    keys : list of (tensor [M, C], array [M] or None)
        Candidates and their weights, by offer.
    covers : list of array [h * w]
        How much each offer counts at each place; where none counts, the place keeps its own.
    """
    height, width, depth = columns.shape
    columns = ops.reshape(columns, (-1, depth))
    if len(keys) == 1 and covers[0].all():
        index, _ = nearest_neighbors(columns, *keys[0])
        return ops.reshape(ops.take(keys[0][0], index, axis=0), (height, width, depth))
    nearest = np.full(height * width, np.inf, "float32")
    places = np.arange(height * width)  # the places' own
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
    """Return a map reduced to coarser cells, where places of a small mask count little."""
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
    """Return a region's mask, by layer; None for the whole picture, which needs no geometry."""
    if region.mask is None:
        return None
    return grid.mask(grid.canvas.resolve_mask(region.mask, region.what, region.argument))


def _one_each(value, count: int, name: str, argument: str) -> list[Any]:
    """Return a list with an entry a style, from one for all or one each."""
    values = list(value) if isinstance(value, list | tuple) else [value] * count
    if len(values) != count:
        fail(
            f"the number of {name} differs from the number of styles",
            expected=f"one, or {count}",
            received=len(values),
            argument=argument,
        )
    return values
