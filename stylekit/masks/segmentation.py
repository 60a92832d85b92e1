"""The result of a segmentation: a class for each pixel, and masks of the classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy import ndimage

from stylekit._checks import InputTypeError, choice, explain, fail, number
from stylekit.image import PictureLike
from stylekit.masks.operations import listed
from stylekit.masks.overlay import overlay

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True, eq=False)
class Segmentation:
    """The class of each pixel of a picture.

    Parameters
    ----------
    labels : array_like of int, [H, W]
        The class of each pixel. The label i stands for ``names[i]``. Stored as int32.
    names : sequence of str
        The distinct names of all K classes that the segmenter knows, including classes that are not
        in the picture.
    scores : array_like of float, [H, W, K], optional
        The probability of each class, in [0, 1]. The probabilities of a pixel sum to 1. Stored as
        float32. Required for soft masks.
    parts : array_like of int, [H, W], optional
        The objects that an instance network found: the number of the object at each pixel, counted
        from 1, or 0 where there is no object. All pixels of an object have the same label. Stored
        as int32.

    Raises
    ------
    InputError, InputTypeError
        If shapes do not match, a label has no name, a name occurs twice, or scores are outside
        [0, 1].

    Examples
    --------
    >>> seen = Segmentation([[0, 0, 1], [0, 0, 1]], ("background", "cat"))
    >>> seen
    Segmentation(2x3: background 66.7%, cat 33.3%)
    >>> seen.mask("cat")
    array([[0., 0., 1.],
           [0., 0., 1.]], dtype=float32)
    """

    labels: np.ndarray
    names: tuple[str, ...]
    scores: np.ndarray | None = None
    parts: np.ndarray | None = None

    def __post_init__(self):
        names = class_names(self.names)
        labels = _whole(self.labels, "labels")
        if labels.min() < 0 or labels.max() >= len(names):
            fail(
                "each of `labels` must have a name",
                expected=f"labels from 0 to {len(names) - 1} for {len(names)} names",
                received=f"{labels.min()} to {labels.max()}",
                hint="name every class, and set ignored pixels (255 in PASCAL VOC) to a class",
                argument="labels",
            )
        values = {"labels": labels, "names": names}
        if self.scores is not None:
            values["scores"] = _scores(self.scores, (*labels.shape, len(names)))
        if self.parts is not None:
            values["parts"] = _parts(self.parts, labels)
        for field, value in values.items():
            object.__setattr__(self, field, value)

    @property
    def names_present(self) -> dict[str, float]:
        """The classes that are in the picture, with their shares of the picture, largest first."""
        counts = np.bincount(self.labels.ravel(), minlength=len(self.names))
        order = np.argsort(-counts, kind="stable")
        return {self.names[i]: float(counts[i] / self.labels.size) for i in order if counts[i]}

    def mask(self, names: str | Iterable[str], *, soft: bool = False) -> np.ndarray:
        """Return the mask of a class, or of the union of several classes.

        Parameters
        ----------
        names : str or iterable of str
            One or more class names. At least one of the classes must be in the picture.
        soft : bool, optional
            If False, the mask is 1 where the label is one of the classes, and 0 elsewhere. If True,
            the mask is the sum of the probabilities of the classes.

        Returns
        -------
        ndarray
            ``float32 [H, W]`` in [0, 1].

        Raises
        ------
        InputError
            If a name is unknown (the message suggests similar names), if none of the classes is in
            the picture (the message lists the classes that are), or if `soft` is True and there are
            no scores.
        """
        asked = [names] if isinstance(names, str) else _list(names)
        wanted = [self._index(name) for name in asked]
        mask = np.isin(self.labels, wanted)
        if not mask.any():
            fail(
                f"no {' or '.join(asked)} is in the picture",
                received=self._found(),
                hint="choose one of these classes, or give a mask or a box",
                argument="names",
            )
        if not soft:
            return mask.astype(np.float32)
        if self.scores is None:
            fail(
                "a soft mask needs `scores`",
                received="a segmentation with labels only",
                hint="use masks.feather on the hard mask, or a segmenter that returns scores",
                argument="soft",
            )
        return np.clip(self.scores[..., sorted(set(wanted))].sum(axis=-1), 0, 1)

    def masks(self, *, soft: bool = False) -> dict[str, np.ndarray]:
        """Return a dict of class name to mask for the classes in the picture, the largest first.

        Hard masks sum to 1 at each pixel.
        """
        return {name: self.mask(name, soft=soft) for name in self.names_present}

    def instances(self, name: str, *, min_share: float = 0.001) -> list[np.ndarray]:
        """Return one mask for each object of a class, the largest first.

        Parameters
        ----------
        name : str
            The class.
        min_share : float, optional
            Minimum share of the picture that an object must have, in [0, 1]. Smaller objects are
            omitted, but the largest object is always returned. Not used if the class has `parts`.
            All parts are returned.

        Returns
        -------
        list of ndarray
            Disjoint masks, ``float32 [H, W]`` with values 0 and 1.

        Raises
        ------
        InputError
            See `mask`.

        Notes
        -----
        The objects are the `parts` that an instance network found. For a class without `parts`, the
        objects are 8-connected areas, so that two objects that touch are treated as one.
        """
        min_share = number(min_share, "min_share", low=0, high=1)
        where = self.mask(name) > 0
        if self.parts is not None and (where & (self.parts > 0)).any():
            numbers, least = np.where(where, self.parts, 0), 0.0
        else:
            numbers, _ = ndimage.label(where, structure=np.ones((3, 3)))
            least = min_share * where.size
        found, sizes = np.unique(numbers[numbers > 0], return_counts=True)
        order = np.argsort(-sizes, kind="stable")
        kept = [found[i] for i in order if sizes[i] >= least] or [found[i] for i in order[:1]]
        return [(numbers == i).astype(np.float32) for i in kept]

    def largest(self, name: str) -> np.ndarray:
        """Return the mask of the largest object of a class; see `instances`."""
        return self.instances(name)[0]

    def plot(self, picture: PictureLike | None = None) -> Figure:
        """Return a figure that shows the classes in colours, with a legend of their shares.

        A class has the same colour in all pictures. If `picture` is given, the first class, which
        is usually the background, is not coloured. White lines separate the objects that an
        instance network found.

        Parameters
        ----------
        picture : path, PIL image or array, optional
            The segmented picture, over which the colours are drawn. Default: colours only.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        InputError
            If the picture does not have the size of the segmentation.
        """
        import matplotlib.pyplot as plt
        from matplotlib.patches import Patch
        from skimage.segmentation import find_boundaries

        colors = _colors(len(self.names))
        drawn = colors[self.labels]
        if picture is not None:
            drawn = overlay(picture, self.labels > 0, drawn, strength=0.6)
        if self.parts is not None:
            drawn[find_boundaries(self.parts, mode="inner")] = 1
        figure, axis = plt.subplots(layout="constrained")
        axis.imshow(drawn)
        axis.set_axis_off()
        handles = [
            Patch(color=colors[self.names.index(name)], label=f"{name} {share:.1%}")
            for name, share in self.names_present.items()
        ]
        figure.legend(handles=handles, loc="outside right upper", frameon=False)
        plt.close(figure)  # otherwise a notebook displays it twice
        return figure

    def _index(self, name: str) -> int:
        return self.names.index(choice(name, "the class", self.names, argument="names"))

    def _found(self) -> str:
        return ", ".join(f"{name} {share:.1%}" for name, share in self.names_present.items())

    def __repr__(self) -> str:
        height, width = self.labels.shape
        return f"Segmentation({height}x{width}: {self._found()})"


class Segmenter(Protocol):
    """Protocol of segmenters: any callable ``image -> Segmentation``."""

    def __call__(self, image: PictureLike) -> Segmentation:
        """Return the segmentation of a picture, at the size of the picture."""
        ...


def class_names(names: Any) -> tuple[str, ...]:
    """Check class names, and return them as a tuple of one or more distinct, nonempty strings."""
    names = tuple(listed(names, "names"))
    odd = [name for name in names if not isinstance(name, str) or not name]
    if odd:
        raise InputTypeError(
            explain("`names` must be nonempty strings", received=f"{odd[0]!r:.60}"),
            argument="names",
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        fail(
            "`names` must be distinct",
            expected="one or more names, each once",
            received=f"{', '.join(twice)} twice" if twice else "none",
            argument="names",
        )
    return names


def _list(names: Any) -> list[Any]:
    names = listed(names, "names")
    if not names:
        fail("`names` must have at least one class", received="none", argument="names")
    return names


def _whole(values: Any, name: str) -> np.ndarray:
    """Return an array of integers as ``int32 [H, W]``."""
    array = np.asarray(values)
    if array.dtype.kind not in "biu":
        raise InputTypeError(
            explain(
                f"`{name}` must be integers",
                expected="an integer array [H, W]",
                received=f"{type(values).__name__} of dtype {array.dtype}",
                hint="use the argmax of the scores over their last axis",
            ),
            argument=name,
        )
    if array.ndim != 2 or array.size == 0:
        fail(
            f"`{name}` must have two dimensions",
            expected="shape [H, W]",
            received=f"shape {array.shape}",
            argument=name,
        )
    return array.astype(np.int32, copy=False)


def _scores(values: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != shape or array.dtype.kind != "f":
        fail(
            "`scores` must match the labels and names",
            expected=f"floats of shape {shape}",
            received=f"{array.dtype} of shape {array.shape}",
            argument="scores",
        )
    low, high = float(array.min()), float(array.max())
    if not (low >= -1e-4 and high <= 1 + 1e-4):  # also for NaN
        fail(
            "`scores` must be probabilities in [0, 1]",
            received=f"{low:g} to {high:g}",
            hint="apply a softmax to the logits of a network",
            argument="scores",
        )
    return array.astype(np.float32, copy=False)


def _parts(values: Any, labels: np.ndarray) -> np.ndarray:
    parts = _whole(values, "parts")
    if parts.shape != labels.shape or parts.min() < 0:
        fail(
            "`parts` must match the labels",
            expected=f"numbers of at least 0, shape {labels.shape}",
            received=f"a minimum of {parts.min()}, shape {parts.shape}",
            argument="parts",
        )
    pairs = parts[parts > 0] * np.int64(labels.max() + 1) + labels[parts > 0]
    numbers, counts = np.unique(np.unique(pairs) // (labels.max() + 1), return_counts=True)
    if (counts > 1).any():
        fail(
            f"each of `parts` must have one label: part {numbers[counts > 1][0]} has several",
            argument="parts",
        )
    return parts


def _colors(count: int) -> np.ndarray:
    """Return `count` colours ``float [count, 3]``: grey, then hues separated by a golden angle."""
    from matplotlib.colors import hsv_to_rgb

    index = np.arange(count)
    value = np.where(index % 2, 0.95, 0.75)  # adjacent hues differ in lightness
    colors = hsv_to_rgb(np.stack([index * 0.618034 % 1, np.full(count, 0.85), value], axis=-1))
    colors[0] = 0.3
    return colors
