"""Where the style goes, as a visitor draws it: strokes, a box or a class, to a mask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from stylekit._checks import InputTypeError, explain, fail, number
from stylekit.masks import as_mask, subject

MOST_POINTS = 20_000
"""Of all strokes together: half an hour of drawing."""

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
    left, top, right, bottom = _shares(box, 4, "the box")
    height, width = photo.shape[:2]
    corners = (left * width, top * height, right * width, bottom * height)
    if right - left < 0.02 or bottom - top < 0.02:
        fail("The box is too small", hint="drag from one corner of the subject to the other")
    return subject(photo, corners)


def brush_mask(shape: Sequence[int], strokes: Any) -> np.ndarray:
    """Return the mask ``[H, W]`` of what a round brush has covered.

    Parameters
    ----------
    shape : (height, width)
    strokes : list of {"radius": float, "points": [[x, y], ...]}
        The radius as a share of the longer side, the points as shares of width and height.

    Raises
    ------
    InputError, InputTypeError
        If there are no strokes, or they are not of that form.
    """
    height, width = shape[:2]
    canvas = Image.new("L", (width, height))
    draw = ImageDraw.Draw(canvas)
    if not isinstance(strokes, list) or not all(isinstance(one, dict) for one in strokes):
        raise InputTypeError(explain("the strokes are wrong", expected="a list of strokes"))
    if sum(len(_points(one)) for one in strokes) > MOST_POINTS:
        fail("There are too many strokes", expected=f"{MOST_POINTS} points", hint="begin anew")
    for stroke in strokes:
        share = number(stroke.get("radius"), "the brush's radius", low=0, high=0.5)
        radius = max(1.0, share * max(height, width))
        line = [
            (x * width, y * height)
            for x, y in (_shares(point, 2, "a point") for point in _points(stroke))
        ]
        draw.line(line, 255, math.ceil(2 * radius), joint="curve")
        for x, y in (line[0], line[-1]):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), 255)
    return as_mask(canvas, name="what was brushed")


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
    return points


def _shares(values: Any, count: int, name: str) -> list[float]:
    if not isinstance(values, list) or len(values) != count:
        raise InputTypeError(explain(f"{name} is wrong", expected=f"{count} numbers"))
    return [number(value, name, low=0, high=1) for value in values]
