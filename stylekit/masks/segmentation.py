"""What is where in a picture: the classes that a segmenter found, as masks."""

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
    """A picture's pixels by class.

    Parameters
    ----------
    labels : array_like of int, [H, W]
        The class of each pixel: i stands for ``names[i]``. Kept as int32.
    names : sequence of str
        The names of all the classes that could be found, each once.
    scores : array_like of float, [H, W, K], optional
        The probability of each of the K classes in [0, 1], summing to 1 over the classes. Kept as
        float32. Soft masks come from it.
    parts : array_like of int, [H, W], optional
        What an instance network adds: each object's own number from 1 on, 0 where there is none.
        The pixels of one object have one label. Kept as int32.

    Raises
    ------
    InputError, InputTypeError
        If shapes do not match, a label has no name, a name comes twice, or scores leave [0, 1].

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
                "labels go beyond the names",
                expected=f"0 to {len(names) - 1} for {len(names)} names",
                received=f"{labels.min()} to {labels.max()}",
                hint="name every class; set pixels to be ignored (255 in PASCAL VOC) to a class",
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
        """The share of the picture of each class that is in it, the largest first."""
        counts = np.bincount(self.labels.ravel(), minlength=len(self.names))
        order = np.argsort(-counts, kind="stable")
        return {self.names[i]: float(counts[i] / self.labels.size) for i in order if counts[i]}

    def mask(self, names: str | Iterable[str], *, soft: bool = False) -> np.ndarray:
        """Return where a class is, or any of several.

        Parameters
        ----------
        names : str or iterable of str
            A class, or several whose union is wanted. Of several not all need be in the picture.
        soft : bool, optional
            False: 1 where the label is one of them, 0 elsewhere. True: their probability, summed.

        Returns
        -------
        ndarray
            ``float32 [H, W]`` in [0, 1].

        Raises
        ------
        InputError
            If a name is none of the classes' (the message has the nearest), none of the classes is
            in the picture (it lists those that are), or there are no scores for a soft mask.
        """
        asked = [names] if isinstance(names, str) else _list(names)
        wanted = [self._index(name) for name in asked]
        mask = np.isin(self.labels, wanted)
        if not mask.any():
            fail(
                f"no {' or '.join(asked)} is in the picture",
                received=self._found(),
                hint="take one of these, or tell where it is by a mask or a box",
                argument="names",
            )
        if not soft:
            return mask.astype(np.float32)
        if self.scores is None:
            fail(
                "a soft mask needs scores",
                received="a segmentation of labels only",
                hint="use masks.feather on the hard mask, or a segmenter that gives scores",
                argument="soft",
            )
        return np.clip(self.scores[..., sorted(set(wanted))].sum(axis=-1), 0, 1)

    def masks(self, *, soft: bool = False) -> dict[str, np.ndarray]:
        """Return the mask of every class in the picture by name, the largest first.

        Hard masks are a partition: they sum to 1 at each pixel.
        """
        return {name: self.mask(name, soft=soft) for name in self.names_present}

    def instances(self, name: str, *, min_share: float = 0.001) -> list[np.ndarray]:
        """Return one mask for each object of a class, the largest first.

        Parameters
        ----------
        name : str
            The class.
        min_share : float, optional
            The objects of an instance network are its `parts` and all returned. For a class that
            has none, objects are connected areas, corners included, and two that touch are one;
            those below this share of the picture are specks and left out, but never the largest.

        Returns
        -------
        list of ndarray
            ``float32 [H, W]`` of 0 and 1; no pixel is in two of them.

        Raises
        ------
        InputError
            As by `mask`.
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
        """Return the mask of the largest object of a class, as by `instances`."""
        return self.instances(name)[0]

    def plot(self, picture: PictureLike | None = None) -> Figure:
        """Draw the classes in colours, over the picture where one is given, with their shares.

        A class has one colour whatever the picture. The first class of the names, by custom the
        background, is left clear over a picture. White lines part an instance network's objects.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        InputError
            If the picture is of another size.
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
        plt.close(figure)  # a notebook would show it twice
        return figure

    def _index(self, name: str) -> int:
        return self.names.index(choice(name, "the class", self.names, argument="names"))

    def _found(self) -> str:
        return ", ".join(f"{name} {share:.1%}" for name, share in self.names_present.items())

    def __repr__(self) -> str:
        height, width = self.labels.shape
        return f"Segmentation({height}x{width}: {self._found()})"


class Segmenter(Protocol):
    """Anything that says what is where in a picture: any callable ``image -> Segmentation``."""

    def __call__(self, image: PictureLike) -> Segmentation:
        """Return the picture's classes, at the picture's own size."""
        ...


def class_names(names: Any) -> tuple[str, ...]:
    """Return checked names of classes: text, at least one, each once."""
    names = tuple(listed(names, "names"))
    odd = [name for name in names if not isinstance(name, str) or not name]
    if odd:
        raise InputTypeError(
            explain("names are not all text", expected="a str a class", received=f"{odd[0]!r:.60}"),
            argument="names",
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        fail(
            "names are not one a class",
            expected="at least one name, and each once",
            received=f"{', '.join(twice)} twice" if twice else "none",
            argument="names",
        )
    return names


def _list(names: Any) -> list[Any]:
    names = listed(names, "names")
    if not names:
        fail("names is empty", expected="a class, or several", argument="names")
    return names


def _whole(values: Any, name: str) -> np.ndarray:
    """Return whole numbers as ``int32 [H, W]``."""
    array = np.asarray(values)
    if array.dtype.kind not in "biu":
        raise InputTypeError(
            explain(
                f"{name} are not whole numbers",
                expected="integers [H, W]",
                received=f"{type(values).__name__} of dtype {array.dtype}",
                hint="take the argmax of scores over their last axis",
            ),
            argument=name,
        )
    if array.ndim != 2 or array.size == 0:
        fail(
            f"{name} are not one plane",
            expected="shape [H, W]",
            received=f"shape {array.shape}",
            argument=name,
        )
    return array.astype(np.int32, copy=False)


def _scores(values: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != shape or array.dtype.kind != "f":
        fail(
            "scores do not fit the labels and names",
            expected=f"floats of shape {shape}",
            received=f"{array.dtype} of shape {array.shape}",
            argument="scores",
        )
    low, high = float(array.min()), float(array.max())
    if not (low >= -1e-4 and high <= 1 + 1e-4):  # false for NaN, too
        fail(
            "scores are no probabilities",
            expected="values in [0, 1]",
            received=f"{low:g} to {high:g}",
            hint="take the softmax of a network's logits",
            argument="scores",
        )
    return array.astype(np.float32, copy=False)


def _parts(values: Any, labels: np.ndarray) -> np.ndarray:
    parts = _whole(values, "parts")
    if parts.shape != labels.shape or parts.min() < 0:
        fail(
            "parts do not fit the labels",
            expected=f"numbers from 0 on, shape {labels.shape}",
            received=f"from {parts.min()} on, shape {parts.shape}",
            argument="parts",
        )
    pairs = parts[parts > 0] * np.int64(labels.max() + 1) + labels[parts > 0]
    numbers, counts = np.unique(np.unique(pairs) // (labels.max() + 1), return_counts=True)
    if (counts > 1).any():
        fail(
            f"part {numbers[counts > 1][0]} has several labels",
            expected="one class for each object",
            argument="parts",
        )
    return parts


def _colors(count: int) -> np.ndarray:
    """Return `count` colours, ``float [count, 3]``: grey, then hues a golden angle apart."""
    from matplotlib.colors import hsv_to_rgb

    index = np.arange(count)
    value = np.where(index % 2, 0.95, 0.75)  # neighbours in hue differ in lightness
    colors = hsv_to_rgb(np.stack([index * 0.618034 % 1, np.full(count, 0.85), value], axis=-1))
    colors[0] = 0.3
    return colors
