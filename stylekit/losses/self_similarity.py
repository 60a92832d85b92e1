"""Content as self-similarity: places that are alike in the photograph stay alike."""

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
"""Bytes for a pair of places while the gradient is taken."""


class SelfSimilarityLoss(Loss):
    """Keeps how similar the places of a picture are to one another, whatever they look like.

    Of a sample of N hypercolumns, D holds the cosine distances of all pairs in the image, and E
    those in the reference. The value is
    ``sum_ij |D_ij / sum_i D_ij - E_ij / sum_i E_ij| / N``, in [0, 2]. A scaling of the
    features changes nothing. The loss leaves colours and textures freer than `ContentLoss` does.

    Parameters
    ----------
    reference : path, PIL image or array
        The content, of the picture's aspect ratio; a batch ``[B, H, W, 3]`` holds one a picture.
    layers : sequence of str, or mapping of str to float
        Of the hypercolumns. Default: the extractor's own style layers. A mapping holds the layers'
        weights, too.
    layer_weights : sequence of float or mapping, optional
        One a layer, at least 0: factors of the features. Default: equal.
    mask : array [H, W], path, PIL image or callable, optional
        Where the content counts. The places of a pair weigh by its values.
    samples : int
        Most cells that are compared, of 4 x 4 pixels as in `CellGrid`; of more, a regular grid of
        them is taken, which a weight of several times the default of the recipes can make visible
        in flat areas. Time and memory grow with the square.
    coarse_exponent : float
        The value is multiplied by the final size over the level's, to this power, at least 0. 1
        doubles it at half the size, as in the paper, so that forms are settled in the coarse levels
        of a `Pyramid`. Default: 0.
    weight, name
        See `Loss`.

    Raises
    ------
    InputError
        By `prepare`, if the reference's aspect ratio is not the picture's, or the mask has no cell
        of the sample.

    References
    ----------
    Kolkin, Salavon, Shakhnarovich: Style Transfer by Relaxed Optimal Transport and
    Self-Similarity, 2019, eq. 11. They draw 1024 places anew in every step, and divide by ``N^2``;
    a column sums to 1, so that a division by N makes the value independent of N, as in their
    program. The sample here is fixed, because L-BFGS needs an objective that stays the same. Layers
    are divided by the mean of their features and by their number of channels, as by
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
        """Return the reference's self-similarity, and which positions the sample reads.

        Returns
        -------
        dict
            ``"similarity"``, a tensor ``[1 or B, N, N]``, ``"weights"``, ``[N]``, ``"scale"``, a
            scalar, and by layer ``"index"``, ``[N, K]``, and ``"factors"``, scalars.
        """
        image = reference_at(self.reference, canvas)
        layers = weights_by_layer(self.layers_of(canvas.extractor), self.layer_weights)
        grid = CellGrid(canvas, list(layers))
        places = regular_sample(grid.shape, self.samples)
        weights = grid.weights(self.region)[places]
        if not weights.any():
            fail(
                "the mask has no cell of the sample",
                expected="a mask that covers some of the places that are compared",
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
        """Return `functional.self_similarity_error` of the sample, scaled; see `Loss.compute`."""
        check_batch(image, targets["similarity"])
        columns = sampled(features, targets["index"], targets["factors"])
        error = functional.self_similarity_error(columns, targets["similarity"], targets["weights"])
        return per_picture(ops.cast(targets["scale"], error.dtype) * error, ops.shape(image)[0])

    def needs(self, shape: tuple[int, int], maps: Mapping[str, tuple[int, int, int]]) -> Needs:
        """Return what the distances of all pairs take; see `Loss.needs`."""
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
