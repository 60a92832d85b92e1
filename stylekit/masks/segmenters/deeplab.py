"""DeepLab, and other networks for semantic segmentation."""

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
"""The KerasHub preset that `DeepLab` loads by default."""

_GREY = 0.5  # the padding with which the networks were trained, 127.5 of 255
_LONGER_SIDE = 512  # for networks of any size: near VOC's 513, a multiple of all strides


class DeepLab:
    """A segmenter that runs DeepLab, or another network for semantic segmentation.

    Parameters
    ----------
    model : path or keras.Model, optional
        A model file, a folder, or a Keras model, such as a KerasHub `ImageSegmenter`. Supported are
        ``.tflite`` files (float or quantised), ``.keras`` files, SavedModel folders, frozen graphs
        ``.pb`` with the nodes ``ImageTensor`` and ``SemanticPredictions``, and KerasHub preset
        folders. Default: the DeepLabV3+ of KerasHub, trained on PASCAL VOC, which is downloaded
        once. A model file is a program: use only files whose origin you trust. Graphs with
        operations that access files, Python or the internet raise `FileError`.
    names : sequence of str, optional
        The names of the classes in the order of the labels. Default: `VOC_NAMES`, for 21 classes.
    size : int or (int, int), optional
        The longer side, or (height, width), of the network's input. Default: the size that the
        model specifies by its input, its preprocessor, or a resize operation in its graph. If the
        model specifies no size, the default is 512. For a model with a fixed input size, other
        sizes raise `InputError`.
    input_range : (float, float), optional
        The input values that represent black and white in a network with float input. Not used for
        networks with integer input and for KerasHub models with a preprocessor.
    scores : bool, optional
        Whether to keep the probabilities, if the network returns them. They need ``4 * K`` bytes
        per pixel for K classes.

    Raises
    ------
    FileError
        If the model does not exist, cannot be downloaded, has an unknown format, is corrupt, or
        accesses files, Python or the internet.
    SetupError
        If KerasHub is needed and not installed.
    InputError, InputTypeError
        If another argument is invalid.

    Notes
    -----
    The picture is resized without distortion to fit into the network's input size, and padded with
    grey at the right and at the bottom, as in the training and evaluation of DeepLab [1]_. Many
    programs stretch the picture to a square instead, which reduces the accuracy for pictures that
    are far from square. Scores are interpolated bilinearly to the picture's size before the class
    with the largest score is chosen, so that edges do not show the coarser grid of the network. If
    a network returns labels only, a mask of each label is interpolated in the same way.

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
                f"{self._network.source} has a fixed input size",
                expected=f"size={self._network.size} or None",
                received=size,
                argument="size",
            )
        self.size = asked or self._network.size or _canvas(_LONGER_SIDE)
        self.scores = bool(scores)

    def __call__(self, image: PictureLike) -> Segmentation:
        """Return the segmentation of a picture.

        Parameters
        ----------
        image : path, PIL image or array_like
            See `stylekit.image.as_image`.

        Returns
        -------
        Segmentation
            The segmentation, at the size of the picture.

        Raises
        ------
        FileError
            If the network fails on the picture, or does not return labels or scores.
        InputError
            If the numbers of classes and names differ.
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
                f"`names` must have one name per class of {self._network.source}",
                expected=f"{len(names)} classes"
                + (" by default, those of PASCAL VOC" if self.names is None else ""),
                received=count,
                hint="pass the names of the data set that it was trained on (COCO, Cityscapes, "
                "...) in the order of its labels as `names`",
                argument="names",
            )
        return names

    def __repr__(self) -> str:
        return f"DeepLab({self._network.source}, size={self.size})"


def letterbox(picture: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, tuple[float, float]]:
    """Return a picture resized to fit `size` and padded with grey at the right and the bottom.

    Returns
    -------
    pixels : ndarray
        ``float32 [height, width, 3]``.
    used : (float, float)
        The shares of the height and the width of `size` that the picture covers.
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
    """Return the labels or scores of a network resized to the picture's size.

    Parameters
    ----------
    found : ndarray
        Labels ``[h, w]``, or probabilities or logits ``float [h, w, K]``.
    used : (float, float)
        The shares of the height and the width of `found` that the picture covers, starting at the
        top left.
    shape : (int, int)
        The picture's height and width.
    keep_scores : bool
        Whether to return probabilities, if `found` contains scores.

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
    found = found[: math.ceil(bottom - 1e-6), : math.ceil(right - 1e-6)]  # without the padding
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
            "`model` must be a path or a Keras model",
            expected=f"the path of a model ({KINDS}), a Keras model, or None",
            received=f"{model!r:.60}",
        ),
        argument="model",
    )


def _preset() -> Any:
    models = hub().models
    try:
        return models.ImageSegmenter.from_preset(PRESET)
    except Exception as error:  # the connection, the disk and the client raise errors of many types
        raise FileError(
            explain(
                f"KerasHub's preset {PRESET} could not be downloaded ({error})"[:400],
                hint="download it on another machine and pass its folder as `model`, or pass a "
                f"model file of your own ({KINDS}); {NO_NETWORK}",
            ),
            argument="model",
        ) from error


def _canvas(size: Any) -> tuple[int, int]:
    if isinstance(size, (tuple, list)):
        return pair(size)
    side = integer(size, "size", low=1)
    return side, side


def _prediction(outputs: dict[str, np.ndarray], source: str) -> np.ndarray:
    """Return the labels ``int [h, w]`` or scores ``float32 [h, w, K]`` in a network's outputs."""
    found = [np.asarray(value) for value in outputs.values()]
    found = [v[..., 0] if v.ndim == 3 and v.shape[-1] == 1 else v for v in found]
    labels = [v for v in found if v.ndim == 2 and (v.dtype.kind in "iu" or np.all(v == v.round()))]
    scores = [v for v in found if v.ndim == 3 and v.shape[-1] > 1]
    if labels:  # if scores and labels differ in size, the scores include the network's padding
        scores = [v for v in scores if v.shape[:2] == labels[0].shape]
    if scores and np.isfinite(scores[0]).all():
        return scores[0].astype(np.float32)
    if labels and not scores and labels[0].min() >= 0:
        return labels[0].astype(np.int64)
    received = ", ".join(f"{key} {np.shape(value)}" for key, value in outputs.items())
    raise FileError(
        explain(
            f"{source} must return labels or scores",
            expected="labels [height, width] from 0, or finite scores [height, width, classes]",
            received=received or "no outputs",
        ),
        argument="model",
    )


def _are_probabilities(scores: np.ndarray) -> bool:
    return bool(scores.min() >= 0 and np.allclose(scores.sum(axis=-1), 1, atol=0.01))
