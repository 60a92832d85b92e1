"""Training pictures: random crops of pictures, and procedural textures."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from stylekit._checks import FileError, fail
from stylekit.image import read_image

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Suffixes of the picture files in a folder."""

TEXTURES = 0.1
"""Fraction of the crops that are procedural textures."""


class Crops:
    """A source of random square crops.

    Each crop has a random position, scale (0.5 to 2.5 source pixels per pixel), orientation and
    colour change. Some crops are mixed with another crop, or with noise, like the intermediate
    images of an optimisation. Some are procedural textures.

    Parameters
    ----------
    folders : sequence of path
        Folders with pictures. Each folder is used equally often, regardless of its number of
        pictures.
    size : int
        Side of the crops in pixels.
    exclude : iterable of str
        Patterns of file names to exclude, such as ``"*_mask.png"``.

    Raises
    ------
    FileError
        If a folder does not exist or contains no picture.
    """

    def __init__(
        self, folders: Sequence[str | os.PathLike], size: int, exclude: Iterable[str] = ()
    ) -> None:
        self.size = size
        self.folders = [_pictures(Path(folder), tuple(exclude)) for folder in folders]
        if not self.folders:
            fail(
                "there are no pictures to crop", expected="at least one folder", argument="folders"
            )

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return a random crop, float32 ``[size, size, 3]`` in [0, 1]."""
        if rng.random() < TEXTURES:
            return texture(rng, self.size)
        crop = self._crop(rng)
        if rng.random() < 0.15:
            share = rng.uniform(0.1, 0.5)
            crop = (1 - share) * crop + share * self._crop(rng)
        if rng.random() < 0.2:
            noise = rng.normal(0, rng.uniform(0.01, 0.15), crop.shape)
            crop = crop + (noise if rng.random() < 0.5 else ndimage.gaussian_filter(noise * 3, 1))
        return np.clip(crop, 0, 1).astype("float32")

    def _crop(self, rng: np.random.Generator) -> np.ndarray:
        pictures = self.folders[rng.integers(len(self.folders))]
        picture = pictures[rng.integers(len(pictures))]
        most = min(picture.size)
        side = min(most, self.size * np.exp(rng.uniform(np.log(0.5), np.log(2.5))))
        left, top = (rng.uniform(0, extent - side) for extent in picture.size)
        box = (left, top, left + side, top + side)
        small = picture.resize((self.size, self.size), Image.Resampling.BICUBIC, box=box)
        crop = np.rot90(np.asarray(small, "float32") / 255, k=rng.choice([0, 0, 0, 1, 2, 3]))
        crop = crop[:, ::-1] if rng.random() < 0.5 else crop
        # Gamma and gains change brightness and colour. One crop in ten has permuted channels.
        crop = crop ** rng.uniform(0.7, 1.4) * rng.uniform(0.8, 1.15, 3)
        return crop[..., rng.permutation(3)] if rng.random() < 0.1 else crop


def texture(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return a texture with random scale, direction, contrast and colours.

    Returns
    -------
    ndarray float32 [size, size, 3], in [0, 1]
    """
    big = size * 3 // 2
    noise = rng.normal(size=(big, big, 3))
    along, across = np.exp(rng.uniform(np.log(0.5), np.log(8), 2))
    noise = ndimage.gaussian_filter(noise, (along, across, 0), mode="wrap")
    noise = ndimage.rotate(noise, rng.uniform(0, 180), reshape=False, mode="wrap", order=1)
    start = (big - size) // 2
    noise = noise[start : start + size, start : start + size]
    noise = (noise - noise.mean((0, 1))) / (noise.std((0, 1)) + 1e-6)
    noise = noise @ rng.normal(0, rng.uniform(0.03, 0.25), (3, 3))
    if rng.random() < 0.4:  # hard edges, like those of tiles and strokes
        noise = np.tanh(noise * rng.uniform(5, 50)) * rng.uniform(0.05, 0.4, 3)
    return np.clip(rng.uniform(0.1, 0.9, 3) + noise, 0, 1).astype("float32")


def _pictures(folder: Path, exclude: tuple[str, ...]) -> list[Image.Image]:
    if not folder.is_dir():
        raise FileError(
            f"{folder} is not a folder: expected a folder of pictures.", argument="folders"
        )
    paths = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES
        and not any(fnmatch.fnmatch(path.name, pattern) for pattern in exclude)
    ]
    if not paths:
        raise FileError(
            f"{folder} holds no pictures: expected files such as .jpg or .png.", argument="folders"
        )
    return [Image.fromarray((read_image(path) * 255).round().astype("uint8")) for path in paths]
