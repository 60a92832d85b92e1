"""Find the colours of a colour map, and the colour of each pixel.

A smooth edge between two regions contains mixtures of their colours. Such a mixture may be equal to
the colour of a third region. A pixel is therefore treated as part of an edge if its colour is a
mixture of the colours around it, and if it is not in a solid area.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
from scipy import ndimage
from scipy.optimize import nnls
from scipy.spatial.distance import cdist

from stylekit._checks import caused_by, fail
from stylekit.image import PictureLike, as_image

Colors = dict[str, np.ndarray]
"""A dict of name or hex string to colour, three floats in 0-255."""

_REACH = 8
"""Width in pixels of a smooth edge on either side. This is half a block of the chroma in a JPEG
file, which has half the resolution of the luma."""

_SOLID = 1 / 3
"""Maximum range of the colours in 3 x 3 pixels of a solid area, as a multiple of the tolerance."""

_STEP = 8
"""Step in 8-bit units to which colours on edges are quantised, to reduce the number of
comparisons."""

_FEW = 4
"""Minimum number of connected pixels of a colour of the other map. Fewer pixels may be noise."""

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as in JPEG files


class ColorMap:
    """A colour map, the colours of the map, and the colour of each pixel.

    Parameters
    ----------
    picture : path, PIL image or array
    name : str
        Name of the map in messages.
    named : dict of str to ndarray
        Given colours. They replace colours of the map that are within the tolerance.
    tolerance : float
        Maximum Euclidean distance of two colours that are treated as equal, in 8-bit RGB units.

    Attributes
    ----------
    flat : dict of str to ndarray
        The colours of the map that have a flat area and are not in `named`.
    strokes : dict of str to ndarray
        The colours that occur only in strokes less than three pixels wide.
    shares : dict of str to float
        The share of the map's pixels of each of these colours.
    traces : dict of str to int
        The colours of the other map that were ignored because they may be edges or noise, with
        their numbers of pixels.
    unmatched : float
        The share of the pixels that were assigned no colour.
    """

    def __init__(self, picture: PictureLike, name: str, named: Colors, tolerance: float) -> None:
        self.name, self.named, self.tolerance = name, named, tolerance
        self.argument = name.replace(" ", "_")
        with caused_by(self.argument):
            self.pixels = np.rint(as_image(picture, name=name) * 255).astype(np.uint8)
        present = _apart(colors_present(self.pixels, tolerance), named, tolerance)
        colors = named | present
        shares = label_shares(label_colors(self.pixels, colors, tolerance), colors)
        self.flat = {name: color for name, color in present.items() if shares[name]}
        self.traces: dict[str, int] = {}
        self._sought: Colors = {}

    def check_flat(self) -> None:
        """Raise `InputError` if the map has no colour."""
        if not self.flat and not self.named:
            fail(
                f"the {self.name} must have regions in flat colours",
                expected="flat areas of at least 3 x 3 pixels",
                hint="name the colours with `colors`, or draw the map in flat colours",
                argument=self.argument,
            )

    def seek(self, colors: Colors) -> None:
        """Search for the colours of another map. They need at least `_FEW` connected pixels."""
        self._sought = _apart(colors, self.named | self.flat, self.tolerance)

    def label(self) -> None:
        """Determine the colour of each pixel, and set `strokes`, `shares` and `unmatched`."""
        colors = self.named | self.flat | self._sought
        thin = colors_present(self.pixels, self.tolerance, width=2)
        self.strokes = _apart(thin, colors, self.tolerance)
        colors |= self.strokes
        labels = label_colors(self.pixels, colors, self.tolerance)
        nearest = nearest_colors(self.pixels, colors, self.tolerance)
        for index, name in enumerate(colors):
            here = labels == index
            if name in self.named and not here.any():  # a given colour may be as thin as an edge
                labels[nearest == index] = index
            elif name in self._sought and _largest_part(here) < _FEW:
                labels[here] = -1
                self.traces[name] = int(np.count_nonzero(nearest == index))
        self._labels, self._indices = labels, {name: index for index, name in enumerate(colors)}
        self.shares = label_shares(labels, colors)
        self.unmatched = float(np.mean(labels < 0))

    def masks(self, names: Collection[str], merged: Collection[str]) -> list[np.ndarray]:
        """Return the masks of the colours `names`, ``float32 [H, W]`` with values 0 and 1.

        Pixels of merged colours, pixels of strokes and pixels without a colour are assigned the
        colour of the nearest other pixel.
        """
        gone = [index for name, index in self._indices.items() if name in merged]
        gone += [self._indices[name] for name in self.strokes]
        rows, columns = ndimage.distance_transform_edt(
            (self._labels < 0) | np.isin(self._labels, gone),
            return_distances=False,
            return_indices=True,
        )
        labels = self._labels[rows, columns]
        return [(labels == self._indices[name]).astype(np.float32) for name in names]


def colors_present(pixels: np.ndarray, tolerance: float, width: int = 3) -> Colors:
    """Return the colours of flat areas, by decreasing area, as a dict from hex string to colour.

    A colour within the tolerance of a more frequent colour is merged with that colour.

    Parameters
    ----------
    pixels : ndarray, uint8 [H, W, 3]
    tolerance : float
        Euclidean distance in 8-bit units.
    width : int
        Side in pixels of a square. An area is flat if the range of its colours in such a square is
        at most the tolerance.

    Returns
    -------
    dict of str to ndarray
    """
    codes = _codes(pixels)
    values, counts = np.unique(codes[_flat(pixels, tolerance, width)], return_counts=True)
    palette, found = _decode(values[np.argsort(-counts, kind="stable")]), {}
    while len(palette):
        color = palette[0]
        found[hex_color(color)] = color
        palette = palette[np.linalg.norm(palette - color, axis=1) > tolerance]
    return found


def label_colors(pixels: np.ndarray, colors: Colors, tolerance: float) -> np.ndarray:
    """Return the index of each pixel's colour, or -1 on edges and if no colour is near enough.

    Parameters
    ----------
    pixels : ndarray, uint8 [H, W, 3]
    colors : dict of str to ndarray
    tolerance : float
        Maximum distance of a pixel from its colour.

    Returns
    -------
    ndarray, int [H, W]
    """
    labels = nearest_colors(pixels, colors, tolerance)
    values = np.array([*colors.values()])
    areas = np.bincount(labels[(labels >= 0) & _flat(pixels, tolerance)], minlength=len(values))
    larger = {
        index: np.flatnonzero(areas > areas[index]) for index in np.unique(labels[labels >= 0])
    }
    # Only colours near a mixture of other colours can occur on the edges between these colours.
    between = [
        index
        for index, others in larger.items()
        if _from_mixtures(values[index], values[others]) <= 2 * tolerance
    ]
    if not between:
        return labels
    near = [ndimage.maximum_filter(labels == index, 2 * _REACH + 1) for index in range(len(values))]
    solid = _flat(pixels, tolerance * _SOLID)
    cleared = labels.copy()
    for index in between:
        # A solid area is a region together with the smooth pixels of its edge, about one pixel
        # wide.
        core = ndimage.binary_dilation(solid & (labels == index), np.ones((3, 3)), iterations=2)
        rows, columns = np.nonzero((labels == index) & ~core)
        others = larger[index]
        around = np.stack([near[other][rows, columns] for other in others], axis=-1)
        cases, which = np.unique(
            np.concatenate([pixels[rows, columns] // _STEP, around], axis=-1),
            axis=0,
            return_inverse=True,
        )
        distances = [
            _from_mixtures((case[:3] + 0.5) * _STEP, values[others[case[3:] > 0]]) for case in cases
        ]
        edge = (np.array(distances) <= tolerance)[which.ravel()]
        cleared[rows[edge], columns[edge]] = -1
    return cleared


def nearest_colors(pixels: np.ndarray, colors: Colors, tolerance: float) -> np.ndarray:
    """Return the index of each pixel's nearest colour within the tolerance, or -1."""
    if not colors:
        return np.full(pixels.shape[:2], -1)
    codes = _codes(pixels)
    table = np.full(1 << 24, -1, np.int16)  # distances are computed once per colour
    table[codes] = 0
    palette = np.flatnonzero(table == 0)
    distance = cdist(_decode(palette), list(colors.values()))
    table[palette] = np.where(distance.min(axis=1) <= tolerance, distance.argmin(axis=1), -1)
    return table[codes]


def label_shares(labels: np.ndarray, colors: Colors) -> dict[str, float]:
    """Return for each colour its share of the pixels."""
    counts = np.bincount(labels[labels >= 0], minlength=len(colors))
    return {name: float(count / labels.size) for name, count in zip(colors, counts, strict=True)}


def hex_color(color: np.ndarray) -> str:
    """Return a colour of three floats in 0-255 as ``"#rrggbb"``."""
    return "#{:02x}{:02x}{:02x}".format(*(int(value) for value in color))


def _apart(colors: Colors, others: Colors, tolerance: float) -> Colors:
    """Return the colours that are not within the tolerance of any of the others."""
    return {
        name: color
        for name, color in colors.items()
        if all(np.linalg.norm(color - other) > tolerance for other in others.values())
    }


def _largest_part(where: np.ndarray) -> int:
    """Return the number of pixels of the largest connected area."""
    labels, _ = ndimage.label(where, np.ones((3, 3)))
    return int(np.bincount(labels.ravel())[1:].max(initial=0))


def _flat(pixels: np.ndarray, largest: float, width: int = 3) -> np.ndarray:
    """Return where the range of colours in the square around a pixel is at most `largest`."""
    square = (width, width, 1)
    highest = ndimage.maximum_filter(pixels, square, mode="nearest").astype(np.int32)
    ranges = highest - ndimage.minimum_filter(pixels, square, mode="nearest")
    return np.einsum("ijk,ijk->ij", ranges, ranges) <= largest**2


def _from_mixtures(color: np.ndarray, others: np.ndarray) -> float:
    """Return the distance of a colour from the nearest mixture of two or more other colours.

    Luma and chroma may be mixed in different proportions, as in JPEG files, where the chroma is
    smoother than the luma.
    """
    if len(others) < 2:
        return math.inf
    luma = others @ _LUMA
    shifts = luma - luma[:, None]
    corners = np.clip(others[:, None] + shifts[..., None], 0, 255).reshape(-1, 3)
    # The weights must sum to 1. This fourth equation is enforced by a large weight.
    heavy = 1e4
    matrix = np.vstack([corners.T, np.full(len(corners), heavy)])
    return nnls(matrix, np.append(color, heavy))[1]


def _codes(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)


def _decode(codes: np.ndarray) -> np.ndarray:
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1).astype(float)
