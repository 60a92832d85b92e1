"""Random crops of photographs, which are read when they are needed, for training."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stylekit._checks import FileError, fail
from stylekit.image import read_image, resize

WIDEST = 3.0
"""Ratio of the shorter side of a photograph to the smallest side of a crop before resizing."""


def identity(paths: Sequence[Path]) -> str:
    """Return a text that identifies a list of photographs, without reading them.

    The text has the number of photographs, and a hash of the names and sizes of the files in the
    given order.
    """
    digest = hashlib.sha256()
    for path in paths:
        length = path.stat().st_size if os.path.exists(path) else 0  # 0 for a broken link
        digest.update(f"{path.name} {length}\n".encode(errors="surrogateescape"))
    return f"{len(paths)} file{'s' * (len(paths) != 1)} (names and sizes {digest.hexdigest()[:12]})"


class Photographs:
    """Square crops of photographs, which are determined by the seed and the step.

    Each crop is a random square of a random photograph, resized to `size`, and mirrored with
    probability 1/2. The side of the square is at most the photograph's shorter side. It is at least
    a third of the shorter side, or `size` if `size` is larger.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        Files that cannot be read or are smaller than a crop are skipped with a warning.
    size : int
        Side of a crop in pixels.
    seed : int
    """

    def __init__(self, paths: Sequence[Path], size: int, seed: int) -> None:
        self.paths, self.size, self.seed = list(paths), size, seed
        self._unfit: set[int] = set()

    def batch(self, step: int, count: int) -> np.ndarray:
        """Return the crops of a step, float32 ``[count, size, size, 3]`` in [0, 1].

        Raises
        ------
        InputError
            If no photograph can be used.
        """
        rng = np.random.default_rng([self.seed, step])
        return np.stack([self._crop(rng) for _ in range(count)])

    def _crop(self, rng: np.random.Generator) -> np.ndarray:
        photo = self._photograph(rng)
        height, width = photo.shape[:2]
        shorter = min(height, width)
        narrowest = max(self.size, shorter / WIDEST)
        side = round(narrowest * (shorter / narrowest) ** rng.random())
        top, left = (int(rng.integers(length - side + 1)) for length in (height, width))
        crop = resize(photo[top : top + side, left : left + side], (self.size, self.size))
        return crop[:, ::-1] if rng.random() < 0.5 else crop

    def _photograph(self, rng: np.random.Generator) -> np.ndarray:
        """Return a random photograph that can be used.

        Files that were skipped before also consume random numbers, so that a resumed training draws
        the same crops.
        """
        while len(self._unfit) < len(self.paths):
            index = int(rng.integers(len(self.paths)))
            if index in self._unfit:
                continue
            try:
                photo = read_image(self.paths[index])
            except FileError as error:
                problem = str(error)
            else:
                height, width = photo.shape[:2]
                if min(height, width) >= self.size:
                    return photo
                problem = f"{self.paths[index]} has {width}x{height} pixels, less than a crop."
            self._unfit.add(index)
            warnings.warn(f"Skipped a photograph: {problem}", stacklevel=2)
        fail(
            "no photograph can be used",
            expected=f"pictures of at least {self.size}x{self.size} pixels",
            received=f"{len(self.paths)} files that are smaller or cannot be read",
            hint="lower `size`, or use larger photographs",
            argument="photographs",
        )
