"""A fully connected CRF that aligns the edges of regions with the edges of the picture."""

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
    """The parameters of `crf`.

    Parameters
    ----------
    appearance_weight : float, optional
        Weight of the appearance kernel, at least 0: the penalty for different labels of pixels that
        are near each other and have similar colours.
    smoothness_weight : float, optional
        Weight of the smoothness kernel, at least 0: the penalty for different labels of neighbours,
        regardless of their colours.
    position_deviation : float, optional
        Standard deviation of positions in the appearance kernel, as a fraction of the picture's
        longer side, in [0.01, 10].
    color_deviation : float, optional
        Standard deviation of colours in the appearance kernel, for RGB in [0, 1], in [0.01, 10].
        0.05 corresponds to 13 for RGB in [0, 255].
    smoothness_deviation : float, optional
        Standard deviation of positions in the smoothness kernel, as a fraction of the picture's
        longer side, in [0, 0.1].
    confidence : float, optional
        The probability, in (0.5, 1), that the source is right at pixels where its value is 0 or 1.
        It limits the influence of labels, masks and scores, so that surrounding pixels can outweigh
        them.
    iterations : int, optional
        Number of mean-field iterations, at least 1.

    Notes
    -----
    In the literature, positions are in pixels. Here they are fractions of the picture's longer
    side, so that the parameters have the same effect at every size. For PASCAL VOC, 80 of 500
    pixels correspond to 0.16.
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
    """Return a segmentation or a mask refined by a fully connected conditional random field (CRF).

    The label of each pixel depends on the source and on the labels of all other pixels. Near pixels
    with similar colours have the largest influence. Edges of regions move to edges of the picture,
    and specks are removed. A region can extend over a whole area of one colour, much further than
    the window of a filter.

    Parameters
    ----------
    picture : path, PIL image or array_like
        The picture, of the source's size.
    source : Segmentation, or array_like, PIL.Image.Image or path
        The segmentation or mask to refine. For a segmentation its scores are used, or its labels if
        it has no scores. Only classes that occur in the labels are used. For a mask, the values are
        the probabilities of the label 1.
    parameters : CRFParameters, optional
        The parameters. Default: ``CRFParameters()``.
    **changes
        Fields of `CRFParameters` to replace: ``crf(picture, mask, color_deviation=0.03)``.

    Returns
    -------
    Segmentation or ndarray
        The result has the same type as the source. A segmentation has new labels. Its scores are
        the mean-field marginals, and 0 for classes that were not used. Each object keeps the pixels
        that remain in its class. New pixels of a class are added to the nearest object. A mask is
        ``float32 [H, W]`` in [0, 1], the marginal probability of 1.

    Raises
    ------
    InputError, InputTypeError
        If the picture or the source cannot be used, their sizes differ, a parameter is unknown or
        out of range, or the deviations are so small that the grid would not fit into memory.

    Notes
    -----
    The energy of labels x is ``E(x) = sum_i u(x_i) + sum_{i<j} [x_i != x_j] k_ij``, where ``k_ij =
    w_a exp(-|p_i - p_j|^2 / 2 t_a^2 - |c_i - c_j|^2 / 2 t_c^2) + w_s exp(-|p_i - p_j|^2 / 2
    t_s^2)``. Each kernel matrix K is normalised to ``D^-1/2 K D^-1/2``, where D contains the row
    sums of K. The authors' later code [2]_ also does this, but the paper does not. The
    normalisation makes the weights independent of the picture's size. The diagonal of the matrix is
    the message of a pixel to itself. It is subtracted, as in the paper's sum over j != i. Mean
    field iterates ``Q_i(l) ~ exp(-u_i(l) + sum_m w_m (K_m Q(l))_i)`` for all pixels at once.
    CRF-RNN networks [3]_ perform the same steps with learned weights.

    The unary term is ``u = -log p``. Here p is the probability in the source, mapped from [0, 1] to
    [(1 - confidence) / (K - 1), confidence] for the K classes that are present. Without these
    limits, a wrong prediction with a high probability at an edge could not be corrected.

    The smoothness kernel is an exact Gaussian filter. The appearance kernel is evaluated on a grid.
    The resulting marginals differ from the marginals of the exact sum by less than 0.05 (in tests
    with 32 x 32 pixels). Colours are sRGB.

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
    if len(planes) == 1:  # with a single class, no label can change
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
                "`parameters` must be CRFParameters",
                expected="CRFParameters or None",
                received=type(parameters).__name__,
            ),
            argument="parameters",
        )
    known = [field.name for field in dataclasses.fields(CRFParameters)]
    for name in changes:
        choice(name, "the parameter", known, argument="changes")
    return dataclasses.replace(parameters, **changes)


def _planes(source: Any, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities ``float32 [K, H, W]`` and the indices of the source's K classes."""
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
        "the segmentation must have the size of the picture",
        expected=f"{shape}",
        received=f"{received}",
        hint="pass the picture that was segmented",
        argument="source",
    )


def _marginals(image: np.ndarray, planes: np.ndarray, parameters: CRFParameters) -> np.ndarray:
    """Return the mean-field marginals, ``float32 [K, H, W]``."""
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
    """Return `parts` for new labels: changed pixels join the nearest part of their new class."""
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
