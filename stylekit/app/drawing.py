"""Where the style goes, as a visitor draws it: strokes, a box or a class, to a mask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from stylekit._checks import InputTypeError, explain, fail, number
from stylekit.masks import as_mask, subject

MOST_POINTS = 20_000
"""Of all strokes together: half an hour of drawing."""

WIDEST = 0.15
"""Radius of the widest brush, as a share of the longer side; the page has 15 brushes up to it."""

TINT = (0.98, 0.45, 0.1)
"""The colour that a region is shown in."""


def box_mask(photo: np.ndarray, box: Any) -> np.ndarray:
    """Return the mask ``[H, W]`` of the subject in a box.

    Parameters
    ----------
    photo : ndarray [H, W, 3]
    box : (left, top, right, bottom)
        As shares of the picture's width and height, in [0, 1].

    Raises
    ------
    InputError, InputTypeError
        If the box is none, or nothing in it stands out; see `masks.subject`.
    """
    if not isinstance(box, list) or len(box) != 4:
        raise InputTypeError(explain("the box is wrong", expected="4 numbers"))
    left, top, right, bottom = (number(value, "the box", low=0, high=1) for value in box)
    height, width = photo.shape[:2]
    corners = (left * width, top * height, right * width, bottom * height)
    if right - left < 0.02 or bottom - top < 0.02:
        fail("The box is too small", hint="drag from one corner of the subject to the other")
    return subject(photo, corners)


def brush_mask(shape: Sequence[int], strokes: Any) -> np.ndarray:
    """Return the mask ``[H, W]`` of what a round brush has covered.

    The strokes of one brush are drawn as thin lines. What lies within its radius of them is
    covered, which takes one distance transform, however many dots were drawn.

    Parameters
    ----------
    shape : (height, width)
    strokes : list of {"radius": float, "points": [[x, y], ...]}
        The radius as a share of the longer side, rounded to hundredths, which bounds the number
        of brushes. The points as shares of width and height.

    Raises
    ------
    InputError, InputTypeError
        If there are no strokes, or they are not of that form.
    """
    height, width = shape[:2]
    if not isinstance(strokes, list) or not all(isinstance(one, dict) for one in strokes):
        raise InputTypeError(explain("the strokes are wrong", expected="a list of strokes"))
    if sum(len(_points(one)) for one in strokes) > MOST_POINTS:
        fail("There are too many strokes", expected=f"{MOST_POINTS} points", hint="begin anew")
    brushes = defaultdict(list)
    for stroke in strokes:
        radius = number(stroke.get("radius"), "the brush's radius", low=0, high=WIDEST)
        line = [(x * (width - 1), y * (height - 1)) for x, y in _points(stroke)]
        brushes[round(radius, 2)].append(line)
    covered = np.zeros((height, width), bool)
    for radius, lines in brushes.items():
        canvas = Image.new("1", (width, height))
        draw = ImageDraw.Draw(canvas)
        for line in lines:
            draw.line(line, 1)
            draw.point(line, 1)  # a line of one point draws nothing
        distance = ndimage.distance_transform_edt(~np.asarray(canvas))
        covered |= distance <= max(1.0, radius * max(height, width))
    return as_mask(covered, name="what was brushed")


def tinted(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return a photo, grey and dim where a mask is 0, and tinted where it is 1."""
    grey = np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2)
    inside = 0.7 * photo + 0.3 * np.array(TINT, np.float32)
    where = mask[..., np.newaxis]
    return np.clip(where * inside + (1 - where) * (0.25 + 0.5 * grey), 0, 1)


def _points(stroke: dict) -> list:
    points = stroke.get("points")
    if not isinstance(points, list) or not points:
        raise InputTypeError(explain("a stroke has no points", expected="a list of points"))
    for point in points:
        if not isinstance(point, list) or [type(x) in (int, float) for x in point] != [True, True]:
            raise InputTypeError(explain("a point is wrong", expected="2 numbers"))
        if not (0 <= point[0] <= 1 and 0 <= point[1] <= 1):
            fail("a point is outside the photo", expected="numbers from 0 to 1")
    return points
