"""Segment a subject in a box or under scribbles by its colours, without a network."""

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

_BIN = 4.0  # side of a histogram bin in CIELAB units; a difference of 2.3 is just noticeable
_BLUR = 4  # blur of the histograms in the first round, in bins. Each further round uses one less
_UNSEEN = 1e-6  # density added to all colours, below that of one pixel: unseen colours get 0.5
_SURE = 0.75  # minimum posterior of a seed of the random walk, for either class
_SPECK = 0.005  # connected seeds with less than this share of the candidates are not used
_NEARBY = 1 / 8  # decay length of the weight of background pixels, as a share of the longer side
_SMOOTHING = 1 / 50  # radius of the smoothing of posteriors, as a share of the longer side


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
    """Return the mask of the subject inside a box, or under scribbles, found by its colours.

    Colour models of the subject and of the background are fitted several times, each to the pixels
    that it explains better. A random walk then assigns the pixels whose colours are ambiguous. Both
    steps use a reduced picture. A guided filter aligns the edge with the full picture. The same
    input always gives the same mask.

    The method needs a subject whose colours are rare in its surroundings. It fails, for example,
    for a face in front of a wall of the same colour. Add scribbles on the parts that are wrong, or
    use a network such as `DeepLab`, which does not depend on colours alone.

    Parameters
    ----------
    picture : path, PIL image or array_like
        See `stylekit.image.as_image`.
    box : (left, top, right, bottom), optional
        In pixels, as in ``PIL.Image.crop``: the subject is between columns `left` and `right` and
        rows `top` and `bottom`. Everything else is background. Fractions are rounded outwards.
    foreground, background : array_like, PIL.Image.Image or path, optional
        Scribbles: masks of the picture's size that are at least 0.5 on some pixels of the subject
        (`foreground`) or of the background (`background`). They are optional if a box is given.
        Without a box, both are required. If a box is given, `foreground` can only enlarge the mask.
    soft : bool, optional
        If True, the mask has the soft edge that the guided filter produces. If False, the values of
        the mask are 0 and 1 only.
    fill_holes : bool, optional
        Whether enclosed areas, such as the eyes of a face, are added to the subject. A hole that
        contains a `background` scribble is kept.
    rounds : int, optional
        Number of times that the colour models are fitted, at least 1.
    size : int, optional
        Longer side, in pixels, of the reduced picture in which the subject is searched, at least
        16. If a box is given, only the box and a margin of half the box's longer side are searched.
        A larger size finds thinner parts of the subject and is slower.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1]: 0 outside the box, 1 under `foreground` and 0 under
        `background`.

    Raises
    ------
    InputError, InputTypeError
        If the picture is invalid. If the box is empty, extends beyond the picture or covers the
        whole picture. If scribbles are empty, overlap or are missing. If no subject is found.

    Notes
    -----
    The method is GrabCut with histograms instead of Gaussian mixtures, and a random walk instead of
    minimum cuts. The colour densities f of the subject and g of the background are CIELAB
    histograms with bins of 4 units. They are blurred by 4 bins in the first round and by one bin
    less in each further round. A sky, for example, is therefore one colour in the first round and
    several colours in later rounds. Initially, f is computed from the scribbles or from the middle
    of the box, and g favours pixels near the box. The posterior ``f / (f + g)``, smoothed by the
    guided filter, gives the weights of the pixels in the next round. After the last round, pixels
    with a posterior of at least 0.75 for one of the classes become seeds, except in small areas.
    The random walk assigns every other pixel to the class whose seeds it most probably reaches
    first. If a box and `foreground` are given, the mask is computed with and without the scribbles,
    and the result is the union of both masks.

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
    """Return the soft mask of the subject, given pixels that are certainly inside and outside.

    If no pixels are inside, the subject is expected in the middle of the pixels that are not
    outside. `boxed` says whether a box is given. The other parameters are as in `subject`.
    """
    shape = fit_shape(image.shape, min(size, max(image.shape[:2])))
    ours, others = resize_mask(inside, shape), resize_mask(outside, shape)
    ours, others = (ours > 0) & (ours >= others), (others > 0) & (others > ours)
    small = resize_picture(image, shape)
    marks = [ours, np.zeros_like(ours)] if boxed and ours.any() else [ours]
    found = [_search(small, marked, others, boxed, rounds) for marked in marks]
    found = [one for one in found if one.any()]
    if not found:
        fail(
            "no subject was found",
            expected="a subject with colours that are rare in its surroundings",
            hint="draw a tighter box" if boxed else "mark more of it with `foreground`",
            argument="box" if boxed else "foreground",
        )
    found[0] |= found[-1]  # scribbles enlarge the mask that the box alone gives
    if fill_holes:
        found = [_without_holes(one, others) for one in found]
    # The edge has an error of about one cell of the reduced picture.
    radius = math.ceil(3 * max(image.shape[:2]) / max(shape))
    masks = [guided(image, resize_mask(one, image.shape[:2]), radius=radius) for one in found]
    return np.maximum(masks[0], masks[-1])  # the filter can lower the larger mask at its edge


def _search(
    small: np.ndarray, ours: np.ndarray, others: np.ndarray, boxed: bool, rounds: int
) -> np.ndarray:
    """Return the subject as a bool mask at the reduced size. No pixel is True if none is found."""
    start = ours.astype(float)
    if boxed:  # the subject is more likely in the middle of the box
        start = ndimage.distance_transform_edt(~others)
        start /= max(1, start.max())
    share = _posterior(small, start, ours, others, rounds)
    likely, unlikely = share >= _SURE, share <= 1 - _SURE
    if not boxed:  # areas not connected to a scribble may be another object of equal colours
        likely = ndimage.binary_propagation(ours, mask=likely | ours)
    return _walk(small, likely, unlikely, ours, others)


def _without_holes(found: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return a mask with its holes filled, except for holes that contain known background."""
    labels, _ = ndimage.label(np.pad(~found, 1, constant_values=True))
    known = np.pad(others, 1, constant_values=True)
    return found | np.isin(labels, labels[known], invert=True)[1:-1, 1:-1]


def _posterior(
    small: np.ndarray, start: np.ndarray, ours: np.ndarray, others: np.ndarray, rounds: int
) -> np.ndarray:
    """Return the probability that each pixel is the subject, from the colours and known pixels."""
    density = _densities(rgb2lab(small))
    reach = _NEARBY * max(ours.shape)
    nearby = np.exp(-ndimage.distance_transform_edt(others) / reach)
    radius = max(1, round(_SMOOTHING * max(ours.shape)))
    subject, rest = start, others
    for k in range(rounds):
        blur = max(1, _BLUR - k)
        f, g = density(subject, blur), density(rest * nearby, blur)
        if ours.any():  # scribbles and pixels that were found have equal total weights
            f, g = (f + density(ours, blur)) / 2, (g + density(others * nearby, blur)) / 2
        share = guided(small, (f + _UNSEEN) / (f + g + 2 * _UNSEEN), radius=radius, epsilon=1e-3)
        share[ours], share[others] = 1, 0
        # The weights are nearly binary, with a transition from 0.45 to 0.55. Soft weights would
        # drift.
        subject = np.clip(10 * share - 4.5, 0, 1)
        rest = 1 - subject
    return share


def _densities(lab: np.ndarray) -> Callable[[np.ndarray, float], np.ndarray]:
    """Return a function ``density(weight, blur)`` for a picture ``[H, W, 3]`` in CIELAB.

    The function computes the histogram of the colours from a weight for each pixel, blurs it by a
    number of bins, and returns the value ``[H, W]`` of the histogram at the colour of each pixel.
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
    """Return the subject as a bool mask. A random walk assigns the pixels that are not seeds."""
    least = _SPECK * np.count_nonzero(~others)
    seeds = np.zeros(likely.shape, int)
    seeds[_without_specks(likely, least) | ours] = 1
    seeds[_without_specks(unlikely, least) | others] = 2
    if seeds.all() or not (seeds == 1).any():
        return seeds == 1
    return random_walker(small, seeds, mode="bf", channel_axis=-1) == 1


def _without_specks(seeds: np.ndarray, least: float) -> np.ndarray:
    """Return the seeds in connected areas of at least `least` pixels, or the largest area."""
    labels, _ = ndimage.label(seeds)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return seeds & (sizes >= min(least, sizes.max()))[labels]


def _known(
    shape: tuple[int, ...], box: Any, foreground: Any, background: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return two bool masks: where the subject certainly is, and where it certainly is not."""
    inside, outside = np.zeros(shape, bool), np.zeros(shape, bool)
    if foreground is not None:
        inside = _scribble(foreground, shape, "foreground")
    if background is not None:
        outside = _scribble(background, shape, "background")
    common = np.count_nonzero(inside & outside)
    if common:
        fail("`foreground` and `background` must not overlap", received=f"{common} pixels in both")
    if box is not None:
        left, top, right, bottom = _corners(box, shape)
        beyond = np.ones(shape, bool)
        beyond[top:bottom, left:right] = False
        strays = np.count_nonzero(inside & beyond)
        if strays:
            fail(
                "`foreground` must be inside the box",
                expected=f"scribbles within {tuple(box)}",
                received=f"{strays} pixels outside it",
                hint="draw a larger box",
                argument="foreground",
            )
        outside |= beyond
    if box is None and foreground is None:
        fail(
            "`box` or `foreground` is required",
            expected="a box, or scribbles for foreground and background",
            received="neither a box nor foreground",
        )
    if not outside.any():
        fail(
            "some background must be known",
            expected="a box smaller than the picture, or scribbles on the background",
            received="no box" if box is None else f"a box that is the whole picture, {tuple(box)}",
            hint="mark some of it with `background`" if box is None else "draw a smaller box",
            argument="background" if box is None else "box",
        )
    return inside, outside


def _surroundings(box: Any, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the slices of the picture that are searched: the box and a margin around the box."""
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
            f"`{name}` must mark at least one pixel",
            expected="values of at least 0.5",
            received=f"a maximum of {values.max():g}",
            argument=name,
        )
    return values >= 0.5


def _corners(box: Any, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return a checked box, rounded outwards to whole pixels."""
    try:
        left, top, right, bottom = box
    except (TypeError, ValueError):
        raise InputTypeError(
            explain(
                "`box` must be four numbers",
                expected="(left, top, right, bottom)",
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
            "`box` must not be empty",
            expected="left < right and top < bottom, in pixels",
            received=received,
            hint="the last two numbers are the right and bottom edges, not a width and height",
            argument="box",
        )
    if left < 0 or top < 0 or right > width or bottom > height:
        fail(
            "`box` must be inside the picture",
            expected=f"columns in [0, {width}] and rows in [0, {height}]",
            received=received,
            hint="the order is left, top, right, bottom",
            argument="box",
        )
    if right <= 1 and bottom <= 1:
        fail(
            "`box` must be in pixels",
            expected=f"columns in [0, {width}] and rows in [0, {height}]",
            received=received,
            hint="multiply left and right by the width, and top and bottom by the height",
            argument="box",
        )
    return math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)
