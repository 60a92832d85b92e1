"""Example pictures from stylekit and scikit-image, which need no internet connection."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from skimage import data

from stylekit.image import read_image

FOLDER = Path(__file__).parent / "static" / "styles"
"""The style pictures. ``docs/make_styles.py`` draws them."""

NAMES = (
    *("night", "waves", "glass", "meadow", "garden"),
    *("dots", "harbour", "watercolour", "ink"),
)

PHOTOS: Mapping[str, Callable[[], np.ndarray]] = {
    "cat": data.chelsea,
    "astronaut": data.astronaut,
    "coffee": data.coffee,
    "rocket": data.rocket,
}
"""Functions that return a photograph of scikit-image, ``uint8 [H, W, 3]``."""

STYLES: Mapping[str, Callable[[], np.ndarray]] = {
    name: functools.partial(read_image, FOLDER / f"{name}.webp") for name in NAMES
}
"""Functions that return a style picture, ``float32 [448, 448, 3]``."""
