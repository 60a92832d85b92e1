"""A run as an animation."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from stylekit._checks import FileError, fail, integer, number
from stylekit.image import check_animation, fit_shape, resize, write_animation
from stylekit.image.arrays import quantise
from stylekit.transfer.callbacks import Callback
from stylekit.transfer.result import Step


class Timelapse(Callback):
    """A callback that makes an animation of a run, written when the run ends, however it ends.

    Frames lie the closer the earlier the step, as a run changes most in the beginning. Until the
    end they are held as bytes: at the defaults at most 18 MB.

    Parameters
    ----------
    path : path
        Ending in .gif, .webp or .mp4; see `stylekit.image.write_animation`. Each run writes it
        anew; one that is resumed has the frames since then alone.
    frames : int
        At most as many, in [2, 1000]. The last image seen is always one more.
    size : int
        Longer side of the frames in pixels, at least 16; a smaller image is shown at its own
        size.
    fps, hold : float
        Frames a second, and how many seconds the last one stays; see
        `stylekit.image.write_animation`.

    Raises
    ------
    FileError
        If the folder does not exist or cannot be written to, or the suffix is none of these.
    SetupError
        If imageio-ffmpeg is missing for an MP4.

    Warns
    -----
    UserWarning
        If the animation cannot be written in the end: the run has its result all the same, and
        `write` may try again.

    Examples
    --------
    >>> import stylekit as sk
    >>> sk.stylize(
    ...     "photo.jpg", "starry.jpg", callbacks=[sk.Timelapse("painting.webp")]
    ... )  # doctest: +SKIP
    """

    def __init__(
        self, path, frames: int = 60, size: int = 320, *, fps: float = 12.0, hold: float = 1.5
    ) -> None:
        self.path = Path(path)
        self.frames = integer(frames, "frames", low=2, high=1000)
        self.size = integer(size, "size", low=16)
        self.fps = number(fps, "fps", low=1, high=50)
        self.hold = number(hold, "hold", low=0, high=60)
        check_animation(self.path)
        self._taken: list[np.ndarray] = []
        self._last: Step | None = None  # of which there is no frame yet

    def __call__(self, step: Step) -> None:
        """Take a frame, if it is the step's turn."""
        if step.index == 0:
            self._taken = []
        if step.index in self.turns(step.steps):
            self._taken.append(self._frame(step))
            self._last = None
        else:
            self._last = step

    def turns(self, steps: int) -> set[int]:
        """Return the steps of a run that become frames: squares, from 0 to the last."""
        squares = np.linspace(0, 1, self.frames) ** 2
        return {round(steps * square) for square in squares}

    def write(self, path=None) -> Path:
        """Write what has been taken so far, to the path or another.

        Raises
        ------
        InputError
            If no run has begun.
        FileError
            If it cannot be written.
        """
        if self._last is not None:
            self._taken.append(self._frame(self._last))
            self._last = None
        if not self._taken:
            fail("there is no frame yet", hint="run a transfer with this callback")
        return write_animation(path or self.path, self._taken, fps=self.fps, hold=self.hold)

    def close(self) -> None:
        """Write the file, if a step was seen."""
        if not self._taken and self._last is None:
            return
        try:
            self.write()
        except FileError as error:
            # Raised here, it would take the place of the run's result.
            warnings.warn(f"The timelapse was not written: {error}", stacklevel=2)

    def _frame(self, step: Step) -> np.ndarray:
        image = step.image if step.image.ndim == 3 else np.concatenate(list(step.image), axis=1)
        image = resize(image, fit_shape(image.shape, min(self.size, max(image.shape[:2]))))
        return quantise(image, 8)
