"""Make the pictures of the documentation: ``python docs/make_pictures.py WEIGHTS_FILE``.

The photograph comes with scikit-image (the cat Chelsea by Stefan van der Walt, CC0). The paintings
are drawn here, stroke by stroke. The results are computed: minutes on a processor.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import skimage
from PIL import Image, ImageDraw
from scipy import ndimage

import stylekit as sk

FOLDER = Path(__file__).parent / "pictures"
SIZE = 480
LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1")
LOOK = {"strength": 0.8, "style_scale": 1.2, "variation": 4.0, "pyramid": 3}
OVERSAMPLING = 3
"""Strokes are drawn this many times larger and then reduced, so that their edges are smooth."""

ASTRONAUT = {
    "foreground": [
        ((0.05, 0.36), (0.36, 0.54)),
        ((0.38, 0.52), (0.26, 0.57)),
        ((0.55, 0.98), (0.20, 0.75)),
        ((0.75, 0.95), (0.60, 0.84)),
    ],
    "background": [
        ((0.00, 0.45), (0.00, 0.22)),
        ((0.00, 0.33), (0.72, 1.00)),
        ((0.50, 0.75), (0.00, 0.03)),
        ((0.45, 0.98), (0.93, 1.00)),
        ((0.50, 0.64), (0.78, 0.95)),
    ],
}
"""Strokes that are the astronaut or not: rows and columns, as shares of the picture."""

NIGHT = {
    "sky": ["#10204f", "#163a7c", "#1f55a5", "#2f73c4", "#4a93d2", "#78b4dc", "#1b2f6b"],
    "light": ["#f6d34c", "#f3b52f", "#fbe88a", "#e8c25a", "#fff3c0"],
    "accent": ["#2f8f86", "#8fc7b8", "#0c1636", "#c9dfe6"],
}
MEADOW = {
    "sky": ["#6b1f17", "#9c2f1c", "#c4481f", "#dd6a28", "#e88f3a", "#7c2a2b", "#b5382a"],
    "light": ["#2f6f5a", "#3f8f6c", "#9fbf6a", "#1f4f4a", "#d9d389"],
    "accent": ["#f4d6a0", "#3a1420", "#f0b070", "#24384f"],
}


def noise(rng, size, scale):
    """Return smooth noise of mean 0 and deviation 1."""
    values = ndimage.gaussian_filter(rng.normal(size=(size, size)), scale, mode="wrap")
    return (values - values.mean()) / values.std()


def flow(rng, size, swirls):
    """Return the direction of the strokes, an angle a pixel, and how near a swirl's centre is.

    The direction runs along the contours of a height: smooth noise and a cone a swirl. That is the
    curl of the height, which has neither sources nor sinks, so that strokes never pile up.
    """
    rows, columns = np.mgrid[:size, :size] / size
    height = 0.05 * noise(rng, size, size / 9)
    glow = np.zeros((size, size))
    for row, column, radius in swirls:
        distance = np.hypot(rows - row, columns - column)
        height += 2.4 * radius * np.exp(-((distance / (1.6 * radius)) ** 2))
        glow = np.maximum(glow, np.exp(-((distance / radius) ** 2)))
    down, right = np.gradient(height)
    return np.arctan2(-right, down), glow


def painting(palette, swirls, seed, size=SIZE):
    """Return a painting of short curved strokes, uint8 ``[size, size, 3]``."""
    rng = np.random.default_rng(seed)
    angle, glow = flow(rng, size, swirls)
    tone = 0.5 + 0.22 * noise(rng, size, size / 14)
    colors = {name: np.array([_rgb(c) for c in codes], float) for name, codes in palette.items()}
    big = size * OVERSAMPLING
    paint = Image.new("RGB", (big, big), palette["sky"][1])
    relief = Image.new("F", (big, big), 0.0)
    on_paint, on_relief = ImageDraw.Draw(paint), ImageDraw.Draw(relief)
    # From a broad underpainting to fine strokes on top: (how many, width, length, contrast).
    for count, width, length, contrast in (
        (1500, 15, 60, 0.4),
        (3200, 8.5, 44, 0.8),
        (5200, 5.5, 32, 1.0),
        (1300, 3.2, 24, 1.3),
    ):
        for _ in range(count):
            start = rng.uniform(0, size, 2)
            path = _path(start, angle, rng.uniform(0.6, 1.2) * length, size)
            row, column = (int(v) for v in path[len(path) // 2] % size)
            color = _color(rng, colors, tone[row, column], glow[row, column], contrast)
            _stroke(rng, on_paint, on_relief, path, width * rng.uniform(0.7, 1.2), color)
    return _lit(paint, relief, size)


def _rgb(code):
    return [int(code[i : i + 2], 16) for i in (1, 3, 5)]


def _path(point, angle, length, size, step=2.0):
    """Return the points of a stroke that follows the flow."""
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
        choices = colors["sky"]
        position = np.clip(tone + rng.normal(0, 0.13 * contrast), 0, 0.999)
    color = choices[int(position * len(choices))]
    return np.clip(color * (1 + rng.normal(0, 0.06)) + rng.normal(0, 5, 3), 0, 255)


def _stroke(rng, on_paint, on_relief, path, width, color):
    """Draw a stroke as parallel bristles, each with a tone and a height of its own."""
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
        on_paint.line(points, tuple(int(v) for v in shade), thickness, joint="curve")
        height = (1 - 2.2 * offset**2) * (0.6 + 0.05 * width) + rng.normal(0, 0.12)
        on_relief.line(points, float(height), thickness, joint="curve")


def _lit(paint, relief, size):
    """Return the paint under light from the upper left, which shows how thick it lies."""
    height = ndimage.gaussian_filter(np.asarray(relief), 0.45 * OVERSAMPLING)
    down, right = np.gradient(height)
    light = np.clip((down + right) * 0.9 * OVERSAMPLING, -1, 1)[..., None]
    color = np.asarray(paint, float) / 255
    shadow = color - 0.30 * light * (1 - color * 0.5)
    color = np.where(light > 0, color * (1 - 0.38 * light), shadow)
    lit = Image.fromarray(np.uint8(np.clip(color, 0, 1) * 255 + 0.5))
    return np.asarray(lit.resize((size, size), Image.Resampling.LANCZOS))


def save(name, picture, quality=76):
    """Write a JPEG of the documentation's size."""
    if picture.dtype != np.uint8:
        picture = np.uint8(np.clip(picture, 0, 1) * 255 + 0.5)
    path = FOLDER / f"{name}.jpg"
    Image.fromarray(picture).save(path, quality=quality, optimize=True, progressive=True)
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KB", flush=True)


def paintings():
    """Return the two paintings that serve as styles."""
    stars = [(0.24, 0.26, 0.10), (0.68, 0.70, 0.12), (0.20, 0.80, 0.06), (0.80, 0.18, 0.07)]
    suns = [(0.30, 0.64, 0.15), (0.74, 0.28, 0.11), (0.85, 0.85, 0.06)]
    return painting(NIGHT, stars, seed=3), painting(MEADOW, suns, seed=8)


def results(extractor, photo, night, meadow):
    """Save the photograph in one style, and in both along a ramp."""
    layers = {"style_layers": LAYERS, "content_layers": LAYERS[-1:]}
    options = {"size": SIZE, "steps": 150, "extractor": extractor, **layers, **LOOK}
    progress = [sk.ProgressBar()]
    save("cat_night", sk.stylize(photo, night, callbacks=progress, **options).image)
    ramp = sk.masks.linear_gradient(photo.shape[:2], start=0.2, stop=0.8)
    both = sk.stylize(photo, [night, meadow], mask=[ramp, 1 - ramp], callbacks=progress, **options)
    save("cat_ramp", both.image)


def localized(extractor, night):
    """Save an astronaut before a painted background, painted herself, and as a portrait."""
    photo = sk.image.as_image(skimage.data.astronaut(), size=320)
    strokes = {name: np.zeros(photo.shape[:2]) for name in ASTRONAUT}
    for name, boxes in ASTRONAUT.items():
        for rows, columns in boxes:
            rows, columns = (
                np.rint(np.multiply(span, len(photo))).astype(int) for span in (rows, columns)
            )
            strokes[name][slice(*rows), slice(*columns)] = 1
    person = sk.masks.guided(photo, sk.masks.subject(photo, **strokes))
    layers = {"style_layers": LAYERS, "content_layers": LAYERS[-1:]}
    options = {"size": None, "steps": 100, "extractor": extractor, **layers, **LOOK, "pyramid": 2}
    images = [
        sk.recipes.localized(photo, night, person, keep=keep, **options).image
        for keep in ("subject", "background")
    ]
    portrait = sk.blend.portrait(photo, person)
    save("localized", np.concatenate([*images, portrait], axis=1))


def main():
    """Make every picture, or without weights all but the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("weights", nargs="?", help="VGG19's .h5 or .npz; default: no results")
    weights = parser.parse_args().weights
    photo = sk.image.as_image(skimage.data.chelsea(), size=SIZE)
    night, meadow = paintings()
    for name, picture in {"cat": photo, "night": night, "meadow": meadow}.items():
        save(name, picture)
    if weights:
        extractor = sk.VGG19(weights)
        results(extractor, photo, night, meadow)
        localized(extractor, night)


if __name__ == "__main__":
    main()
