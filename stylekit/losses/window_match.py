"""Matching of windows of a picture to windows of a style picture by their semantic colour maps."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage
from scipy.spatial.distance import cdist

from stylekit._checks import fail, integer, number
from stylekit.image import as_image

_FINER = 4  # candidate windows in the style are this many times denser than those of the picture


def count_windows(length: int, patch: int, overlap: float) -> int:
    """Return the number of windows of `patch` pixels that cover `length`, given the overlap."""
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
    """Return the best matching style window for each window of a picture.

    Each window of the picture takes the style window with the lowest cost ``|a - b|^2 +
    position_weight |x - y|^2 + reuse_penalty u / (1 + u)``. The first term is the mean squared
    difference of the maps. x and y are the positions, from 0 at the top left to 1 at the bottom
    right. u counts how often the style window was taken before, including overlaps with taken
    windows. The last term is always below `reuse_penalty`, so frequent use cannot override a larger
    difference of the maps. The order in which windows choose, and the choice among equal costs, are
    random and depend on the seed.

    Parameters
    ----------
    content_map, style_map : path, PIL image or array [H, W, 3], [h, w, 3]
        Maps in which equal colours mean equal content. Colours are compared by their differences,
        without normalisation, so black has no special meaning.
    patch : int
        Side of a window in pixels, in both pictures, at least 2.
    overlap : float
        Minimum overlap of adjacent windows as a fraction of their side, in [0.25, 0.9].
    map_patch : int
        Each window's map is compared at ``map_patch x map_patch`` samples. Each sample is the mean
        colour of its part of the window.
    position_weight, reuse_penalty : float
        Weights in the cost, at least 0.
    seed : int
        Seed of the random order, at least 0.

    Returns
    -------
    ndarray, float64 [n, m, 2]
        The position of the style window of each of the n x m windows, as (y, x). 0 is at the top or
        left border, and 1 is at the last position where a window fits.

    Raises
    ------
    InputError
        If the patch is larger than a picture, or an argument is out of range.
    """
    maps = as_image(content_map, "content_map"), as_image(style_map, "style_map")
    check_settings(patch, overlap, map_patch, position_weight, reuse_penalty, seed)
    counts = []
    for name, one in zip(("content", "style"), maps, strict=True):
        height, width = one.shape[:2]
        if patch > min(height, width):
            fail(
                f"`patch` must not be larger than the {name} picture",
                expected=f"at most {min(height, width)} pixels",
                received=patch,
                hint="use a smaller patch or a larger picture",
                argument="patch",
            )
        counts.append([count_windows(side, patch, overlap) for side in (height, width)])
    finer = [(count - 1) * _FINER + 1 for count in counts[1]]
    wanted, targets = _described(maps[0], counts[0], patch, map_patch)
    offered, places = _described(maps[1], finer, patch, map_patch)
    cost = cdist(wanted, offered, "sqeuclidean") / wanted.shape[1]
    cost += position_weight * cdist(targets, places, "sqeuclidean")
    cost = np.round(cost, 9)  # so that rounding errors do not choose among equal costs

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
    """Return the samples ``[N, D]`` of a grid of N windows of a map, and positions ``[N, 2]``.

    A position is (y, x). 0 is at the top or left border, and 1 is at the last position where a
    window fits.
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
    """Raise `InputError` or `InputTypeError` if an argument of `match_windows` is invalid."""
    integer(patch, "patch", low=2)
    # With at least a quarter, rounding to cells leaves no gap between windows of four cells.
    number(overlap, "overlap", low=0.25, high=0.9)
    integer(map_patch, "map_patch", low=1, high=patch)
    number(position_weight, "position_weight", low=0)
    number(reuse_penalty, "reuse_penalty", low=0)
    integer(seed, "seed", low=0)
