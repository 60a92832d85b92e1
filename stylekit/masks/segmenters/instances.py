"""Segment objects with instance networks such as Mask R-CNN."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from stylekit._checks import FileError, InputTypeError, explain, fail, integer, number
from stylekit.image import PictureLike, as_image, fit_shape, resize
from stylekit.masks.operations import pair
from stylekit.masks.segmentation import Segmentation, class_names
from stylekit.masks.segmenters.models import open_network

OUTPUTS = {
    "boxes": "detection_boxes",
    "classes": "detection_classes",
    "scores": "detection_scores",
    "masks": "detection_masks",
}
"""The output names of networks of the TensorFlow Object Detection API."""


class Detection(NamedTuple):
    """One object that a network found.

    Attributes
    ----------
    box : ndarray
        ``float [4]``: top, left, bottom, right as fractions of the height and the width.
    label : int
        The index of the object's class.
    score : float
        The confidence of the network, in [0, 1].
    mask : ndarray
        ``float [h, w]``: the probability at each point of a grid over the box, in [0, 1].
    """

    box: np.ndarray
    label: int
    score: float
    mask: np.ndarray


class InstanceNetwork:
    """A segmenter that runs a network with boxes, classes, scores and masks (Mask R-CNN).

    Parameters
    ----------
    path : path
        A SavedModel folder or a ``.tflite`` file, as exported by the TensorFlow Object Detection
        API. It must have these outputs, with or without a leading batch axis of 1: boxes ``[N, 4]``
        (top, left, bottom, right as fractions of the picture), classes ``[N]``, scores ``[N]``, and
        masks ``[N, h, w]``, each over its box. A model file is a program: use only files whose
        origin you trust. Graphs with operations that access files, Python or the internet raise
        `FileError`.
    names : sequence of str, or mapping of int to str
        The names of the classes. The names in a sequence are numbered from 1, as in the Object
        Detection API. The keys of a mapping are the class numbers of the network, which may have
        gaps, as in COCO.
    threshold : float, optional
        Minimum confidence of an object, in [0, 1].
    size : int, optional
        Longer side in pixels, at least 1, to which larger pictures are reduced for the network. For
        a network with a fixed input size, the picture is stretched to that size instead. This is
        possible because boxes are relative to the size.
    input_range : (float, float), optional
        The input values that represent black and white in a network with float input.
    outputs : mapping of str to str, optional
        The output names of "boxes", "classes", "scores" and "masks", if they differ from `OUTPUTS`.
        In a ``.tflite`` file without a signature the names are ``StatefulPartitionedCall:0`` and so
        on, in no fixed order. If an output is missing, the error message lists the names.

    Raises
    ------
    FileError
        If the model does not exist, has an unknown format, is corrupt, or accesses files, Python or
        the internet.
    InputError, InputTypeError
        If another argument cannot be used.

    Notes
    -----
    Each mask is interpolated within its box [1]_ and thresholded at 0.5. Where objects overlap, a
    pixel belongs to the object with the largest product of mask and confidence.

    References
    ----------
    .. [1] He et al., "Mask R-CNN", ICCV 2017.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        names: Iterable[str] | Mapping[int, str],
        *,
        threshold: float = 0.5,
        size: int = 1024,
        input_range: tuple[float, float] = (-1, 1),
        outputs: Mapping[str, str] | None = None,
    ):
        self.numbers, self.names = _numbered(names)
        self.threshold = number(threshold, "threshold", low=0, high=1)
        self.size = integer(size, "size", low=1)
        self.outputs = OUTPUTS | _renamed(outputs)
        self._network = open_network(path, input_range)

    def __call__(self, image: PictureLike) -> Segmentation:
        """Return the segmentation of a picture into objects.

        Parameters
        ----------
        image : path, PIL image or array_like
            See `stylekit.image.as_image`.

        Returns
        -------
        Segmentation
            At the picture's own size. Its names are ``"background"`` and the names of the classes.
            Its `parts` are numbered from 1, by decreasing confidence.

        Raises
        ------
        FileError
            If the network fails on the picture or lacks an output.
        InputError
            If the network finds a class that has no name.
        """
        picture = as_image(image, "image")
        shape = picture.shape[:2]
        inner = self._network.size or fit_shape(shape, min(max(shape), self.size))
        found = self._detections(self._network.run(resize(picture, inner)))
        return compose(found, shape, ("background", *self.names))

    def _detections(self, found: dict[str, np.ndarray]) -> list[Detection]:
        missing = [name for name in self.outputs.values() if name not in found]
        if missing:
            shapes = ", ".join(f"{key} {np.shape(value)}" for key, value in found.items())
            raise FileError(
                explain(
                    f"{self._network.source} has no output {missing[0]}",
                    received=shapes,
                    hint='give their names, as outputs={"boxes": ..., "masks": ...}',
                ),
                argument="outputs",
            )
        boxes, classes, scores, masks = (np.asarray(found[self.outputs[key]]) for key in OUTPUTS)
        # For a single detection without a batch axis, the axis of detections may have been removed
        # as if it were the batch axis.
        boxes, masks = boxes.reshape(-1, 4), masks.reshape(-1, *masks.shape[-2:])
        classes, scores = np.ravel(classes), np.ravel(scores)
        counts = {len(boxes), len(classes), len(scores), len(masks)}
        if len(counts) > 1:
            raise FileError(
                explain(
                    f"{self._network.source} must return outputs of equal length",
                    expected="as many boxes as classes, scores and masks",
                    received=f"{len(boxes)}, {len(classes)}, {len(scores)} and {len(masks)}",
                    hint="give the names of the outputs with `outputs`",
                ),
                argument="outputs",
            )
        sure = np.flatnonzero(scores >= self.threshold)
        unknown = sorted({int(classes[i]) for i in sure} - set(self.numbers))
        if unknown:
            fail(
                f"{self._network.source} found class {unknown[0]}, which has no name",
                expected=f"one of {', '.join(map(str, self.numbers))}"[:200],
                hint="pass `names` as a mapping from the numbers of the network",
                argument="names",
            )
        return [
            Detection(boxes[i], 1 + self.numbers.index(int(classes[i])), float(scores[i]), masks[i])
            for i in sure
        ]

    def __repr__(self) -> str:
        return f"InstanceNetwork({self._network.source}, {len(self.names)} classes)"


def compose(
    found: Iterable[Detection], shape: tuple[int, int], names: Iterable[str]
) -> Segmentation:
    """Return a segmentation from detected objects. A pixel belongs to its most probable object.

    Parameters
    ----------
    found : iterable of Detection
        The objects, in any order. Their labels are indices into `names`.
    shape : (int, int)
        The picture's height and width.
    names : iterable of str
        The names of the classes. The first name is used for pixels without an object.

    Returns
    -------
    Segmentation
    """
    shape = pair(shape)
    labels, parts = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    best = np.zeros(shape, np.float32)
    ordered = sorted(found, key=lambda item: -item.score)
    for index, item in enumerate(ordered, start=1):
        where, values = paste(item.mask, item.box, shape)
        sure = np.where(values >= 0.5, values * item.score, 0)
        won = sure > best[where]
        best[where][won] = sure[won]
        labels[where][won] = item.label
        parts[where][won] = index
    return Segmentation(labels, tuple(names), parts=parts)


def paste(
    mask: np.ndarray, box: np.ndarray, shape: tuple[int, int]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Interpolate the mask of an object to the pixels whose centres are in the object's box.

    The points of the mask are the centres of a grid of cells that fills the box. The centre of
    pixel x is at ``(x + 1/2 - left) / (right - left) * w - 1/2`` on a grid of w cells.

    Parameters
    ----------
    mask : ndarray
        ``float [h, w]`` in [0, 1].
    box : ndarray
        Top, left, bottom, right as fractions of `shape`. The box is cropped to the picture.
    shape : (int, int)
        The picture's height and width.

    Returns
    -------
    where : (slice, slice)
        The rows and columns of the pixels.
    values : ndarray
        ``float32``: the mask at these pixels.
    """
    where, points = [], []
    for low, high, side, cells in zip(box[:2], box[2:], shape, mask.shape, strict=True):
        low, high = float(low) * side, float(high) * side
        first, last = max(0, round(low)), min(side, round(high))
        centres = np.arange(first, last) + 0.5
        where.append(slice(first, max(first, last)))
        points.append((centres - low) / max(high - low, 1e-6) * cells - 0.5)
    grid = np.meshgrid(*points, indexing="ij")
    values = ndimage.map_coordinates(mask.astype(np.float32), grid, order=1, mode="nearest")
    return (where[0], where[1]), values


def _numbered(names: Any) -> tuple[tuple[int, ...], tuple[str, ...]]:
    if isinstance(names, Mapping):
        numbers = tuple(integer(key, "a class number", low=0, argument="names") for key in names)
        names = class_names(names.values())
    else:
        names = class_names(names)
        numbers = tuple(range(1, len(names) + 1))
    if "background" in names:
        fail(
            "`names` must not include 'background'",
            expected="the classes of objects only",
            hint="omit it; it is added as the first name",
            argument="names",
        )
    return numbers, names


def _renamed(outputs: Any) -> dict[str, str]:
    if outputs is None:
        return {}
    if not isinstance(outputs, Mapping):
        raise InputTypeError(
            explain(
                "`outputs` must be a mapping",
                expected="a dict such as " + repr(OUTPUTS),
                received=outputs,
            ),
            argument="outputs",
        )
    unknown = sorted(set(outputs) - set(OUTPUTS))
    if unknown:
        fail(
            "`outputs` has an unknown key",
            expected=", ".join(OUTPUTS),
            received=unknown[0],
            argument="outputs",
        )
    return dict(outputs)
