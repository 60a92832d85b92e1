"""The fully connected CRF: regions whose edges follow the picture's, by mean field."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy import ndimage

from stylekit._checks import InputTypeError, choice, explain, fail, integer, number
from stylekit.image import PictureLike, as_image
from stylekit.masks.operations import mask_of
from stylekit.masks.refine.mean_field import mean_field
from stylekit.masks.segmentation import Segmentation

_SURE = 1 - 1e-6


@dataclasses.dataclass(frozen=True)
class CRFParameters:
    """What `crf` believes, and how far it looks.

    Parameters
    ----------
    appearance_weight : float, optional
        How much pixels that are near each other and alike in colour want one label; at least 0.
    smoothness_weight : float, optional
        How much neighbours want one label whatever their colour; at least 0.
    position_deviation : float, optional
        How far the first looks, as a share of the picture's longer side, in [0.01, 10].
    color_deviation : float, optional
        How alike colours must be, in units of RGB in [0, 1], in [0.01, 10]. Literature that counts
        to 255 writes 13 for 0.05.
    smoothness_deviation : float, optional
        How far the second looks, as a share of the picture's longer side, in [0, 0.1].
    confidence : float, optional
        The probability that the source's word is right where it says 0 or 1, in (0.5, 1). It bounds
        what the pixels around must outweigh, of labels and masks and of a network's scores, too.
    iterations : int, optional
        Rounds of mean field, at least 1.

    Notes
    -----
    Positions are shares of the picture, not pixels as in the literature, so that the parameters
    mean the same at every size: 80 pixels of PASCAL VOC's 500 are 0.16.
    """

    appearance_weight: float = 6.0
    smoothness_weight: float = 2.0
    position_deviation: float = 0.16
    color_deviation: float = 0.05
    smoothness_deviation: float = 0.004
    confidence: float = 0.95
    iterations: int = 5

    def __post_init__(self):
        number(self.appearance_weight, "appearance_weight", low=0)
        number(self.smoothness_weight, "smoothness_weight", low=0)
        number(self.position_deviation, "position_deviation", low=0.01, high=10)
        number(self.color_deviation, "color_deviation", low=0.01, high=10)
        number(self.smoothness_deviation, "smoothness_deviation", low=0, high=0.1)
        number(self.confidence, "confidence", low=0.5, high=_SURE, open_low=True)
        integer(self.iterations, "iterations", low=1)


def crf(
    picture: PictureLike,
    source: Segmentation | Any,
    parameters: CRFParameters | None = None,
    **changes: Any,
) -> Segmentation | np.ndarray:
    """Refine a segmentation or a mask by a fully connected conditional random field.

    Each pixel hears from all others what they are, the more so the nearer and the more alike in
    colour they are, and weighs that against what the source says of it. Edges move to the
    picture's, specks go, and a region grows along its colour, over far more than a filter's window.

    Parameters
    ----------
    picture : path, PIL image or array_like
        The picture, of the source's size.
    source : Segmentation, or array_like, PIL.Image.Image or path
        What is to be refined. Of a segmentation the classes in the labels take part, by their
        scores where there are any. Else a mask, as `as_mask` takes it: the probability of 1.
    parameters : CRFParameters, optional
        Default: ``CRFParameters()``.
    **changes
        Fields of `CRFParameters` to be replaced: ``crf(picture, mask, color_deviation=0.03)``.

    Returns
    -------
    Segmentation or ndarray
        Of what the source is. A segmentation has new labels, and the marginals of mean field as
        its scores, 0 for classes that took no part; an object's number stays with its pixels, and
        pixels new to its class join the nearest. A mask is ``float32 [H, W]`` in [0, 1], the
        marginal probability of 1.

    Raises
    ------
    InputError, InputTypeError
        If the picture or the source cannot be used, their sizes differ, a parameter is unknown or
        out of range, or the deviations are so small that the grid would not fit into memory.

    Notes
    -----
    With labels x, ``E(x) = sum_i u(x_i) + sum_{i<j} [x_i != x_j] k_ij``, where
    ``k_ij = w_a exp(-|p_i - p_j|^2 / 2 t_a^2 - |c_i - c_j|^2 / 2 t_c^2) + w_s exp(-|p_i - p_j|^2 /
    2 t_s^2)``. Each kernel K is normalised to ``D^-1/2 K D^-1/2`` with D its row sums, as in the
    authors' later code [2]_ and not in the paper, which makes weights independent of the picture's
    size, and its diagonal, a pixel's message to itself, is taken away, as in the paper's sum over
    j != i. Mean field iterates ``Q_i(l) ~ exp(-u_i(l) + sum_m w_m (K_m Q(l))_i)`` for all pixels at
    once. CRF-RNN networks [3]_ run the same steps with weights that they learned.

    ``u = -log p``, with p the source's probability mapped from [0, 1] to [(1 - confidence) /
    (K - 1), confidence] for the K classes present. Without the bound a network that is sure and
    wrong at an edge could not be corrected.

    The smoothness kernel is an exact Gaussian filter. Appearance goes through a grid; against the
    exact sum the marginals differ by less than 0.05 (tests, 32 x 32). Colours are sRGB.

    References
    ----------
    .. [1] P. Krähenbühl, V. Koltun: Efficient Inference in Fully Connected CRFs with Gaussian Edge
       Potentials. NeurIPS 2011, equations 2 and 3 and algorithm 1.
    .. [2] P. Krähenbühl, V. Koltun: Parameter Learning and Convergent Inference for Dense Random
       Fields. ICML 2013.
    .. [3] S. Zheng et al.: Conditional Random Fields as Recurrent Neural Networks. ICCV 2015.
    """
    parameters = _changed(CRFParameters() if parameters is None else parameters, changes)
    image = as_image(picture)
    planes, present = _planes(source, image)
    if len(planes) == 1:  # one class has nothing to yield to
        return source
    marginals = _marginals(image, planes, parameters)
    if not isinstance(source, Segmentation):
        return marginals[0]
    scores = np.zeros((*source.labels.shape, len(source.names)), np.float32)
    scores[..., present] = np.moveaxis(marginals, 0, -1)
    labels = present[marginals.argmax(axis=0)].astype(np.int32)
    parts = None if source.parts is None else _moved(source.parts, source.labels, labels)
    return dataclasses.replace(source, labels=labels, scores=scores, parts=parts)


def _changed(parameters: CRFParameters, changes: dict[str, Any]) -> CRFParameters:
    if not isinstance(parameters, CRFParameters):
        raise InputTypeError(
            explain(
                "parameters is of another type",
                expected="CRFParameters",
                received=type(parameters).__name__,
            ),
            argument="parameters",
        )
    known = [field.name for field in dataclasses.fields(CRFParameters)]
    for name in changes:
        choice(name, "the parameter", known, argument="changes")
    return dataclasses.replace(parameters, **changes)


def _planes(source: Any, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the source's probabilities, ``float32 [K, H, W]``, of the K classes present."""
    if not isinstance(source, Segmentation):
        mask = mask_of(source, image, allow_empty=True)
        return np.stack([mask, 1 - mask]), np.arange(2)
    if source.labels.shape != image.shape[:2]:
        _fail_size(source.labels.shape, image.shape[:2])
    present = np.unique(source.labels)
    if source.scores is None:
        return (present[:, None, None] == source.labels).astype(np.float32), present
    planes = np.clip(np.moveaxis(source.scores[..., present], -1, 0), 1e-6, 1)
    return planes / planes.sum(axis=0), present


def _fail_size(received: tuple[int, ...], shape: tuple[int, int]):
    fail(
        "the segmentation has another size than the picture",
        expected=f"{shape}",
        received=f"{received}",
        hint="give the picture that was segmented",
        argument="source",
    )


def _marginals(image: np.ndarray, planes: np.ndarray, parameters: CRFParameters) -> np.ndarray:
    """Return mean field's probabilities, ``float32 [K, H, W]``."""
    side, floor = max(image.shape[:2]), (1 - parameters.confidence) / (len(planes) - 1)
    return mean_field(
        image,
        -np.log(floor + (parameters.confidence - floor) * planes),
        appearance=(
            parameters.appearance_weight,
            parameters.position_deviation * side,
            parameters.color_deviation,
        ),
        smoothness=(parameters.smoothness_weight, parameters.smoothness_deviation * side),
        iterations=parameters.iterations,
    )


def _moved(parts: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the parts after a change of labels: new pixels go to their class's nearest part."""
    kept = np.where(before == after, parts, 0)
    moved = kept.copy()
    for label in np.unique(after[before != after]):
        own = (kept > 0) & (after == label)
        if own.any():
            nearest = ndimage.distance_transform_edt(
                ~own, return_distances=False, return_indices=True
            )
            new = (before != after) & (after == label)
            moved[new] = kept[tuple(nearest)][new]
    return moved
