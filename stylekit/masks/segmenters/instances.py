"""Objects one by one: the adapter of instance networks such as Mask R-CNN."""

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
"""What the TensorFlow Object Detection API calls the outputs of its networks."""


class Detection(NamedTuple):
    """One object that a network found.

    Attributes
    ----------
    box : ndarray
        ``float [4]``: top, left, bottom, right as shares of the height and the width.
    label : int
        Its class.
    score : float
        The network's confidence, in [0, 1].
    mask : ndarray
        ``float [h, w]``: the probability at each point of a grid over the box, in [0, 1].
    """

    box: np.ndarray
    label: int
    score: float
    mask: np.ndarray


class InstanceNetwork:
    """A segmenter that runs a network for boxes, classes, scores and masks (Mask R-CNN).

    Parameters
    ----------
    path : path
        A SavedModel's folder or a ``.tflite`` file whose outputs are, with or without a leading
        batch axis of 1, boxes ``[N, 4]`` (top, left, bottom, right as shares of the picture),
        classes ``[N]``, scores ``[N]`` and masks ``[N, h, w]`` over each box, as the TensorFlow
        Object Detection API exports them. A model file is a program: take only one whose origin
        you trust. Graphs that reach files, Python or the network are refused.
    names : sequence of str, or mapping of int to str
        The classes' names. A sequence counts from 1, as that interface does; a mapping has the
        network's own numbers, which may have gaps (COCO's do).
    threshold : float, optional
        The least confidence of an object to be taken, in [0, 1].
    size : int, optional
        The longer side that the picture is reduced to for the network, if it is larger. One with an
        input of a fixed size gets the picture stretched to it, for its boxes are relative.
    input_range : (float, float), optional
        What black and white are to a network that takes floats.
    outputs : mapping of str to str, optional
        The network's own names of its "boxes", "classes", "scores" and "masks", where they are not
        those in `OUTPUTS`. A ``.tflite`` file without a signature calls them
        ``StatefulPartitionedCall:0`` and so on, in no fixed order; the error message lists them.

    Raises
    ------
    FileError
        If the model is missing, of another kind or corrupt, or reaches files, Python or the
        network.
    InputError, InputTypeError
        If another argument cannot be used.

    Notes
    -----
    Each mask is interpolated within its box [1]_ and cut at 0.5. Where objects overlap, a pixel
    goes to the one with the largest product of mask and confidence, so that no pixel is in two.

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
        """Find the objects of one picture.

        Parameters
        ----------
        image : path, PIL image or array_like
            A picture, as `image.as_image` takes it.

        Returns
        -------
        Segmentation
            At the picture's own size, with ``"background"`` before the classes' names, and with
            `parts`: the most confident object is number 1.

        Raises
        ------
        FileError
            If the network fails on the picture or lacks an output.
        InputError
            If it finds a class that has no name.
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
                    hint='say which is which, as outputs={"boxes": ..., "masks": ...}',
                ),
                argument="outputs",
            )
        boxes, classes, scores, masks = (np.asarray(found[self.outputs[key]]) for key in OUTPUTS)
        # Without its batch axis a single detection's axis may have been taken for it.
        boxes, masks = boxes.reshape(-1, 4), masks.reshape(-1, *masks.shape[-2:])
        classes, scores = np.ravel(classes), np.ravel(scores)
        counts = {len(boxes), len(classes), len(scores), len(masks)}
        if len(counts) > 1:
            raise FileError(
                explain(
                    f"{self._network.source} gives outputs that do not match",
                    expected="as many boxes, classes, scores and masks",
                    received=f"{len(boxes)}, {len(classes)}, {len(scores)} and {len(masks)}",
                    hint="say which is which with outputs=",
                ),
                argument="outputs",
            )
        sure = np.flatnonzero(scores >= self.threshold)
        unknown = sorted({int(classes[i]) for i in sure} - set(self.numbers))
        if unknown:
            fail(
                f"{self._network.source} found class {unknown[0]}, which has no name",
                expected=f"one of {', '.join(map(str, self.numbers))}"[:200],
                hint="give names as a mapping from the network's own numbers",
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
    """Put objects into a picture, each pixel to the one that is most sure of it.

    Parameters
    ----------
    found : iterable of Detection
        In any order; labels are indices into `names`.
    shape : (int, int)
        The picture's height and width.
    names : iterable of str
        The classes' names; the first is of what no object covers.

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
    """Interpolate a mask over a box to the pixels whose centres the box holds.

    The mask's points are the centres of a grid of cells that fills the box: the centre of pixel x
    lies at ``(x + 1/2 - left) / (right - left) * w - 1/2`` on a grid of w cells.

    Parameters
    ----------
    mask : ndarray
        ``float [h, w]`` in [0, 1].
    box : ndarray
        Top, left, bottom, right as shares of `shape`; what lies outside of it is cut off.
    shape : (int, int)
        The picture's height and width.

    Returns
    -------
    where : (slice, slice)
        The rows and the columns of the pixels.
    values : ndarray
        ``float32``, the mask there.
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
        numbers = tuple(integer(key, "a class's number", low=0, argument="names") for key in names)
        names = class_names(names.values())
    else:
        names = class_names(names)
        numbers = tuple(range(1, len(names) + 1))
    if "background" in names:
        fail(
            "names has the background",
            expected="the classes of objects only",
            hint="leave it out; it is added before them",
            argument="names",
        )
    return numbers, names


def _renamed(outputs: Any) -> dict[str, str]:
    if outputs is None:
        return {}
    if not isinstance(outputs, Mapping):
        raise InputTypeError(
            explain("outputs is no mapping", expected="such as " + repr(OUTPUTS), received=outputs),
            argument="outputs",
        )
    unknown = sorted(set(outputs) - set(OUTPUTS))
    if unknown:
        fail(
            "outputs has an unknown key",
            expected=", ".join(OUTPUTS),
            received=unknown[0],
            argument="outputs",
        )
    return dict(outputs)
