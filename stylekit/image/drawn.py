"""Two procedural paintings, for trying a transfer without a style picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from stylekit import _checks

SIZE = 480
"""Side in pixels to which the numbers of strokes in `LAYERS` refer. Paintings of other sizes have
the same number of strokes per area."""

OVERSAMPLING = 3
"""Factor by which strokes are drawn larger before the painting is reduced, for smooth edges."""

LAYERS = (
    (1500, 15, 60, 0.4),
    (3200, 8.5, 44, 0.8),
    (5200, 5.5, 32, 1.0),
    (1300, 3.2, 24, 1.3),
)
"""Number, width, length and contrast of the strokes of each layer, from a broad underpainting to
fine strokes on top. Width and length are in pixels."""

NIGHT = {
    "ground": ["#10204f", "#163a7c", "#1f55a5", "#2f73c4", "#4a93d2", "#78b4dc", "#1b2f6b"],
    "light": ["#f6d34c", "#f3b52f", "#fbe88a", "#e8c25a", "#fff3c0"],
    "accent": ["#2f8f86", "#8fc7b8", "#0c1636", "#c9dfe6"],
}
STARS = [(0.24, 0.26, 0.10), (0.68, 0.70, 0.12), (0.20, 0.80, 0.06), (0.80, 0.18, 0.07)]

MEADOW = {
    "ground": ["#6b1f17", "#9c2f1c", "#c4481f", "#dd6a28", "#e88f3a", "#7c2a2b", "#b5382a"],
    "light": ["#2f6f5a", "#3f8f6c", "#9fbf6a", "#1f4f4a", "#d9d389"],
    "accent": ["#f4d6a0", "#3a1420", "#f0b070", "#24384f"],
}
SUNS = [(0.30, 0.64, 0.15), (0.74, 0.28, 0.11), (0.85, 0.85, 0.06)]


def night(size: int = SIZE) -> np.ndarray:
    """Draw a blue night sky of short curved strokes with yellow swirls.

    Parameters
    ----------
    size : int
        Side in pixels, at least 16. The width of the strokes does not depend on the size, and a
        larger painting has more strokes.

    Returns
    -------
    numpy.ndarray, float32 [size, size, 3]
        sRGB values in [0, 1]. Every call returns the same values. A call takes a few seconds at 480
        pixels.

    Raises
    ------
    InputError, InputTypeError
        If `size` is not an integer of at least 16.
    """
    return painting(NIGHT, STARS, seed=3, size=size)


def meadow(size: int = SIZE) -> np.ndarray:
    """Draw a red and orange meadow of short curved strokes with green swirls; see `night`."""
    return painting(MEADOW, SUNS, seed=8, size=size)


def painting(
    palette: Mapping[str, Sequence[str]],
    swirls: Sequence[tuple[float, float, float]],
    seed: int,
    size: int = SIZE,
) -> np.ndarray:
    """Draw a painting of short curved strokes.

    Parameters
    ----------
    palette : mapping
        Lists of colours, such as ``"#10204f"``. The colours of "ground" go from dark to light and
        back. "light" contains the colours of the swirls, and "accent" the colours of occasional
        strokes.
    swirls : sequence of (row, column, radius)
        Positions and radii of the swirls, as fractions of the side.
    seed : int
        Seed of the random numbers.
    size : int
        Side in pixels, at least 16.

    Returns
    -------
    numpy.ndarray, float32 [size, size, 3]
        sRGB values in [0, 1].
    """
    size = _checks.integer(size, "size", low=16)
    rng = np.random.default_rng(seed)
    angle, glow = _flow(rng, size, swirls)
    tone = 0.5 + 0.22 * _noise(rng, size, size / 14)
    colors = {name: np.array([_rgb(c) for c in codes], float) for name, codes in palette.items()}
    # Each bristle is drawn once. The drawing contains its index, by which its colour and height are
    # looked up.
    canvas = Image.new("I", (size * OVERSAMPLING,) * 2, 0)
    draw = ImageDraw.Draw(canvas)
    shades, heights = [_rgb(palette["ground"][1])], [0.0]
    for count, width, length, contrast in LAYERS:
        for _ in range(round(count * (size / SIZE) ** 2)):
            start = rng.uniform(0, size, 2)
            path = _path(start, angle, rng.uniform(0.6, 1.2) * length, size)
            row, column = (int(v) for v in path[len(path) // 2] % size)
            color = _color(rng, colors, tone[row, column], glow[row, column], contrast)
            for points, thickness, shade, height in _bristles(
                rng, path, width * rng.uniform(0.7, 1.2), color
            ):
                draw.line(points, len(shades), thickness, joint="curve")
                shades.append(shade)
                heights.append(height)
    numbers = np.asarray(canvas)
    return _lit(np.array(shades, np.uint8)[numbers], np.array(heights, np.float32)[numbers], size)


def _noise(rng, size, scale):
    """Return smooth noise with mean 0 and standard deviation 1."""
    values = ndimage.gaussian_filter(rng.normal(size=(size, size)), scale, mode="wrap")
    return (values - values.mean()) / values.std()


def _flow(rng, size, swirls):
    """Return for each pixel the angle of the strokes, and the proximity to a swirl in [0, 1].

    The strokes follow the contour lines of a height field: smooth noise plus a hill for each swirl.
    This flow is divergence-free, so that strokes do not pile up.
    """
    rows, columns = np.mgrid[:size, :size] / size
    height = 0.05 * _noise(rng, size, size / 9)
    glow = np.zeros((size, size))
    for row, column, radius in swirls:
        distance = np.hypot(rows - row, columns - column)
        height += 2.4 * radius * np.exp(-((distance / (1.6 * radius)) ** 2))
        glow = np.maximum(glow, np.exp(-((distance / radius) ** 2)))
    down, right = np.gradient(height)
    return np.arctan2(-right, down), glow


def _rgb(code):
    return [int(code[i : i + 2], 16) for i in (1, 3, 5)]


def _path(point, angle, length, size, step=2.0):
    """Return the points of a stroke that follows the flow, ``[N, 2]``."""
    points = [point]
    for _ in range(int(length / step)):
        row, column = (points[-1].astype(int)) % size
        a = angle[row, column]
        points.append(points[-1] + step * np.array([np.sin(a), np.cos(a)]))
    return np.array(points)


def _color(rng, colors, tone, glow, contrast):
    if rng.random() < glow**0.8:
        choices, position = colors["light"], rng.random()
    elif rng.random() < 0.07 * contrast:
        choices, position = colors["accent"], rng.random()
    else:
        choices = colors["ground"]
        position = np.clip(tone + rng.normal(0, 0.13 * contrast), 0, 0.999)
    color = choices[int(position * len(choices))]
    return np.clip(color * (1 + rng.normal(0, 0.06)) + rng.normal(0, 5, 3), 0, 255)


def _bristles(rng, path, width, color):
    """Yield the points, thickness, colour and height of each parallel line of a stroke."""
    tangent = np.gradient(path, axis=0)
    normal = tangent[:, ::-1] * [1, -1]
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    taper = np.sin(np.linspace(0.25, np.pi - 0.15, len(path)))[:, None] ** 0.4
    bristles = max(3, round(width * 1.1))
    thickness = max(2, round(1.7 * width / bristles * OVERSAMPLING))
    for offset in np.linspace(-0.5, 0.5, bristles):
        first, last = rng.integers(0, 3), len(path) - rng.integers(0, 3)
        line = (path + normal * taper * offset * width)[first:last]
        points = [(x, y) for y, x in line * OVERSAMPLING]
        if len(points) < 2:
            continue
        shade = np.clip(color * (1 + rng.normal(0, 0.05)), 0, 255)
        height = (1 - 2.2 * offset**2) * (0.6 + 0.05 * width) + rng.normal(0, 0.12)
        yield points, thickness, shade.astype(np.uint8), height


def _lit(paint, relief, size):
    """Return the paint lit from the upper left, which makes its thickness visible."""
    height = ndimage.gaussian_filter(relief, 0.45 * OVERSAMPLING)
    down, right = np.gradient(height)
    light = np.clip((down + right) * 0.9 * OVERSAMPLING, -1, 1)[..., None]
    color = paint / 255
    shadow = color - 0.30 * light * (1 - color * 0.5)
    color = np.where(light > 0, color * (1 - 0.38 * light), shadow)
    lit = Image.fromarray((np.clip(color, 0, 1) * 255 + 0.5).astype(np.uint8))
    return np.asarray(lit.resize((size, size), Image.Resampling.LANCZOS), np.float32) / 255
