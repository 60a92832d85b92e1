"""Draw the style pictures of the web page's gallery, by code alone.

    python docs/make_styles.py

writes them to ``stylekit/app/static/styles``. It takes a minute.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage, spatial

from stylekit.image import drawn

FOLDER = Path(__file__).parents[1] / "stylekit/app/static/styles"
SIZE = 448
"""Side of the pictures in pixels. At a result's 512 pixels they are hardly enlarged."""

DRAWN = 3 * SIZE
"""Side at which they are drawn. They are reduced afterwards, which smooths the edges."""

GARDEN = {
    "ground": ["#2f5d3a", "#4f8a4c", "#7fb069", "#a9c98a", "#3b6f5b", "#c9d8a6"],
    "light": ["#f2a7b8", "#e0708f", "#f8d4dc", "#c44569", "#fff4f0"],
    "accent": ["#8f7fc4", "#f5e6a8", "#5b4a8a", "#dfe9f5"],
}
HARBOR = {
    "ground": ["#3d4f5c", "#5d7482", "#8a9ba1", "#b3b8b0", "#2d3b49", "#6b6f7d"],
    "light": ["#f08a3c", "#f7b267", "#e4572e", "#fcd9a0"],
    "accent": ["#1d2833", "#e8d8c3", "#47606b", "#c97b63"],
}


def colors(*codes: str) -> np.ndarray:
    """Return colours ``[N, 3]`` in [0, 255]."""
    return np.array([[int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in codes], float)


def noise(rng: np.random.Generator, scale: float, side: int = DRAWN) -> np.ndarray:
    """Return smooth noise ``[side, side]`` in [0, 1], each value equally frequent."""
    small = side // 4
    values = ndimage.gaussian_filter(rng.normal(size=(small, small)), scale / 4, mode="wrap")
    ranks = values.ravel().argsort().argsort().reshape(small, small) / (small * small - 1)
    return ndimage.zoom(ranks, side / small, order=1)


def reduced(canvas: Image.Image) -> np.ndarray:
    """Return a drawing at the gallery's size, float ``[SIZE, SIZE, 3]`` in [0, 1]."""
    small = canvas.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    return np.asarray(small, np.float32) / 255


def dots() -> np.ndarray:
    """Return a pointillist sunset: dots of pure colours on a ground of orange and violet."""
    rng = np.random.default_rng(11)
    bands = [
        colors("#f6c945", "#f29e38", "#ee7f4b", "#fbe39a"),
        colors("#e4604e", "#d8467a", "#f29e38", "#8b5bb5"),
        colors("#3f6fb5", "#6f4fa5", "#4fa3c7", "#e4604e"),
        colors("#1f3f7f", "#2f7f8f", "#3a2f6f", "#6fc0b5"),
    ]
    field = 0.65 * np.linspace(0, 1, DRAWN)[:, None] + 0.35 * noise(rng, 90)
    canvas = Image.new("RGB", (DRAWN, DRAWN), "#e9c9a0")
    draw = ImageDraw.Draw(canvas)
    for count, radius in ((9000, 17), (12000, 11), (9000, 7)):
        for x, y in rng.integers(0, DRAWN, (count, 2)):
            place = field[y, x] * len(bands) + rng.normal(0, 0.45)
            band = bands[int(np.clip(place, 0, len(bands) - 1))]
            fill = tuple(np.clip(band[rng.integers(4)] + rng.normal(0, 10, 3), 0, 255).astype(int))
            r = radius * rng.uniform(0.8, 1.2)
            draw.ellipse((x - r, y - r, x + r, y + r), fill)
    return reduced(canvas)


def glass() -> np.ndarray:
    """Return stained glass: cells of light in lead, warm about two centres, blue around."""
    rng = np.random.default_rng(5)
    points = rng.uniform(0, DRAWN, (230, 2))
    rows, columns = np.mgrid[:DRAWN:4, :DRAWN:4]
    pixels = np.stack([rows, columns], -1).reshape(-1, 2)
    for _ in range(3):  # Lloyd's iteration makes the cells even
        nearest = spatial.cKDTree(points).query(pixels)[1]
        points = np.stack(
            [ndimage.mean(pixels[:, axis], nearest, np.arange(len(points))) for axis in (0, 1)], -1
        )
    warm = colors("#f7c331", "#f08a24", "#d8342b", "#f4e06d", "#b01f3c")
    cold = colors("#14438f", "#1f78b8", "#0f8f7f", "#4fb8d6", "#2a2a7f", "#66b36b")
    shades = []
    for row, column in points / DRAWN:
        near = min(np.hypot(row - 0.32, column - 0.36), np.hypot(row - 0.76, column - 0.74))
        choice = warm if near + rng.normal(0, 0.04) < 0.2 else cold
        shades.append(choice[rng.integers(len(choice))] * rng.uniform(0.85, 1.1))
    grid = np.stack(np.mgrid[:DRAWN, :DRAWN], -1).reshape(-1, 2)
    wobble = np.stack([noise(rng, 40), noise(rng, 40)], -1).reshape(-1, 2) * 34
    distance, index = spatial.cKDTree(points).query(grid + wobble, 2, workers=-1)
    gap = (distance[:, 1] - distance[:, 0]).reshape(DRAWN, DRAWN)
    pane = np.array(shades)[index[:, 0]].reshape(DRAWN, DRAWN, 3)
    pane = pane * (0.72 + 0.45 * noise(rng, 25)[..., None]) + 14 * noise(rng, 6)[..., None]
    lead = np.clip((gap - 13) / 6, 0, 1)[..., None]
    pane = pane * lead + np.array([24, 22, 26]) * (1 - lead)
    return reduced(Image.fromarray(np.uint8(np.clip(pane, 0, 255))))


def waves() -> np.ndarray:
    """Return a woodblock print: crests of flat indigo and cream with dark outlines."""
    rng = np.random.default_rng(2)
    paper, ink = "#efe3c8", "#16243f"
    tones = ["#274b7a", "#3f6f9f", "#7fa6bf", "#1d3560", "#a9c3c9", "#dfe3d3"]
    canvas = Image.new("RGB", (DRAWN, DRAWN), paper)
    draw = ImageDraw.Draw(canvas)
    draw.ellipse((0.62 * DRAWN, 0.06 * DRAWN, 0.82 * DRAWN, 0.26 * DRAWN), "#d9694a")
    x = np.arange(-40, DRAWN + 41, 4)
    for row in range(15):
        base = DRAWN * (0.16 + 0.062 * row) + rng.normal(0, 8)
        length, phase = DRAWN * rng.uniform(0.2, 0.34), rng.uniform(0, 7)
        height = DRAWN * rng.uniform(0.035, 0.06)
        turn = 2 * np.pi * x / length + phase
        y = base - height * np.abs(np.sin(turn / 2)) ** 0.6 + 0.3 * height * np.sin(0.43 * turn)
        for step in range(6):
            line = list(zip(x, y + step * height * 0.34, strict=True))
            fill = tones[(2 * row + step) % len(tones)]
            draw.polygon([*line, (DRAWN + 60, DRAWN + 60), (-60, DRAWN + 60)], fill)
            draw.line(line, ink if step % 2 == 0 else "#f4ecd6", 9 if step == 0 else 5)
        for crest in np.flatnonzero(np.diff(np.sign(np.diff(y))) > 0):
            for _ in range(5):
                dx, dy, r = rng.normal(0, 26), -abs(rng.normal(0, 20)), rng.uniform(4, 11)
                spot = x[crest] + dx, y[crest] + dy - 8
                box = (spot[0] - r, spot[1] - r, spot[0] + r, spot[1] + r)
                draw.ellipse(box, "#f7f1e0", ink, 3)
    grain = 10 * (noise(rng, 5) - 0.5)[..., None]
    return reduced(Image.fromarray(np.uint8(np.clip(np.asarray(canvas) + grain, 0, 255))))


def wash() -> np.ndarray:
    """Return a watercolour: translucent washes with dark rims on grained paper."""
    rng = np.random.default_rng(4)
    tones = colors("#2f7f9f", "#e0703f", "#f2b84b", "#7f4f8f", "#4f9f7f", "#c9405f", "#2f4f8f")
    paper = 0.97 - 0.05 * noise(rng, 3)
    image = np.repeat(paper[..., None], 3, 2)
    for number in range(40):
        field = noise(rng, rng.uniform(60, 120))
        row, column = rng.uniform(0, DRAWN, 2)
        rows, columns = np.mgrid[:DRAWN, :DRAWN]
        radius = DRAWN * rng.uniform(0.1, 0.24)
        height = 1 - np.hypot(rows - row, columns - column) / radius + 1.1 * (field - 0.5)
        height += 0.12 * (noise(rng, 12) - 0.5)
        inside = np.clip(height / 0.03, 0, 1)
        rim = np.exp(-(((height - 0.03) / 0.035) ** 2))
        density = inside * (0.3 + 0.25 * noise(rng, 50) + 0.35 * rim)
        absorbed = 1 - tones[number % len(tones)] / 255
        image *= np.exp(-0.75 * density[..., None] * absorbed)
    return reduced(Image.fromarray(np.uint8(np.clip(image, 0, 1) * 255)))


def ink() -> np.ndarray:
    """Return a pen drawing: curved hatching, denser where it is dark, on cream paper."""
    rng = np.random.default_rng(9)
    tone, bend = noise(rng, 130), noise(rng, 170)
    canvas = Image.new("RGB", (DRAWN, DRAWN), "#f1e7d0")
    draw = ImageDraw.Draw(canvas)
    for turn, limit in ((0.0, 0.85), (0.9, 0.45), (1.9, 0.2)):
        for point in rng.uniform(0, DRAWN, (2600, 2)):
            if tone[tuple(point.astype(int))] > limit + rng.normal(0, 0.06):
                continue
            line = [point]
            for _ in range(rng.integers(8, 22)):
                row, column = np.clip(line[-1], 0, DRAWN - 1).astype(int)
                angle = 2 * np.pi * bend[row, column] + turn
                line.append(line[-1] + 7 * np.array([np.sin(angle), np.cos(angle)]))
            shade = tuple((colors("#2b211c")[0] + rng.uniform(0, 45)).astype(int))
            draw.line([(c, r) for r, c in line], shade, int(rng.integers(3, 6)), joint="curve")
    return reduced(canvas.filter(ImageFilter.GaussianBlur(1)))


STYLES = {
    "night": lambda: drawn.night(SIZE),
    "meadow": lambda: drawn.meadow(SIZE),
    "garden": lambda: drawn.painting(
        GARDEN, [(0.28, 0.3, 0.09), (0.6, 0.68, 0.1), (0.85, 0.25, 0.07)], seed=21, size=SIZE
    ),
    "harbour": lambda: drawn.painting(
        HARBOR, [(0.3, 0.62, 0.08), (0.62, 0.6, 0.05)], seed=33, size=SIZE
    ),
    "dots": dots,
    "glass": glass,
    "waves": waves,
    "watercolour": wash,
    "ink": ink,
}


def main() -> None:
    """Write the pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name, draw in STYLES.items():
        picture = Image.fromarray(np.uint8(draw() * 255 + 0.5))
        picture.save(FOLDER / f"{name}.webp", quality=82, method=6)


if __name__ == "__main__":
    main()
