"""Which window of a style picture means the same as a window of a picture, by their colour maps."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage
from scipy.spatial.distance import cdist

from stylekit._checks import fail, integer, number
from stylekit.image import as_image

_FINER = 4  # style windows that may be chosen lie this much denser than those of the picture


def count_windows(length: int, patch: int, overlap: float) -> int:
    """Return how many windows of `patch` pixels cover `length`, overlapping by a share or more."""
    return math.ceil((length - patch) / (patch * (1 - overlap)) - 1e-9) + 1


def match_windows(
    content_map,
    style_map,
    *,
    patch: int = 128,
    overlap: float = 0.5,
    map_patch: int = 8,
    position_weight: float = 0.02,
    reuse_penalty: float = 0.05,
    seed: int = 0,
) -> np.ndarray:
    """Return for each window of a picture the window of a style picture that means the same.

    A window costs ``|a - b|^2 + position_weight |x - y|^2 + reuse_penalty u / (1 + u)``: the mean
    squared difference of the maps; that of the places, from 0 at one border to 1 at the other; and
    u, how often it, or what overlaps it, was taken already. The last term stays below
    `reuse_penalty`, so that however often a part is taken, meaning decides. The order in which
    windows choose is drawn from the seed, and so is the choice among those that cost the same.

    Parameters
    ----------
    content_map, style_map : path, PIL image or array [H, W, 3], [h, w, 3]
        Colours that mean the same in both. Black is a colour like any other, and windows of one
        colour are compared like any other: nothing is divided by their norm.
    patch : int
        Side of a window in pixels, of both pictures.
    overlap : float
        Least share of a side that neighbours have in common, in [0.25, 0.9].
    map_patch : int
        Side, in samples, of what is compared of a window's map: each is the mean colour of its
        share of the window.
    position_weight, reuse_penalty : float
        At least 0.
    seed : int

    Returns
    -------
    ndarray, float64 [n, m, 2]
        Of window ij, where its style window begins, from 0, at the top and the left, to 1, as far
        down and right as a window can lie.

    Raises
    ------
    InputError
        If the patch is larger than a picture or an argument is out of range.
    """
    maps = as_image(content_map, "content_map"), as_image(style_map, "style_map")
    check_settings(patch, overlap, map_patch, position_weight, reuse_penalty, seed)
    counts = []
    for name, one in zip(("content", "style"), maps, strict=True):
        height, width = one.shape[:2]
        if patch > min(height, width):
            fail(
                f"the patch is larger than the {name} picture",
                expected=f"at most {min(height, width)} pixels",
                received=patch,
                hint="take a smaller patch or a larger picture",
                argument="patch",
            )
        counts.append([count_windows(side, patch, overlap) for side in (height, width)])
    finer = [(count - 1) * _FINER + 1 for count in counts[1]]
    wanted, targets = _described(maps[0], counts[0], patch, map_patch)
    offered, places = _described(maps[1], finer, patch, map_patch)
    cost = cdist(wanted, offered, "sqeuclidean") / wanted.shape[1]
    cost += position_weight * cdist(targets, places, "sqeuclidean")
    cost = np.round(cost, 9)  # or rounding would choose among what costs the same

    random = np.random.default_rng(seed)
    order = random.permutation(len(places))
    cost, places = cost[:, order], places[order]
    corners = places * (np.array(maps[1].shape[:2]) - patch)
    chosen, used = np.empty(len(targets), int), np.zeros(len(places))
    for k in random.permutation(len(targets)):
        chosen[k] = np.argmin(cost[k] + reuse_penalty * used / (1 + used))
        used += np.prod(np.maximum(0, 1 - np.abs(corners - corners[chosen[k]]) / patch), axis=1)
    return places[chosen].reshape(*counts[0], 2)


def _described(color_map, counts, patch, samples):
    """Return what the maps of a grid of windows show, ``[N, D]``, and where they lie, ``[N, 2]``.

    A place is 0 at the top or left and 1 as far down or right as a window can lie.
    """
    down, across = (np.linspace(0, 1, n) if n > 1 else np.array([0.5]) for n in counts)
    tops, lefts = down * (color_map.shape[0] - patch), across * (color_map.shape[1] - patch)
    cell = patch / samples
    side = max(1, round(cell))
    mean = ndimage.uniform_filter(color_map.astype(float), (side, side, 1), mode="nearest")
    offsets = (np.arange(samples) + 0.5) * cell
    rows, columns = ((at[:, None] + offsets).astype(int) for at in (tops, lefts))
    shown = mean[rows[:, None, :, None], columns[None, :, None, :]]
    places = np.stack(np.meshgrid(down, across, indexing="ij"), axis=-1).reshape(-1, 2)
    return shown.reshape(len(places), -1), places


def check_settings(patch, overlap, map_patch, position_weight, reuse_penalty, seed):
    """Raise `InputError` or `InputTypeError` unless the arguments of `match_windows` are right."""
    integer(patch, "patch", low=2)
    # From a quarter on, rounding to cells can leave no gap between windows of four.
    number(overlap, "overlap", low=0.25, high=0.9)
    integer(map_patch, "map_patch", low=1, high=patch)
    number(position_weight, "position_weight", low=0)
    number(reuse_penalty, "reuse_penalty", low=0)
    integer(seed, "seed", low=0)
