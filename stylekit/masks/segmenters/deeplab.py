"""DeepLab, or any network that gives one label or one score a class at each pixel."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from stylekit._checks import FileError, InputTypeError, explain, fail, integer
from stylekit.image import PictureLike, as_image, resize
from stylekit.masks.operations import pair
from stylekit.masks.segmentation import Segmentation, class_names
from stylekit.masks.segmenters.models import KINDS, NO_NETWORK, Network, hub, of_keras, open_network

if TYPE_CHECKING:
    import keras

VOC_NAMES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
"""The classes of PASCAL VOC, in the order of its labels."""

PRESET = "deeplab_v3_plus_resnet50_pascalvoc"
"""KerasHub's preset that `DeepLab` loads unless told otherwise."""

_GREY = 0.5  # what the networks were trained to see beyond a picture's edge: 127.5 of 255
_LONGER_SIDE = 512  # for networks that take any size: near VOC's 513, and divides by every stride


class DeepLab:
    """A segmenter that runs DeepLab, or another network for semantic segmentation.

    Parameters
    ----------
    model : path or keras.Model, optional
        A file or folder: ``.tflite`` (float or quantised), ``.keras``, a SavedModel's folder, a
        frozen graph ``.pb`` with ``ImageTensor`` and ``SemanticPredictions``, or the folder of a
        KerasHub preset; or a Keras model, such as a KerasHub `ImageSegmenter`. Default: KerasHub's
        DeepLabV3+ trained on PASCAL VOC, which it downloads once. A model file is a program: take
        only one whose origin you trust. Graphs that reach files, Python or the network are refused.
    names : sequence of str, optional
        The names of the network's classes in the order of its labels. Default: `VOC_NAMES`, where
        there are 21.
    size : int or (int, int), optional
        The longer side, or height and width, that the network works at. Default: what the model
        says (its input, its preprocessor, or the size that its graph stretches pictures to), else
        512. A model with an input of a fixed size takes no other.
    input_range : (float, float), optional
        What black and white are to a network that takes floats. A network that takes integers, and
        a KerasHub model with a preprocessor, know it themselves.
    scores : bool, optional
        Whether to keep the probabilities, ``4 * K`` bytes a pixel, where the network gives them.

    Raises
    ------
    FileError
        If the model is missing, cannot be downloaded, is of another kind, is corrupt, or reaches
        files, Python or the network.
    SetupError
        If KerasHub is needed and not installed.
    InputError, InputTypeError
        If another argument cannot be used.

    Notes
    -----
    The picture is scaled to fit the network's size with its aspect kept and padded with grey at the
    right and below, as DeepLab is trained and evaluated [1]_; stretching it to a square, as many
    examples do, costs accuracy on pictures that are far from square. Scores come back to the
    picture's own size by bilinear interpolation before the largest is taken, so that edges do not
    show the network's coarser grid; where a network gives labels only, the same is done with the
    indicator of each label.

    References
    ----------
    .. [1] Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image
       Segmentation", ECCV 2018.
    """

    def __init__(
        self,
        model: str | os.PathLike | keras.Model | None = None,
        names: Iterable[str] | None = None,
        *,
        size: int | tuple[int, int] | None = None,
        input_range: tuple[float, float] = (-1, 1),
        scores: bool = True,
    ):
        self.names = None if names is None else class_names(names)
        asked = None if size is None else _canvas(size)
        self._network = _network(model, input_range)
        if self._network.fixed and asked not in (None, self._network.size):
            fail(
                f"{self._network.source} works at one size only",
                expected=f"size={self._network.size} or None",
                received=size,
                argument="size",
            )
        self.size = asked or self._network.size or _canvas(_LONGER_SIDE)
        self.scores = bool(scores)

    def __call__(self, image: PictureLike) -> Segmentation:
        """Segment one picture.

        Parameters
        ----------
        image : path, PIL image or array_like
            A picture, as `image.as_image` takes it.

        Returns
        -------
        Segmentation
            At the picture's own size.

        Raises
        ------
        FileError
            If the network fails on the picture or gives something else than labels or scores.
        InputError
            If the network's classes are not as many as the names, or need names.
        """
        picture = as_image(image, "image")
        pixels, used = letterbox(picture, self.size)
        found = _prediction(self._network.run(pixels), self._network.source)
        names = self._names(found)
        labels, scores = enlarge(found, used, picture.shape[:2], self.scores)
        return Segmentation(labels, names, scores)

    def _names(self, found: np.ndarray) -> tuple[str, ...]:
        names = self.names or VOC_NAMES
        if found.ndim == 3:
            fits, count = found.shape[-1] == len(names), f"{found.shape[-1]} classes"
        else:
            fits, count = found.max() < len(names), f"labels up to {found.max()}"
        if not fits:
            fail(
                f"{self._network.source} has other classes than its {len(names)} names",
                expected=f"{len(names)} classes"
                + (", those of PASCAL VOC, unless names are given" if self.names is None else ""),
                received=count,
                hint="give the names of the set that it was trained on (COCO, Cityscapes, ...) in "
                "the order of its labels, as `names`",
                argument="names",
            )
        return names

    def __repr__(self) -> str:
        return f"DeepLab({self._network.source}, size={self.size})"


def letterbox(picture: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, tuple[float, float]]:
    """Scale a picture to fit `size`, its aspect kept, and pad it with grey at the right and below.

    Returns
    -------
    pixels : ndarray
        ``float32 [height, width, 3]``.
    used : (float, float)
        The shares of the height and the width that the picture takes.
    """
    sides = picture.shape[:2]
    scale = min(limit / side for limit, side in zip(size, sides, strict=True))
    inner = tuple(
        min(limit, max(1, round(scale * side))) for limit, side in zip(size, sides, strict=True)
    )
    pixels = np.full((*size, 3), _GREY, np.float32)
    pixels[: inner[0], : inner[1]] = resize(picture, inner)
    return pixels, (inner[0] / size[0], inner[1] / size[1])


def enlarge(
    found: np.ndarray, used: tuple[float, float], shape: tuple[int, int], keep_scores: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Bring a network's labels or scores to a picture's size.

    Parameters
    ----------
    found : ndarray
        Labels ``[h, w]``, or probabilities or logits ``float [h, w, K]``.
    used : (float, float)
        The shares of the height and the width that the picture takes, from the top left.
    shape : (int, int)
        The picture's height and width.
    keep_scores : bool
        Whether to return probabilities, where there are any.

    Returns
    -------
    labels : ndarray
        ``int32 [H, W]``.
    scores : ndarray or None
        ``float32 [H, W, K]``, summing to 1.
    """
    given = found.ndim == 3
    classes = range(found.shape[-1]) if given else np.unique(found)
    probable = given and _are_probabilities(found)
    bottom, right = used[0] * found.shape[0], used[1] * found.shape[1]
    found = found[: math.ceil(bottom - 1e-6), : math.ceil(right - 1e-6)]  # no padding mixes in
    box = (0, 0, min(right, found.shape[1]), min(bottom, found.shape[0]))
    best = np.full(shape, -np.inf, np.float32)
    labels = np.zeros(shape, np.int32)
    scores = np.empty((*shape, len(classes)), np.float32) if given and keep_scores else None
    for k in classes:
        plane = found[..., k] if given else found == k
        image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
        plane = np.asarray(image.resize(shape[::-1], Image.Resampling.BILINEAR, box=box))
        labels[plane > best] = k
        np.maximum(best, plane, out=best)
        if scores is not None:
            scores[..., k] = plane
    if scores is not None:
        if not probable:
            scores -= best[..., np.newaxis]
            np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
    return labels, scores


def _network(model: Any, input_range: tuple[float, float]) -> Network:
    if model is None:
        return of_keras(_preset(), f"KerasHub's {PRESET}")
    if isinstance(model, (str, os.PathLike)):
        return open_network(model, input_range)
    if callable(model) and hasattr(model, "input_shape"):
        return of_keras(model, f"the model {getattr(model, 'name', '')}".rstrip(), input_range)
    raise InputTypeError(
        explain(
            "model is no model",
            expected=f"the path of one ({KINDS}), a Keras model, or None",
            received=f"{model!r:.60}",
        ),
        argument="model",
    )


def _preset() -> Any:
    models = hub().models
    try:
        return models.ImageSegmenter.from_preset(PRESET)
    except Exception as error:  # the network, the disk and the hub's client fail in their own way
        raise FileError(
            explain(
                f"KerasHub's preset {PRESET} cannot be had ({error})"[:400],
                hint="download it on another machine and give its folder as `model`, or a model "
                f"file of your own ({KINDS}); {NO_NETWORK}",
            ),
            argument="model",
        ) from error


def _canvas(size: Any) -> tuple[int, int]:
    if isinstance(size, (tuple, list)):
        return pair(size)
    side = integer(size, "size", low=1)
    return side, side


def _prediction(outputs: dict[str, np.ndarray], source: str) -> np.ndarray:
    """Return labels ``int [h, w]`` or scores ``float32 [h, w, K]`` among a network's outputs."""
    found = [np.asarray(value) for value in outputs.values()]
    found = [v[..., 0] if v.ndim == 3 and v.shape[-1] == 1 else v for v in found]
    labels = [v for v in found if v.ndim == 2 and (v.dtype.kind in "iu" or np.all(v == v.round()))]
    scores = [v for v in found if v.ndim == 3 and v.shape[-1] > 1]
    if labels:  # scores of another size than the labels still have the network's own padding
        scores = [v for v in scores if v.shape[:2] == labels[0].shape]
    if scores and np.isfinite(scores[0]).all():
        return scores[0].astype(np.float32)
    if labels and not scores and labels[0].min() >= 0:
        return labels[0].astype(np.int64)
    received = ", ".join(f"{key} {np.shape(value)}" for key, value in outputs.items())
    raise FileError(
        explain(
            f"{source} gives no labels or scores that can be used",
            expected="labels [height, width] from 0 on, or finite scores [height, width, classes]",
            received=received or "no outputs",
        ),
        argument="model",
    )


def _are_probabilities(scores: np.ndarray) -> bool:
    return bool(scores.min() >= 0 and np.allclose(scores.sum(axis=-1), 1, atol=0.01))
