"""The subject in a box or under scribbles, by its colours: no network and no training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.segmentation import random_walker

from stylekit._checks import InputTypeError, explain, fail, integer, number
from stylekit.image import PictureLike, as_image, fit_shape
from stylekit.image import resize as resize_picture
from stylekit.masks.operations import as_mask
from stylekit.masks.operations import resize as resize_mask
from stylekit.masks.refine.matting import guided

_BIN = 4.0  # side of a bin of the colour histograms, in CIELAB units; 2.3 is just noticeable
_BLUR = 4  # bins by which the first round blurs them, one less a round: shades count as one colour
_UNSEEN = 1e-6  # density that every colour has, below that of one pixel: an unseen one is undecided
_SURE = 0.75  # posterior beyond which, either way, a pixel seeds the random walk
_SPECK = 0.005  # seeds that hang together on less than this share of the candidates are left open
_NEARBY = 1 / 8  # reach, in longer sides, of the surroundings that the background's colours favour
_SMOOTHING = 1 / 50  # radius, in longer sides, over which posteriors are smoothed along edges


def subject(
    picture: PictureLike,
    box: Sequence[float] | None = None,
    *,
    foreground: Any = None,
    background: Any = None,
    soft: bool = True,
    fill_holes: bool = True,
    rounds: int = 5,
    size: int = 320,
) -> np.ndarray:
    """Cut out the subject inside a box, or under scribbles, by its colours.

    Colour models of subject and background are fitted in turn with the pixels that each explains;
    a random walk then decides the pixels of which the colours are not sure. It works at a reduced
    size, and the guided filter brings the edge to the picture's own. The same input always gives
    the same mask.

    What tells a subject apart is that its colours are rare around it. Where they are not, as a face
    before a wall of its colour, scribble on the parts that went wrong. A network such as `DeepLab`
    knows things by more than their colours.

    Parameters
    ----------
    picture : path, PIL image or array_like
        Where to look, as `stylekit.image.as_image` takes it.
    box : (left, top, right, bottom), optional
        In pixels, as in ``PIL.Image.crop``: the subject lies between columns `left` and `right` and
        rows `top` and `bottom`, and everything else is background. Fractions of a pixel widen it.
    foreground, background : array_like, PIL.Image.Image or path, optional
        Scribbles: masks of the picture's size, at least 0.5 where it is certainly the subject and
        where it is certainly not. With a box, either or none; without one, both. With a box,
        `foreground` can only add to the mask.
    soft : bool, optional
        Whether the edge is soft, as the guided filter leaves it, or 0 and 1 only.
    fill_holes : bool, optional
        Whether what the subject encloses belongs to it, such as the eyes of a face. A hole with a
        scribble of `background` in it stays one.
    rounds : int, optional
        How often the colour models are fitted.
    size : int, optional
        The longer side, in pixels, at which the subject is looked for: that of the box and half as
        much again on each side of it, or of the picture. Larger finds thinner parts, and is slower.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1]: 0 outside the box, and as the scribbles say under them.

    Raises
    ------
    InputError, InputTypeError
        If the picture cannot be used; if the box is empty, leaves the picture or leaves nothing
        outside; if scribbles are empty, overlap or are missing; or if nothing stands out.

    Notes
    -----
    The scheme is that of GrabCut, with histograms in place of Gaussian mixtures, and a random walk
    in place of minimum cuts. The densities f and g of subject and background are histograms in
    CIELAB with bins of 4 units, blurred by 4 bins in the first round and by one less in each that
    follows, so that a sky is one colour before it is several. At first the subject's are those of
    the scribbles or of the box's middle; the background's favour what is near the box. The
    posterior ``f / (f + g)``, smoothed by the guided filter, divides the pixels for the next round.
    At last posteriors beyond 0.75 either way become seeds, where they are more than specks, and
    the random walk gives each other pixel to the seeds that it reaches first. With a box and
    `foreground` this is done with the scribbles and without, and the larger mask counts.

    References
    ----------
    .. [1] C. Rother, V. Kolmogorov, A. Blake: "GrabCut": Interactive Foreground Extraction using
       Iterated Graph Cuts. SIGGRAPH 2004.
    .. [2] L. Grady: Random Walks for Image Segmentation. IEEE Transactions on Pattern Analysis and
       Machine Intelligence 28(11), 2006.

    Examples
    --------
    >>> picture = np.zeros((40, 60, 3))
    >>> picture[10:30, 20:40] = 1, 0.5, 0
    >>> subject(picture, (15, 5, 50, 35), soft=False).sum().item()
    400.0
    """
    rounds = integer(rounds, "rounds", low=1)
    size = integer(size, "size", low=16)
    image = as_image(picture)
    inside, outside = _known(image.shape[:2], box, foreground, background)
    window = (slice(None), slice(None)) if box is None else _surroundings(box, image.shape[:2])
    found = _cut_out(
        image[window], inside[window], outside[window], box is not None, fill_holes, rounds, size
    )
    mask = np.zeros(image.shape[:2], np.float32)
    mask[window] = found if soft else found >= 0.5
    mask[inside], mask[outside] = 1, 0
    return mask


def _cut_out(
    image: np.ndarray,
    inside: np.ndarray,
    outside: np.ndarray,
    boxed: bool,
    fill_holes: bool,
    rounds: int,
    size: int,
) -> np.ndarray:
    """Return the soft mask of what is like `inside`, or in the middle of what is not `outside`."""
    shape = fit_shape(image.shape, min(size, max(image.shape[:2])))
    ours, others = resize_mask(inside, shape), resize_mask(outside, shape)
    ours, others = (ours > 0) & (ours >= others), (others > 0) & (others > ours)
    small = resize_picture(image, shape)
    marks = [ours, np.zeros_like(ours)] if boxed and ours.any() else [ours]
    found = [_search(small, marked, others, boxed, rounds) for marked in marks]
    found = [one for one in found if one.any()]
    if not found:
        fail(
            "nothing stands out from the background",
            expected="a subject with colours that are rare around it",
            hint="draw a tighter box" if boxed else "mark more of it with `foreground`",
            argument="box" if boxed else "foreground",
        )
    found[0] |= found[-1]  # strokes add to what the box finds
    if fill_holes:
        found = [_without_holes(one, others) for one in found]
    radius = math.ceil(3 * max(image.shape[:2]) / max(shape))  # an edge is wrong by a cell or so
    masks = [guided(image, resize_mask(one, image.shape[:2]), radius=radius) for one in found]
    return np.maximum(masks[0], masks[-1])  # the filter may lower the larger one at its edge


def _search(
    small: np.ndarray, ours: np.ndarray, others: np.ndarray, boxed: bool, rounds: int
) -> np.ndarray:
    """Return the subject at a reduced size as a bool mask; it is empty if nothing stands out."""
    start = ours.astype(float)
    if boxed:  # its middle is the likelier, its rim mostly background
        start = ndimage.distance_transform_edt(~others)
        start /= max(1, start.max())
    share = _posterior(small, start, ours, others, rounds)
    likely, unlikely = share >= _SURE, share <= 1 - _SURE
    if not boxed:  # what no stroke leads to may be another thing of the same colours
        likely = ndimage.binary_propagation(ours, mask=likely | ours)
    return _walk(small, likely, unlikely, ours, others)


def _without_holes(found: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return a mask with what it encloses, but for holes that have known background in them."""
    labels, _ = ndimage.label(np.pad(~found, 1, constant_values=True))
    known = np.pad(others, 1, constant_values=True)
    return found | np.isin(labels, labels[known], invert=True)[1:-1, 1:-1]


def _posterior(
    small: np.ndarray, start: np.ndarray, ours: np.ndarray, others: np.ndarray, rounds: int
) -> np.ndarray:
    """Return the probability of the subject at each pixel, by the colours and what is known."""
    density = _densities(rgb2lab(small))
    reach = _NEARBY * max(ours.shape)
    nearby = np.exp(-ndimage.distance_transform_edt(others) / reach)
    radius = max(1, round(_SMOOTHING * max(ours.shape)))
    subject, rest = start, others
    for k in range(rounds):
        blur = max(1, _BLUR - k)
        f, g = density(subject, blur), density(rest * nearby, blur)
        if ours.any():  # a few strokes weigh as much as all that was found with them
            f, g = (f + density(ours, blur)) / 2, (g + density(others * nearby, blur)) / 2
        share = guided(small, (f + _UNSEEN) / (f + g + 2 * _UNSEEN), radius=radius, epsilon=1e-3)
        share[ours], share[others] = 1, 0
        subject = np.clip(10 * share - 4.5, 0, 1)  # firm within 0.05 of a half: soft shares drift
        rest = 1 - subject
    return share


def _densities(lab: np.ndarray) -> Callable[[np.ndarray, float], np.ndarray]:
    """Return the function from a weight a pixel, and a blur in bins, to the density of colours.

    What it returns is, at each pixel, the density of that pixel's colour among the weighted ones.
    """
    bins = np.floor(lab / _BIN).astype(int)
    bins -= bins.min(axis=(0, 1))
    extent = tuple(bins.max(axis=(0, 1)) + 1)
    index = np.ravel_multi_index(tuple(np.moveaxis(bins, -1, 0)), extent)

    def density(weight: np.ndarray, blur: float) -> np.ndarray:
        counts = np.bincount(index.ravel(), weight.ravel(), math.prod(extent)).reshape(extent)
        smooth = ndimage.gaussian_filter(counts, blur, mode="constant")
        return smooth.ravel()[index] / max(weight.sum(), 1)

    return density


def _walk(
    small: np.ndarray,
    likely: np.ndarray,
    unlikely: np.ndarray,
    ours: np.ndarray,
    others: np.ndarray,
) -> np.ndarray:
    """Return the subject as 0 and 1: sure pixels as they are, the others by a random walk."""
    least = _SPECK * np.count_nonzero(~others)
    seeds = np.zeros(likely.shape, int)
    seeds[_without_specks(likely, least) | ours] = 1
    seeds[_without_specks(unlikely, least) | others] = 2
    if seeds.all() or not (seeds == 1).any():
        return seeds == 1
    return random_walker(small, seeds, mode="bf", channel_axis=-1) == 1


def _without_specks(seeds: np.ndarray, least: float) -> np.ndarray:
    """Return the seeds that hang together on at least `least` pixels, or the largest such part."""
    labels, _ = ndimage.label(seeds)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return seeds & (sizes >= min(least, sizes.max()))[labels]


def _known(
    shape: tuple[int, ...], box: Any, foreground: Any, background: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the subject certainly is and where it certainly is not, as bools."""
    inside, outside = np.zeros(shape, bool), np.zeros(shape, bool)
    if foreground is not None:
        inside = _scribble(foreground, shape, "foreground")
    if background is not None:
        outside = _scribble(background, shape, "background")
    common = np.count_nonzero(inside & outside)
    if common:
        fail(
            "foreground and background overlap",
            expected="scribbles that have no pixel in common",
            received=f"{common} pixels that are in both",
        )
    if box is not None:
        left, top, right, bottom = _corners(box, shape)
        beyond = np.ones(shape, bool)
        beyond[top:bottom, left:right] = False
        strays = np.count_nonzero(inside & beyond)
        if strays:
            fail(
                "foreground leaves the box",
                expected=f"scribbles within {tuple(box)}",
                received=f"{strays} pixels outside it",
                hint="draw a larger box",
                argument="foreground",
            )
        outside |= beyond
    if box is None and foreground is None:
        fail(
            "there is nothing to tell the subject by",
            expected="a box, or scribbles for foreground and background",
            received="neither a box nor foreground",
        )
    if not outside.any():
        fail(
            "no background is known",
            expected="a box smaller than the picture, or scribbles on the background",
            received="no box" if box is None else f"a box that is the whole picture, {tuple(box)}",
            hint="mark some with `background`" if box is None else "draw a smaller box",
            argument="background" if box is None else "box",
        )
    return inside, outside


def _surroundings(box: Any, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the part of the picture that is looked at: a small box is seen from near."""
    left, top, right, bottom = _corners(box, shape)
    margin = max(right - left, bottom - top, 2) // 2
    return (
        slice(max(0, top - margin), bottom + margin),
        slice(max(0, left - margin), right + margin),
    )


def _scribble(mask: Any, shape: Any, name: str) -> np.ndarray:
    values = as_mask(mask, shape, name=name)
    if values.max() < 0.5:
        fail(
            f"{name} marks nothing",
            expected="pixels of at least 0.5",
            received=f"a maximum of {values.max():g}",
            argument=name,
        )
    return values >= 0.5


def _corners(box: Any, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return a checked box in whole pixels."""
    try:
        left, top, right, bottom = box
    except (TypeError, ValueError):
        raise InputTypeError(
            explain(
                "box is not a box",
                expected="four numbers, (left, top, right, bottom)",
                received=f"{box!r:.60}",
            ),
            argument="box",
        ) from None
    names = ("left", "top", "right", "bottom")
    values = [
        number(value, f"box's {name}", argument="box")
        for value, name in zip((left, top, right, bottom), names, strict=True)
    ]
    left, top, right, bottom = values
    height, width = shape
    received = "({:g}, {:g}, {:g}, {:g})".format(*values)
    if right <= left or bottom <= top:
        fail(
            "box is empty",
            expected="left < right and top < bottom, in pixels",
            received=received,
            hint="the last two numbers are the right and bottom edges, not a width and height",
            argument="box",
        )
    if left < 0 or top < 0 or right > width or bottom > height:
        fail(
            "box leaves the picture",
            expected=f"columns in [0, {width}] and rows in [0, {height}]",
            received=received,
            hint="the order is left, top, right, bottom",
            argument="box",
        )
    if right <= 1 and bottom <= 1:
        fail(
            "box is not in pixels",
            expected=f"columns in [0, {width}] and rows in [0, {height}]",
            received=received,
            hint="multiply left and right by the width, top and bottom by the height",
            argument="box",
        )
    return math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)
