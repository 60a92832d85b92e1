"""Masks of the regions that a visitor draws: boxes, points and brush strokes."""

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
"""Largest number of points in all strokes together. Half an hour of drawing makes so many."""

MOST_TAPS = 50
"""Largest number of points that mark a subject."""

WIDEST = 0.15
"""Radius of the widest of the 15 brushes, relative to the longer side."""

TAP = 0.03
"""Radius of the area around a tapped point that belongs to the subject, relative to the longer
side."""

MARGIN = 0.02
"""Width of the frame of the photo that is taken as background if a subject is tapped, relative to
each side."""

TINT = (0.98, 0.45, 0.1)
"""Colour in which a region is shown."""


def box_mask(photo: np.ndarray, box: Any, subject_only: bool = False) -> np.ndarray:
    """Return the mask ``[H, W]`` of a box, or of the subject in it.

    Parameters
    ----------
    photo : ndarray [H, W, 3]
    box : (left, top, right, bottom)
        Relative to the width and height of the photo, in [0, 1].
    subject_only : bool
        Whether to separate the subject from its background by `masks.subject`.

    Raises
    ------
    InputError, InputTypeError
        If the box is not of that form, is too small, or contains no distinct subject.
    """
    if not isinstance(box, list) or len(box) != 4:
        raise InputTypeError(explain("the box is wrong", expected="4 numbers"))
    left, top, right, bottom = (number(value, "the box", low=0, high=1) for value in box)
    height, width = photo.shape[:2]
    corners = (left * width, top * height, right * width, bottom * height)
    if right - left < 0.02 or bottom - top < 0.02:
        fail("The box is too small", hint="drag from one corner to the opposite one")
    if subject_only:
        return subject(photo, corners)
    left, top, right, bottom = (round(value) for value in corners)
    mask = np.zeros((height, width), np.float32)
    mask[top:bottom, left:right] = 1
    return mask


def tap_mask(photo: np.ndarray, points: Any) -> np.ndarray:
    """Return the mask ``[H, W]`` of the subject at some points, found by its colours.

    Parameters
    ----------
    photo : ndarray [H, W, 3]
    points : list of [x, y]
        Relative to the width and height of the photo, in [0, 1].

    Raises
    ------
    InputError, InputTypeError
        If the points are not of that form, or if no subject is found; see `masks.subject`.
    """
    points = checked_points(points)
    if len(points) > MOST_TAPS:
        fail("There are too many points", expected=f"at most {MOST_TAPS}", hint="press Clear")
    marked = brush_mask(photo.shape, [{"radius": TAP, "points": [point]} for point in points])
    height, width = photo.shape[:2]
    box = (MARGIN * width, MARGIN * height, (1 - MARGIN) * width, (1 - MARGIN) * height)
    return subject(photo, box, foreground=marked)


def brush_mask(shape: Sequence[int], strokes: Any) -> np.ndarray:
    """Return the mask ``[H, W]`` of the area that a round brush has covered.

    All strokes with the same brush width are drawn as thin lines. Pixels within the radius of the
    brush from these lines are covered. This takes one distance transform for each brush width,
    independent of the number of points.

    Parameters
    ----------
    shape : (height, width)
    strokes : list of {"radius": float, "points": [[x, y], ...]}
        The radius is relative to the longer side. It is rounded to hundredths, which limits the
        number of brush widths. Points are relative to width and height, in [0, 1].

    Raises
    ------
    InputError, InputTypeError
        If there are no strokes, too many points, or the strokes are not of that form.
    """
    height, width = shape[:2]
    if not isinstance(strokes, list) or not all(isinstance(one, dict) for one in strokes):
        raise InputTypeError(explain("the strokes are wrong", expected="a list of strokes"))
    if sum(len(checked_points(one.get("points"))) for one in strokes) > MOST_POINTS:
        fail("There are too many strokes", expected=f"{MOST_POINTS} points", hint="press Clear")
    brushes = defaultdict(list)
    for stroke in strokes:
        radius = number(stroke.get("radius"), "the brush's radius", low=0, high=WIDEST)
        line = [(x * (width - 1), y * (height - 1)) for x, y in stroke["points"]]
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
    """Return a photo that is tinted where a mask is 1, and grey and darker where it is 0."""
    grey = np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2)
    inside = 0.7 * photo + 0.3 * np.array(TINT, np.float32)
    where = mask[..., np.newaxis]
    return np.clip(where * inside + (1 - where) * (0.25 + 0.5 * grey), 0, 1)


def checked_points(points: Any) -> list[list[float]]:
    """Return the points if they are a list of pairs in [0, 1]; raise `InputError` otherwise."""
    if not isinstance(points, list) or not points:
        raise InputTypeError(explain("there are no points", expected="a list of points"))
    for point in points:
        if not isinstance(point, list) or [type(x) in (int, float) for x in point] != [True, True]:
            raise InputTypeError(explain("a point is wrong", expected="2 numbers"))
        if not (0 <= point[0] <= 1 and 0 <= point[1] <= 1):
            fail("a point is outside the photo", expected="numbers from 0 to 1")
    return points
