import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from stylekit.masks.color_maps.palette import (
    colors_present,
    label_colors,
    label_shares,
    nearest_colors,
)

TOLERANCE = 40.0


def jpeg(quality):
    def save(picture):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return save


def sized(width, height, how):
    return lambda picture: picture.resize((width, height), how)


WAYS = {
    "smaller": sized(211, 170, Image.Resampling.LANCZOS),
    "larger": sized(800, 640, Image.Resampling.BICUBIC),
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(2)),
    "jpeg 95": jpeg(95),
    "jpeg 80": jpeg(80),
    "jpeg 60": jpeg(60),
    "smaller, jpeg": lambda picture: jpeg(80)(WAYS["smaller"](picture)),
}


def patchwork(rng):
    """A map of twelve cells in five colours, which are at least 90 apart."""
    while True:
        colors = rng.integers(0, 256, (5, 3))
        gaps = np.linalg.norm(colors[:, None] - colors, axis=-1)
        if gaps[~np.eye(5, dtype=bool)].min() > 90:
            break
    rows, columns = np.mgrid[:256, :320]
    points = rng.uniform(0, 1, (12, 2)) * (256, 320)
    cell = np.hypot(rows[..., None] - points[:, 0], columns[..., None] - points[:, 1]).argmin(-1)
    return np.uint8(colors)[cell % 5], colors


@pytest.mark.parametrize("way", WAYS)
def test_edges_and_noise_are_no_colours(rng, way):
    for _ in range(3):
        pixels, colors = patchwork(rng)
        pixels = np.asarray(WAYS[way](Image.fromarray(pixels)))
        found = colors_present(pixels, TOLERANCE)
        labels = label_colors(pixels, found, TOLERANCE)
        shares = label_shares(labels, found)
        large = np.array([found[name] for name, share in shares.items() if share > 0.001])
        assert len(large) == 5
        gaps = np.linalg.norm(large[:, None] - colors, axis=-1)
        assert (gaps.min(axis=1) < 20).all()
        assert sum(shares.values()) == pytest.approx(np.mean(labels >= 0))


def test_a_mixture_in_a_solid_area_or_beside_one_colour_alone_is_a_colour():
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 30:] = 255
    colors = {"black": np.zeros(3), "white": np.full(3, 255.0), "grey": np.full(3, 128.0)}
    pixels[:, 29] = 128  # an edge
    pixels[10:15, 27:33] = 128  # a solid area on it
    pixels[30, 5:15] = 128  # a stroke
    grey = label_colors(pixels, colors, TOLERANCE) == 2
    assert grey[10:15, 27:33].all()
    assert grey[30, 5:15].all()
    assert grey[:, 29].sum() <= 9  # of the area and what touches it
    assert (nearest_colors(pixels, colors, TOLERANCE) == 2)[:, 29].all()


def test_no_colours():
    pixels = np.zeros((4, 5, 3), np.uint8)
    assert (label_colors(pixels, {}, TOLERANCE) == -1).all()
    assert label_shares(np.full((4, 5), -1), {}) == {}
