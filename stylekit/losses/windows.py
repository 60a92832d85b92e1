"""A style loss that compares Gram matrices of windows, matched by semantic colour maps.

Windows of equal size cover the picture and overlap. Their weights sum to 1 at every cell, so that
no grid becomes visible. Along an axis of `length` cells, `count` windows of `size` cells start at
`window_starts`. These three integers determine the geometry at every layer and level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from stylekit import functional
from stylekit._checks import fail
from stylekit._gradient import custom_gradient
from stylekit.functional import Tensor
from stylekit.image import PictureLike, as_image, picture_hash
from stylekit.losses.base import (
    LayersLike,
    LayerWeightsLike,
    Loss,
    Targets,
    optional_layers,
    weight_config,
    weight_shares,
    weight_tuple,
)
from stylekit.losses.canvas import Canvas
from stylekit.losses.window_match import check_settings, match_windows

LEAST_CELLS = 8
"""Minimum side of a window at a layer, in cells. 8 cells are 64 pixels at block4_conv1. Smaller
windows have too few positions for a correlation. The coarser levels of a pyramid allow half this
side, because they only prepare the final level."""

# Cells at the border of each layer that are ignored. They are affected most by the zero padding of
# the network. A window at the border is usually matched to one that is not at the same border of
# the style, so the image would develop a frame. Ignoring two cells would leave the border of the
# image unstyled.
_RIM = 1


def window_starts(length: int, count: int, size: int) -> np.ndarray:
    """Return the starts of `count` windows of `size` cells, evenly spaced over `length` cells."""
    return np.rint(np.linspace(0, length - size, count)).astype(int)


def window_weights(length: int, count: int, size: int, rim: int = 0) -> np.ndarray:
    """Return the weights of overlapping windows along an axis, which sum to 1 at each cell.

    Parameters
    ----------
    length, count, size : int
        See `window_starts`.
    rim : int
        Number of cells at either end of the axis whose weights are 0.

    Returns
    -------
    ndarray, float64 [count, size]
        Raised cosines, divided by their sum at each cell. A cell that only one window covers has
        the weight 1.
    """
    starts = window_starts(length, count, size)
    bump = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    total = np.zeros(length)
    for start in starts:
        total[start : start + size] += bump
    share = np.where(np.minimum(np.arange(length), np.arange(length)[::-1]) < rim, 0, 1 / total)
    return np.stack([bump * share[start : start + size] for start in starts])


def window_gram_matrices(feature, rows, columns):
    """Return the Gram matrix of every window of a grid.

    The weight of cell p = (y, x) in window ij is ``w_ij(p) = rows_i(y) columns_j(x)``. Its matrix
    is ``G_ij = sum_p w_ij(p) f_p f_p^T / sum_p w_ij(p)``. Each window is a slice of the feature
    map, so the cost depends on the overlap and not on the number of windows.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
    rows, columns : array or tensor [n, a], [m, b]
        Weights along each axis; see `window_weights`.

    Returns
    -------
    tensor [B, n, m, C, C]

    Notes
    -----
    The function has a custom gradient, as `functional.masked_gram_matrix` has. With D the upstream
    gradient, the gradient is ``dF = sum_ij w_ij F (D_ij + D_ij^T) / sum w_ij``. Only the feature
    map is kept for the backward pass. One row of windows is processed at a time.
    """
    return _window_grams(feature, rows, columns)


def _slope_of_window_grams(upstream, value, feature, rows, columns):
    height, width, channels = feature.shape[1:]
    (tops, lefts), shape = _starts(feature, rows, columns), (rows.shape[1], columns.shape[1])
    both = upstream + ops.swapaxes(upstream, -1, -2)
    bands = []
    for i, (top, w) in enumerate(zip(tops, _unit_weights(rows, columns), strict=True)):
        windows = _cut(feature, [(top, left) for left in lefts], shape)
        pieces = ops.matmul(windows, both[:, i]) * ops.cast(w, windows.dtype)
        pieces = ops.reshape(pieces, (-1, len(lefts), *shape, channels))
        pieces = [pieces[:, j] for j in range(len(lefts))]
        bands.append(_overlap_add(pieces, lefts, width, axis=2))
    return ops.cast(_overlap_add(bands, tops, height, axis=1), feature.dtype)


@custom_gradient(_slope_of_window_grams)
def _window_grams(feature, rows, columns):
    (tops, lefts), shape = _starts(feature, rows, columns), (rows.shape[1], columns.shape[1])
    bands = []
    for top, w in zip(tops, _unit_weights(rows, columns), strict=True):
        windows = _cut(feature, [(top, left) for left in lefts], shape)
        bands.append(_weighted_grams(windows, w))
    return ops.stack(bands, axis=1)


def _starts(feature, rows, columns):
    return [
        window_starts(length, *weights.shape)
        for length, weights in zip(feature.shape[1:3], (rows, columns), strict=True)
    ]


def _unit_weights(rows, columns):
    """Return the weights of each row of windows, ``[m, a * b, 1]``. Each window's sum to 1."""
    rows, columns = (x / ops.sum(x, axis=1, keepdims=True) for x in (rows, columns))
    size = rows.shape[1] * columns.shape[1]
    return [
        ops.reshape(row[None, :, None] * columns[:, None, :], (-1, size, 1))
        for row in (rows[i] for i in range(rows.shape[0]))
    ]


def _cut(feature, corners, shape):
    """Return the windows at given corners, at least float32: ``[B, windows, cells, C]``."""
    high, wide = shape
    windows = [feature[:, top : top + high, left : left + wide] for top, left in corners]
    result = ops.reshape(
        ops.stack(windows, axis=1), (-1, len(corners), high * wide, feature.shape[-1])
    )
    return functional.full_precision(result)


def _weighted_grams(windows, weights):
    """Return ``sum_p w_p f_p f_p^T`` of each window, ``[B, windows, C, C]``."""
    return ops.matmul(ops.swapaxes(windows * ops.cast(weights, windows.dtype), -1, -2), windows)


def _overlap_add(pieces, starts, length, axis):
    """Return the sum of pieces of equal length, each at its start along an axis of `length`."""
    size, count = pieces[0].shape[axis], len(pieces)
    # Pieces `step` apart do not overlap, so they are concatenated into one lane without additions.
    step = next(s for s in range(1, count + 1) if (starts[s:] >= starts[:-s] + size).all())
    total = 0
    for first in range(min(step, count)):
        lane = []
        for k in range(first, count, step):
            end = starts[k + step] if k + step < count else length
            pad = [(0, 0)] * len(pieces[k].shape)
            pad[axis] = (int(starts[k]) if k == first else 0, int(end - starts[k] - size))
            lane.append(ops.pad(pieces[k], pad))
        total = total + ops.concatenate(lane, axis=axis)
    return total


class WindowGramStyleLoss(Loss):
    """Distance between the Gram matrices of windows of the image and of matched style windows.

    Each window k of the image has a Gram matrix G_k, and its matched style window has A_k. The loss
    is the weighted mean over layers of ``sum_k s_k |G_k - A_k|^2 / |A_k|^2``. The share ``s_k`` is
    the sum of the weights of window k divided by that of all windows. Because shares sum to 1, the
    gradient at a pixel does not depend on the number or the size of the windows. The outermost cell
    of each layer, which is affected by the padding of the network, is ignored.

    Parameters
    ----------
    style : path, PIL image or array [h, w, 3]
        The style picture, which keeps its own size and aspect ratio.
    content_map : path, PIL image or array [H, W, 3]
        Semantic colour map, with the height and width of the final picture.
    style_map : path, PIL image or array [h, w, 3]
        Semantic colour map, with the height and width of the style. Equal colours mean equal
        content.
    layers, layer_weights
        See `StatisticLoss`.
    patch : int
        Side of a window in pixels of the final picture and of the style. At coarser levels it is
        reduced in proportion to the picture. It must cover at least `LEAST_CELLS` cells of each
        layer.
    overlap, map_patch, position_weight, reuse_penalty, seed
        See `stylekit.losses.window_match.match_windows`.
    weight, name
        See `Loss`. A weight of about 8 suits a content weight of 1.

    Notes
    -----
    The patch script of Y. Chan's Tensorflow-Implementations evaluates the network on each window.
    Here the network evaluates the whole picture once, and windows are slices of its feature maps.
    This costs one pass whatever the overlap, and windows inside the picture have no zero padding at
    their borders. The targets hold C^2 numbers per window for C channels.

    References
    ----------
    Gatys, Ecker, Bethge, Hertzmann, Shechtman: Controlling Perceptual Factors in Neural Style
    Transfer, CVPR 2017, eq. 4, with windows in place of regions.
    """

    def __init__(
        self,
        style: PictureLike,
        content_map: PictureLike,
        style_map: PictureLike,
        *,
        layers: LayersLike = None,
        layer_weights: LayerWeightsLike = None,
        patch: int = 128,
        overlap: float = 0.5,
        map_patch: int = 8,
        position_weight: float = 0.02,
        reuse_penalty: float = 0.05,
        seed: int = 0,
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        check_settings(patch, overlap, map_patch, position_weight, reuse_penalty, seed)
        self.style = as_image(style, "style")
        self.content_map = as_image(content_map, "content_map")
        self.style_map = as_image(style_map, "style_map")
        _check_size(self.style_map, self.style.shape[:2], "style_map")
        self.layers = optional_layers(layers)
        self.layer_weights = weight_tuple(layer_weights, layers)
        self.settings: dict[str, Any] = {
            "patch": patch,
            "overlap": overlap,
            "map_patch": map_patch,
            "position_weight": position_weight,
            "reuse_penalty": reuse_penalty,
            "seed": seed,
        }

    def match(self) -> np.ndarray:
        """Return the position of each window's style window; see `window_match.match_windows`."""
        return match_windows(self.content_map, self.style_map, **self.settings)

    def prepare(self, canvas: Canvas) -> Targets:
        """Return a dict of layer name to window weights, target Gram matrices and factors."""
        _check_size(self.content_map, canvas.base_shape, "content_map")
        places = self.match()
        layers = self.layers_of(canvas.extractor)
        weights = weight_shares(layers, self.layer_weights)
        sizes = {layer: size for layer in layers if (size := self._window_size(canvas, layer))}
        beside = canvas.beside(self.style)
        features = beside.extract(beside.image, sizes)
        targets = {}
        for layer, (cells, size) in sizes.items():
            room = np.array(features[layer].shape[1:3])
            size = np.minimum(size, room)
            rows, columns = (
                window_weights(*axis, rim=_RIM)
                for axis in zip(cells, places.shape[:2], size, strict=True)
            )
            corners = np.rint(places * (room - size)).astype(int)
            gram = ops.stack(
                [
                    _weighted_grams(_cut(features[layer], at, size), w)
                    for at, w in zip(corners, _unit_weights(rows, columns), strict=True)
                ],
                axis=1,
            )
            share = np.outer(rows.sum(axis=1), columns.sum(axis=1))
            share /= share.sum()
            norm = ops.sum(ops.square(gram), axis=(-1, -2)) + functional.EPSILON
            targets[layer] = {
                "rows": ops.convert_to_tensor(rows, "float32"),
                "columns": ops.convert_to_tensor(columns, "float32"),
                "gram": gram,
                "factor": ops.cast(weights[layer], norm.dtype) * ops.cast(share, norm.dtype) / norm,
            }
        return targets

    def compute(self, image: Tensor, features: Mapping[str, Tensor], targets: Targets) -> Tensor:
        """Return the weighted mean of the errors over layers; see `Loss.compute`."""
        total = ops.zeros(ops.shape(image)[:1], dtype=functional.full_precision(image).dtype)
        for layer, target in targets.items():
            grams = window_gram_matrices(features[layer], target["rows"], target["columns"])
            error = ops.sum(ops.square(grams - target["gram"]), axis=(-1, -2))
            total = total + ops.sum(error * target["factor"], axis=(-1, -2))
        return total

    def get_config(self) -> dict[str, Any]:
        """Return the settings; see `Loss.get_config`."""
        config: dict[str, Any] = {
            "style": picture_hash(self.style),
            "content_map": picture_hash(self.content_map),
            "style_map": picture_hash(self.style_map),
        }
        config |= weight_config(self.layer_weights)
        return config | self.settings | super().get_config()

    def _window_size(self, canvas, layer):
        """Return the cells (h, w) of a layer and of a window, or None if a window is too small."""
        canvas.check_size([layer])
        whole = canvas.mask(np.ones(canvas.mask_shape, "float32"), layer)
        cells, pixels = np.array(whole.shape[1:3]), np.array(canvas.base_shape)
        size = np.rint(cells * self.settings["patch"] / pixels).astype(int)
        if min(size) >= (LEAST_CELLS if canvas.is_final else LEAST_CELLS // 2):
            return cells, size
        height, width = canvas.shape
        if canvas.is_final:
            fail(
                f"`patch` is too small for layer {layer} at {width}x{height} pixels",
                expected=f"at least {math.ceil((LEAST_CELLS - 0.5) * max(pixels / cells))} pixels",
                received=self.settings["patch"],
                hint="use a larger patch, or omit the layer",
                argument="patch",
            )
        canvas.notes.append(f"windows omitted at {layer} of {width}x{height}: too few cells")
        return None


def _check_size(color_map, shape, name):
    if color_map.shape[:2] != tuple(shape):
        height, width = shape
        fail(
            f"`{name}` must have the size of its picture",
            expected=f"{width}x{height} pixels",
            received=f"{color_map.shape[1]}x{color_map.shape[0]}",
            hint=f"use stylekit.image.resize({name}, {(height, width)}, 'nearest')",
            argument=name,
        )
