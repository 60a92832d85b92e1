"""A style loss that compares each patch of the image's features with its nearest in the style."""

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
"""Default layers, those of Li and Wand 2016, section 4."""

SCALINGS = ("relative", "li_wand2016")

BLOCK = 64
"""Maximum number of patches that are matched at once, before the usage counts are updated. It
limits the memory of a search to ``BLOCK * M`` scores per picture for M patches of the style."""


class PatchStyleLoss(Loss):
    """Squared distance of each patch of the image's features from its nearest patch of the style.

    Let p_i be the N patches of the image at a layer, q_j the M patches of the style, and j(i) the
    nearest patch of p_i. The loss is the weighted mean over layers of the dimensionless
    ``mean_i |p_i - q_j(i)|^2 / mean_j |q_j|^2``. The nearest patch has the highest score ::

        cos(p_i, q_j) - map_weight |m_i - n_j|^2 / 2 - usage_penalty u_j

    m_i and n_j are the patches of two semantic maps, and their squared distance is a mean over the
    cells of a patch. For one-hot maps the second term is `map_weight` for patches of different
    regions and 0 within a region. u_j is the number of times that q_j was chosen before, divided by
    ``max(1, N / M)``. If all patches of the style were used equally often, each would be used N / M
    times.

    Parameters
    ----------
    style : path, PIL image or array [h, w, 3]
        The style picture, which keeps its own size and aspect ratio.
    image_map, style_map : array [H, W, K] and [h, w, K], optional
        Semantic maps in [0, 1], with the height and width of the picture and of the style: K
        stacked masks of regions, or colours. Default: no maps, and any patch of the style may be
        matched.
    layers : sequence of str
        Default: conv3_1 and conv4_1.
    layer_weights : sequence of float or mapping, optional
        One weight per layer, at least 0. Default: equal weights.
    patch : int
        Side of a patch in cells of a layer, at least 1.
    stride : int
        Distance between adjacent patches of the image in cells, from 1 to `patch`. The last patch
        of a row or column ends at the border, so that the patches cover every cell. A stride of 2
        takes a quarter of the time of a stride of 1 and transfers nearly as much of the style. All
        patches of the style, with stride 1, are candidates.
    map_weight : float
        Weight of the semantic maps, at least 0. Cosines of features differ by a few tenths. A
        weight of 1 nearly excludes patches of other regions. A weight of 0.1 allows them where the
        matching region of the style has no similar patch.
    usage_penalty : float
        Penalty for repeated use of a patch, at least 0. With 0, one patch may fill a whole area.
    normalize : str
        ``"relative"``: the formula above. ``"li_wand2016"``: ``1/2 sum_c mean_i |p_ic -
        q_j(i)c|^2`` at each layer, the sum over cells c of the mean over the patches i that contain
        c. Its gradient is that of the program of Li and Wand.
    style_scale : float
        Factor by which the style picture is resized, above 0. Values above 1 make strokes larger.
    seed : int
        Seed of the random order in which patches are matched, at least 0. The order matters if
        several patches have the same nearest patch.
    weight, name
        See `Loss`.

    References
    ----------
    Li, Wand: Combining Markov Random Fields and Convolutional Neural Networks for Image Synthesis,
    CVPR 2016, eq. 2-3. They sum the squares over all patches and do not divide by the squares of
    the style. Their program averages the gradients of overlapping patches.
    Champandard: Semantic Style Transfer and Turning Two-Bit Doodles into Fine Artworks, 2016,
    concatenates maps and features and computes one cosine. Here the maps are a separate term. The
    weight of a map is therefore the same at every layer, and black (0, 0, 0) has no special
    meaning.
    Kaspar et al.: Self Tuning Texture Optimization, Eurographics 2015, section 4.2, for the
    penalty on use.

    Notes
    -----
    Patches are matched in at least 32 blocks of up to `BLOCK` patches, drawn at random over the
    picture. The usage counts are updated after each block, so a single pass is enough. The matches
    are recomputed in each evaluation and have no gradient. L-BFGS tolerates the discontinuities.
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
            fail("`image_map` and `style_map` must be given together", received="only one of them")
        if self.image_map is None or self.style_map is None:
            return
        if self.image_map.shape[-1] != self.style_map.shape[-1]:
            fail(
                "`image_map` and `style_map` must have the same channels",
                expected="one channel per region or colour, in the same order",
                received=f"{self.image_map.shape[-1]} and {self.style_map.shape[-1]} channels",
            )
        _check_shape(self.style_map, self.style.shape[:2], "style_map")

    def prepare(self, canvas: Canvas) -> Targets:
        """Return a dict of layer name to the patches of the style and of both maps."""
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
                # Unit vectors, and the lengths by which to multiply them to restore the patches.
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
        """Return the index of the nearest patch of the style for each patch of the image.

        Parameters
        ----------
        patches : tensor [B, N, D]
            What `feature_patches` returned for the image at a layer.
        target : dict
            What `prepare` returned for the layer.

        Returns
        -------
        tensor [B, N]
            int32, from 0 to M - 1, without a gradient.
        """
        patches = ops.stop_gradient(patches)
        length = ops.sqrt(ops.sum(ops.square(patches), axis=-1, keepdims=True))
        queries, keys = patches / ops.maximum(length, EPSILON), target["keys"]
        if target["map"] is not None:
            # -|m - n|^2 / 2 = m n - |n|^2 / 2 - |m|^2 / 2. The last term is the same for every n.
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
        """Return the patches of a semantic map, ``[N, patch * patch * K]``, divided by `patch`.

        The squared distance of two patches is then a mean over cells.
        """
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
            # The map is hashed as a batch of single channels, because a picture has at most four
            # channels.
            for key in ("image_map", "style_map"):
                config[key] = picture_hash(np.moveaxis(getattr(self, key), -1, 0)[..., None])
            config["map_weight"] = self.map_weight
        config |= weight_config(self.layer_weights)
        config |= {"patch": self.patch, "stride": self.stride, "seed": self.seed}
        config |= {"usage_penalty": self.usage_penalty, "style_scale": self.style_scale}
        config["normalize"] = self.normalize
        return config | super().get_config()


def feature_patches(feature, side: int, stride: int = 1):
    """Return the square patches of a feature map, row by row.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
    side, stride : int
        Side of a patch and distance between patches, in cells. Along an axis of n cells patches
        start at 0, stride, 2 stride, ... and at n - side.

    Returns
    -------
    tensor [B, N, side * side * C]

    Raises
    ------
    InputError
        If the feature map is smaller than a patch.
    """
    height, width, channels = feature.shape[1:]
    if min(height, width) < side:
        fail(
            "a picture is too small for the patches of a layer",
            expected=f"at least {side}x{side} cells",
            received=f"{width}x{height} cells",
            hint="use larger pictures, shallower layers, or fewer pyramid levels",
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
    """Return the values at first, first + stride, ... and at first + reach along an axis."""
    lead, last = (slice(None),) * axis, first + reach
    found = values[(*lead, slice(first, last + 1, stride))]
    if reach % stride == 0:
        return found
    return ops.concatenate([found, values[(*lead, slice(last, last + 1))]], axis=axis)


def _cell_shares(shape, side: int, stride: int) -> np.ndarray:
    """Return, for each entry of each patch, 1 / (number of patches that contain its cell).

    Parameters
    ----------
    shape : tuple of int
        Shape of the feature map ``[B, h, w, C]``.
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
    """Return the index of the key with the highest score for each query.

    The score of query q and key k is ``q k`` minus a penalty for earlier uses of k.

    Parameters
    ----------
    queries : tensor [B, N, D]
    keys : tensor [M, D]
    penalty : float
        Penalty per earlier use of a key, multiplied by M / N if N is above M. Uses are counted
        separately for each picture of the batch.
    seed : int
        Seed of the random order of the queries, which are processed in blocks of up to `BLOCK`.

    Returns
    -------
    tensor [B, N]
        int32, from 0 to M - 1.
    """
    (batch, count, depth), size = queries.shape, keys.shape[0]
    # There are at least 32 blocks, if there are as many queries, because uses are only counted
    # between blocks.
    block = max(1, min(BLOCK, count // 32))
    blocks = -(-count // block)
    order = np.random.default_rng(seed).permutation(count)
    slots = np.arange(blocks * block)
    # The last block is padded with queries whose uses are not counted.
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
            f"`{name}` must be a semantic map",
            expected="an array [H, W, K] in [0, 1] with one channel per region or colour",
            received=f"{type(value).__name__}, {channels.dtype} {list(channels.shape)}",
            hint="stack masks with numpy.stack(masks, axis=-1)",
            argument=name,
        )
    channels = channels.astype("float32")
    if not (channels.min() >= 0 and channels.max() <= 1):  # also for NaN
        fail(
            f"`{name}` must have values in [0, 1]",
            received=f"values from {channels.min():g} to {channels.max():g}",
            argument=name,
        )
    return channels


def _check_shape(channels: np.ndarray, shape, name: str) -> None:
    if channels.shape[:2] != tuple(shape):
        fail(
            f"`{name}` must have the size of its picture",
            expected=f"(height, width) {tuple(shape)}",
            received=channels.shape[:2],
            argument=name,
        )
