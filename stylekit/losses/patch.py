"""Style as patches: each patch of the image's features is drawn to one of the style's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from stylekit._checks import choice, fail, integer, number
from stylekit.functional import EPSILON, Tensor, full_precision
from stylekit.image import PictureLike, as_image, picture_hash
from stylekit.losses.base import (
    LayerWeightsLike,
    Loss,
    Targets,
    layer_tuple,
    weight_config,
    weight_shares,
    weight_tuple,
)
from stylekit.losses.canvas import Canvas

PATCH_LAYERS = ("block3_conv1", "block4_conv1")
"""Li and Wand 2016, section 4."""

SCALINGS = ("relative", "li_wand2016")

BLOCK = 64
"""Most patches of a picture looked up at a time, before the next ones see which were used. It
bounds the memory of a search: ``BLOCK * M`` scores a picture for M patches of the style."""


class PatchStyleLoss(Loss):
    """Draws each patch of the image's features to the nearest patch of the style's.

    With p_i the N patches of a layer of the image, q_j the M of the style, and j(i) the nearest,
    the value is the mean over layers of ``mean_i |p_i - q_j(i)|^2 / mean_j |q_j|^2``, a
    dimensionless number. The nearest is the one of the highest score ::

        cos(p_i, q_j) - map_weight |m_i - n_j|^2 / 2 - usage_penalty u_j

    where m and n are the patches' pieces of two semantic maps, as means over a patch's cells: with
    one-hot maps the second term is `map_weight` between two regions and 0 within one. u_j is how
    often q_j has been taken already, relative to an even use of all (but at least once each).

    Parameters
    ----------
    style : path, PIL image or array
        It keeps its own size and aspect ratio.
    image_map, style_map : array [H, W, K], optional
        Semantic maps of the picture and of the style, of their sizes, in [0, 1]: the masks of K
        regions, stacked, or colours. Default: none; patches are sought everywhere.
    layers : sequence of str
        Default: conv3_1 and conv4_1.
    layer_weights : sequence of float or mapping, optional
        One a layer, at least 0. Default: equal.
    patch : int
        Side of a patch, in cells of a layer.
    stride : int
        Cells from one patch of the image to the next, at most `patch`; the last one of a row or
        column ends at the border, so that each cell is in one. 2 takes a quarter of the time of 1
        and nearly as much from the style; of the style every patch is a candidate.
    map_weight : float
        At least 0. Cosines of features differ by some tenths: 1 all but forbids a patch of another
        region, 0.1 lets it in where none of its own fits.
    usage_penalty : float
        At least 0; 0 lets one patch fill a whole area.
    normalize : str
        ``"relative"``: as above. ``"li_wand2016"``: ``1/2 sum_c mean_i |p_ic - q_j(i)c|^2`` of each
        layer, the sum over cells c of the mean over the patches i that hold it, whose gradient is
        that of Li and Wand's program.
    style_scale : float
        Size of the style picture relative to its own: above 1 the strokes grow.
    seed : int
        Of the order in which patches choose, which decides where several want the same one.
    weight, name
        See `Loss`.

    References
    ----------
    Li, Wand: Combining Markov Random Fields and Convolutional Neural Networks for Image Synthesis,
    CVPR 2016, eq. 2-3, which has the sum of squares over all patches, not relative to the style's;
    the program averages the gradients of patches that overlap.
    Champandard: Semantic Style Transfer and Turning Two-Bit Doodles into Fine Artworks, 2016: maps
    joined with the features. He takes one cosine of both; with two terms a map's weight is the same
    at every layer, and black (0, 0, 0) is a colour like any other.
    Kaspar et al.: Self Tuning Texture Optimization, Eurographics 2015, section 4.2, for the
    penalty on use.

    Notes
    -----
    The patches choose in 32 blocks or more, of up to `BLOCK` drawn at random over the picture, and
    the uses are counted from block to block: one pass both finds and spreads. The choice is made
    anew at each evaluation and has no gradient; L-BFGS copes with the jumps.
    """

    layers: tuple[str, ...]

    def __init__(
        self,
        style: PictureLike,
        image_map: PictureLike | None = None,
        style_map: PictureLike | None = None,
        *,
        layers: Sequence[str] = PATCH_LAYERS,
        layer_weights: LayerWeightsLike = None,
        patch: int = 3,
        stride: int = 2,
        map_weight: float = 1.0,
        usage_penalty: float = 0.02,
        normalize: str = "relative",
        style_scale: float = 1.0,
        seed: int = 0,
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        self.style = as_image(style, "style")
        self.layers = layer_tuple(layers)
        self.layer_weights = weight_tuple(layer_weights, layers)
        self.image_map = None if image_map is None else _as_map(image_map, "image_map")
        self.style_map = None if style_map is None else _as_map(style_map, "style_map")
        self._check_maps()
        self.patch = integer(patch, "patch", low=1)
        self.stride = integer(stride, "stride", low=1, high=self.patch)
        self.map_weight = number(map_weight, "map_weight", low=0)
        self.usage_penalty = number(usage_penalty, "usage_penalty", low=0)
        self.normalize = choice(normalize, "normalize", SCALINGS)
        self.style_scale = number(style_scale, "style_scale", low=0, open_low=True)
        self.seed = integer(seed, "seed", low=0)

    def _check_maps(self) -> None:
        if (self.image_map is None) != (self.style_map is None):
            fail("a map is missing", expected="image_map and style_map, or neither")
        if self.image_map is None or self.style_map is None:
            return
        if self.image_map.shape[-1] != self.style_map.shape[-1]:
            fail(
                "the maps have not the same channels",
                expected="one channel a region or colour, in the same order",
                received=f"{self.image_map.shape[-1]} and {self.style_map.shape[-1]}",
            )
        _check_shape(self.style_map, self.style.shape[:2], "style_map")

    def prepare(self, canvas: Canvas) -> Targets:
        """Return the style's patches and both maps' pieces, by layer; see `Loss.prepare`."""
        if self.image_map is not None:
            _check_shape(self.image_map, canvas.mask_shape, "image_map")
        beside = canvas.beside(self.style, self.style_scale)
        features = beside.extract(beside.image, self.layers)
        weights = weight_shares(self.layers, self.layer_weights)
        targets = {}
        for layer in self.layers:
            patches = full_precision(feature_patches(features[layer], self.patch))[0]
            length = ops.sqrt(ops.sum(ops.square(patches), axis=-1, keepdims=True))
            targets[layer] = {
                # Directions, and the lengths that make them patches again.
                "keys": patches / ops.maximum(length, EPSILON),
                "length": length,
                "energy": ops.mean(ops.square(patches)),
                "weight": weights[layer],
                "map": self._map_pieces(canvas, self.image_map, layer, self.stride),
                "style_map": self._map_pieces(beside, self.style_map, layer),
            }
        return targets

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return the weighted mean over layers; see `Loss.compute`."""
        total = 0.0
        for layer, target in targets.items():
            patches = full_precision(feature_patches(features[layer], self.patch, self.stride))
            found = self.nearest(patches, target)
            wanted = ops.take(target["keys"], found, axis=0)
            wanted = wanted * ops.take(target["length"], found, axis=0)
            square = ops.square(patches - wanted)
            if self.normalize == "relative":
                error = ops.mean(square, axis=(1, 2)) / (target["energy"] + EPSILON)
            else:
                shares = _cell_shares(features[layer].shape, self.patch, self.stride)
                error = ops.sum(square * ops.cast(shares, square.dtype), axis=(1, 2)) / 2
            total += ops.cast(target["weight"], error.dtype) * error
        return total

    def nearest(self, patches: Tensor, target: dict[str, Any]) -> Tensor:
        """Return which of the style's patches each patch of a layer is drawn to.

        Parameters
        ----------
        patches : tensor [B, N, D]
            As `feature_patches` gives them.
        target : dict
            What `prepare` returned for the layer.

        Returns
        -------
        tensor [B, N]
            int32, in 0 to M - 1, without a gradient.
        """
        patches = ops.stop_gradient(patches)
        length = ops.sqrt(ops.sum(ops.square(patches), axis=-1, keepdims=True))
        queries, keys = patches / ops.maximum(length, EPSILON), target["keys"]
        if target["map"] is not None:
            # -|m - n|^2 / 2 = m n - |n|^2 / 2 and what is the same for every n.
            root = self.map_weight**0.5
            m, n = root * target["map"], root * target["style_map"]
            half = -0.5 * ops.sum(ops.square(n), axis=-1, keepdims=True)
            m = ops.concatenate([m, ops.ones_like(m[:, :1])], axis=-1)
            m = ops.repeat(ops.cast(m, queries.dtype)[None], ops.shape(queries)[0], axis=0)
            n = ops.cast(ops.concatenate([n, half], axis=-1), queries.dtype)
            queries = ops.concatenate([queries, m], axis=-1)
            keys = ops.concatenate([keys, n], axis=-1)
        return best_matches(queries, keys, self.usage_penalty, self.seed)

    def _map_pieces(self, canvas, channels, layer, stride=1):
        """Return a map's pieces ``[N, patch * patch * K]``, whose squares are means over cells."""
        if channels is None:
            return None
        pooled = [
            canvas.pool(canvas.scaled_mask(channel), layer)
            for channel in np.moveaxis(channels, -1, 0)
        ]
        pieces = feature_patches(ops.concatenate(pooled, axis=-1), self.patch, stride)
        return pieces[0] / self.patch

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config: dict[str, Any] = {"style": picture_hash(self.style)}
        if self.image_map is not None:
            # Channel by channel: a picture has no more than four.
            for key in ("image_map", "style_map"):
                config[key] = picture_hash(np.moveaxis(getattr(self, key), -1, 0)[..., None])
            config["map_weight"] = self.map_weight
        config |= weight_config(self.layer_weights)
        config |= {"patch": self.patch, "stride": self.stride, "seed": self.seed}
        config |= {"usage_penalty": self.usage_penalty, "style_scale": self.style_scale}
        config["normalize"] = self.normalize
        return config | super().get_config()


def feature_patches(feature, side: int, stride: int = 1):
    """Return the square patches of a feature map that lie within it, row by row.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
    side, stride : int
        In cells. Along an axis of n cells patches begin at 0, stride, ... and at n - side.

    Returns
    -------
    tensor [B, N, side * side * C]

    Raises
    ------
    InputError
        If the map is smaller than a patch.
    """
    height, width, channels = feature.shape[1:]
    if min(height, width) < side:
        fail(
            "a picture is too small for the patches of a layer",
            expected=f"at least {side}x{side} cells",
            received=f"{width}x{height} cells",
            hint="take larger pictures, shallower layers, or fewer pyramid levels",
        )
    shifted = [
        _every(rows, 2, x, width - side, stride)
        for rows in (_every(feature, 1, y, height - side, stride) for y in range(side))
        for x in range(side)
    ]
    return ops.reshape(
        ops.concatenate(shifted, axis=-1), (feature.shape[0], -1, side**2 * channels)
    )


def _every(values, axis: int, first: int, reach: int, stride: int):
    """Return what lies at first, first + stride, ... and at first + reach along an axis."""
    lead, last = (slice(None),) * axis, first + reach
    found = values[(*lead, slice(first, last + 1, stride))]
    if reach % stride == 0:
        return found
    return ops.concatenate([found, values[(*lead, slice(last, last + 1))]], axis=axis)


def _cell_shares(shape, side: int, stride: int) -> np.ndarray:
    """Return by patch and entry one over the number of patches that hold the entry's cell.

    Parameters
    ----------
    shape : tuple of int
        Of the feature map ``[B, h, w, C]``.
    side, stride : int
        See `feature_patches`.

    Returns
    -------
    ndarray, float32 [N, side * side * C]
    """
    counts = []
    for length in shape[1:3]:
        starts = sorted({*range(0, length - side + 1, stride), length - side})
        places = np.add.outer(starts, np.arange(side))
        counts.append((places, np.bincount(places.ravel(), minlength=length)))
    (rows, high), (columns, wide) = counts
    shares = 1 / (high[rows][:, None, :, None] * wide[columns][None, :, None, :])
    shares = shares.reshape(len(rows) * len(columns), side**2)
    return np.repeat(shares, shape[3], axis=1).astype("float32")


def best_matches(queries, keys, penalty: float = 0.0, seed: int = 0):
    """Return the key of the highest score for each query, keys that are used less preferred.

    Parameters
    ----------
    queries : tensor [B, N, D]
    keys : tensor [M, D]
    penalty : float
        The score ``q k`` is lowered by it for each earlier use of k, or, where N is above M, for
        each M / N-th of a use. Uses are counted for each picture of the batch apart.
    seed : int
        Of the order of the queries, of which a block of up to `BLOCK` choose at a time.

    Returns
    -------
    tensor [B, N]
        int32.
    """
    (batch, count, depth), size = queries.shape, keys.shape[0]
    # 32 blocks or more, where there are as many queries: of fewer, most would not see the uses.
    block = max(1, min(BLOCK, count // 32))
    blocks = -(-count // block)
    order = np.random.default_rng(seed).permutation(count)
    slots = np.arange(blocks * block)
    # The last block is filled up with queries that are not counted.
    counted = np.float32(slots < count).reshape(blocks, 1, block)
    counted = ops.convert_to_tensor(np.repeat(counted, batch, axis=1), queries.dtype)
    queries = ops.take(queries, order[slots % count], axis=1)
    queries = ops.swapaxes(ops.reshape(queries, (batch, blocks, block, depth)), 0, 1)
    price = penalty * min(1.0, size / count)
    keys = ops.transpose(keys)
    offset = size * ops.arange(batch, dtype="int32")[:, None]

    def choose(index, state):
        uses, found = state
        scores = ops.matmul(ops.take(queries, index, axis=0), keys)
        scores = scores - price * uses[:, None, :]
        best = ops.cast(ops.argmax(scores, axis=-1), "int32")
        new = ops.segment_sum(
            ops.reshape(ops.take(counted, index, axis=0), (-1,)),
            ops.reshape(best + offset, (-1,)),
            num_segments=batch * size,
        )
        uses = uses + ops.reshape(new, (batch, size))
        here = ops.cast(ops.equal(ops.arange(blocks, dtype="int32"), index), "int32")
        return uses, found + here[:, None, None] * best[None]

    uses = ops.zeros((batch, size), dtype=queries.dtype)
    found = ops.zeros((blocks, batch, block), dtype="int32")
    _, found = ops.fori_loop(0, blocks, choose, (uses, found))
    found = ops.reshape(ops.swapaxes(found, 0, 1), (batch, blocks * block))
    return ops.take(found, np.argsort(order), axis=1)


def _as_map(value, name: str) -> np.ndarray:
    channels = np.asarray(value)
    if channels.ndim != 3 or channels.dtype.kind not in "biuf" or not channels.shape[-1]:
        fail(
            f"{name} is no map",
            expected="an array [H, W, K] in [0, 1], one channel a region or colour",
            received=f"{type(value).__name__}, {channels.dtype} {list(channels.shape)}",
            hint="stack masks with numpy.stack(masks, axis=-1)",
            argument=name,
        )
    channels = channels.astype("float32")
    if not (channels.min() >= 0 and channels.max() <= 1):  # false for NaN, too
        fail(
            f"{name} has values outside [0, 1]",
            expected="0 to 1",
            received=f"{channels.min():g} to {channels.max():g}",
            argument=name,
        )
    return channels


def _check_shape(channels: np.ndarray, shape, name: str) -> None:
    if channels.shape[:2] != tuple(shape):
        fail(
            f"{name} has another size than its picture",
            expected=f"(height, width) {tuple(shape)}",
            received=channels.shape[:2],
            argument=name,
        )
