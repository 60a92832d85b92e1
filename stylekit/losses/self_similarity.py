"""A content loss that compares self-similarity, the similarities of the places of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras import ops

from stylekit import functional
from stylekit._checks import caused_by, fail, integer, number
from stylekit.functional import Tensor
from stylekit.image import PictureLike, as_batch, picture_hash
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
from stylekit.losses.content import check_batch, reference_at
from stylekit.losses.hypercolumns import (
    CellGrid,
    feature_factors,
    regular_sample,
    sample_of,
    sampled,
)
from stylekit.losses.region import Region
from stylekit.masks import MaskLike

PAIR = 16
"""Bytes of memory per pair of places while the gradient is evaluated."""


class SelfSimilarityLoss(Loss):
    """Difference between the self-similarities of the image and of a content picture.

    A hypercolumn is the concatenation of the features of several layers at one place. The
    self-similarity of a picture is the matrix of cosine distances between all pairs of N sampled
    hypercolumns. With D the matrix of the image and E that of the content, the loss is
    ``sum_ij |D_ij / sum_i D_ij - E_ij / sum_i E_ij| / N``, in [0, 2]. It does not depend on the
    scale of the features. It constrains colours and textures less than `ContentLoss`.

    Parameters
    ----------
    reference : path, PIL image or array
        The content picture ``[H, W, 3]``, or a batch ``[B, H, W, 3]`` with one content per image.
        Its aspect ratio must be that of the image.
    layers : sequence of str, or mapping of str to float
        Layers of the hypercolumns. If `layers` is a mapping, its values are the layer weights.
        Default: the extractor's style layers.
    layer_weights : sequence of float or mapping, optional
        Factors of the features, one per layer, at least 0. Default: equal weights.
    mask : array [H, W], path, PIL image or callable, optional
        Weight of each place, in [0, 1]. A pair is weighted by the values at both places. Default: 1
        everywhere.
    samples : int
        Maximum number of cells that are compared, at least 2. A cell is 4 x 4 pixels; see
        `CellGrid`. If a picture has more cells, a regular grid of them is compared. With several
        times the default weight of the recipes, that grid can become visible in flat areas. Time
        and memory grow with the square of `samples`.
    coarse_exponent : float
        The loss is multiplied by (final size / size of the level) to this power, at least 0. An
        exponent of 1 doubles the loss at half the size, as in the paper, so that the coarse levels
        of a `Pyramid` determine the forms.
    weight, name
        See `Loss`.

    Raises
    ------
    InputError
        In `prepare`, if the aspect ratios of the reference and the image differ, or no sampled cell
        is inside the mask.

    References
    ----------
    Kolkin, Salavon, Shakhnarovich: Style Transfer by Relaxed Optimal Transport and
    Self-Similarity, 2019, eq. 11. They draw 1024 new places in every step. Here the sample is
    fixed, because L-BFGS needs an objective that does not change. They divide by ``N^2``. Each
    column sums to 1, so division by N, as in their program, makes the value independent of N. The
    features of each layer are divided by their mean and by the number of channels, as in
    `NeighborStyleLoss`.
    """

    def __init__(
        self,
        reference: PictureLike | Sequence[PictureLike],
        *,
        layers: LayersLike = None,
        layer_weights: LayerWeightsLike = None,
        mask: MaskLike | None = None,
        samples: int = 1024,
        coarse_exponent: float = 0.0,
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        with caused_by("reference"):
            self.reference = as_batch(reference, "content")
        self.layers = optional_layers(layers)
        self.layer_weights = weight_tuple(layer_weights, layers)
        self.region = Region(mask)
        self.samples = integer(samples, "samples", low=2)
        self.coarse_exponent = number(coarse_exponent, "coarse_exponent", low=0)

    def prepare(self, canvas: Canvas) -> Targets:
        """Return the self-similarity of the reference and the positions of the sample.

        Returns
        -------
        dict
            ``"similarity"``, a tensor ``[1 or B, N, N]``; ``"weights"`` of the places, ``[N]``;
            ``"scale"``, a scalar; ``"index"``, a dict of layer name to positions ``[N, K]``; and
            ``"factors"``, a dict of layer name to scalar.
        """
        image = reference_at(self.reference, canvas)
        layers = weights_by_layer(self.layers_of(canvas.extractor), self.layer_weights)
        grid = CellGrid(canvas, list(layers))
        places = regular_sample(grid.shape, self.samples)
        weights = grid.weights(self.region)[places]
        if not weights.any():
            fail(
                "`mask` must cover at least one of the sampled cells",
                hint="enlarge the region, or raise `samples`",
                argument="mask",
            )
        index = grid.index(places[weights > 0])
        weights = ops.convert_to_tensor(weights[weights > 0])
        features = canvas.extract(image, layers)
        factors = feature_factors(features, index, layers)
        columns = sampled(features, index, factors)
        scale = (max(canvas.base_shape) / max(canvas.shape)) ** self.coarse_exponent
        return {
            "similarity": functional.self_similarity(columns, weights),
            "weights": weights,
            "scale": ops.convert_to_tensor(scale, "float32"),
            "index": index,
            "factors": factors,
        }

    def compute(self, image: Tensor, features: Mapping[str, Any], targets: Targets) -> Tensor:
        """Return `functional.self_similarity_error` times the scale; see `Loss.compute`."""
        check_batch(image, targets["similarity"])
        columns = sampled(features, targets["index"], targets["factors"])
        error = functional.self_similarity_error(columns, targets["similarity"], targets["weights"])
        return per_picture(ops.cast(targets["scale"], error.dtype) * error, ops.shape(image)[0])

    def needs(self, shape: tuple[int, int], maps: Mapping[str, tuple[int, int, int]]) -> Needs:
        """Return the memory for the distances of all pairs; see `Loss.needs`."""
        pairs = sample_of(shape, self.samples) ** 2
        count = len(self.reference)
        return Needs(PAIR * pairs, count * PAIR * pairs, count * 4 * pairs)

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config: dict[str, Any] = {"reference": picture_hash(self.reference)}
        config |= self.region.get_config("mask")
        config |= {"samples": self.samples, "coarse_exponent": self.coarse_exponent}
        config |= weight_config(self.layer_weights)
        return config | super().get_config()
