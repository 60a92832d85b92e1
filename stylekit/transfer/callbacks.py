"""Callbacks, which are called after every step of a run and may stop it."""

from __future__ import annotations

import csv
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import TqdmWarning

from stylekit._checks import (
    FileError,
    InputTypeError,
    SetupError,
    as_path,
    check_place,
    explain,
    fail,
    integer,
    name_of,
    naming,
    number,
    unwritable,
)
from stylekit.image import (
    check_animation,
    check_writable,
    fit_shape,
    resize,
    write_animation,
    write_image,
)
from stylekit.image.arrays import quantise
from stylekit.transfer.plugin import described
from stylekit.transfer.result import Step, as_picture

with warnings.catch_warnings():
    # Without ipywidgets, tqdm falls back to text in a notebook. This needs no warning.
    warnings.simplefilter("ignore", TqdmWarning)
    from tqdm import auto
from tqdm.asyncio import tqdm_asyncio


class _Lines:
    """Standard error, with each state of a bar on a separate line."""

    def write(self, text: str) -> None:
        """Write the text of a bar, without the characters that redraw the bar."""
        if text := text.strip():
            sys.stderr.write(f"{text}\n")

    def flush(self) -> None:
        """Flush standard error."""
        sys.stderr.flush()


class tqdm(auto.tqdm):  # noqa: N801 (a drop-in replacement)
    """The progress bar of all runs, which prints plain lines if standard error is not a terminal.

    These lines are printed every 30 seconds, so that a log file stays short. In a notebook the bar
    is a widget.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        if auto.tqdm is tqdm_asyncio and not sys.stderr.isatty():
            options |= {"file": _Lines(), "mininterval": 30, "maxinterval": 60}
            options["bar_format"] = "{desc}{n_fmt}/{total_fmt} {unit}s, {elapsed}{postfix}"
        super().__init__(*args, **options)


class Callback:
    """Base class of callbacks, which are called with every step and may stop the run.

    By default all methods do nothing. A plain function that takes a `Step` is also a callback. One
    object can be used in several runs, one after the other: each new run begins with step 0.
    """

    def __call__(self, step: Step) -> Any:
        """Handle a step; return a true value to stop the run after it."""

    def resume(self, steps: list[Step]) -> Any:
        """Handle the steps before a checkpoint, when a run continues from it.

        Called once, before the first new step. The steps have losses but no image. Return what
        ``__call__`` returned for the last of these steps: a true value if the callback stopped the
        run.
        """

    def close(self) -> None:
        """Clean up when the run ends, including when it ends with an error.

        An error raised here becomes a warning, and the run still returns its result.
        """


class _Function(Callback):
    """A callback that calls a plain function."""

    def __init__(self, function: Callable[[Step], Any]) -> None:
        self._function = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __call__(self, step):
        return self._function(step)


def as_callbacks(callbacks: Iterable[Callback | Callable[[Step], Any]]) -> list[Callback]:
    """Return callbacks as a list of `Callback` objects.

    Raises
    ------
    InputTypeError
        If `callbacks` is not iterable, or an item is neither a `Callback` nor a function.
    """
    if not isinstance(callbacks, Iterable):
        raise InputTypeError(
            explain(
                "`callbacks` must be a list",
                expected="a list of functions or Callback objects",
                received=described(callbacks),
            ),
            argument="callbacks",
        )
    return [_as_callback(one) for one in callbacks]


def _as_callback(value) -> Callback:
    if isinstance(value, Callback):
        return value
    # These methods would never be called on an object of another class.
    hooks = [name for name in ("resume", "close") if hasattr(value, name)]
    if isinstance(value, type) or not callable(value) or hooks:
        received = described(value)
        raise InputTypeError(
            explain(
                "a callback must be a function or a Callback",
                expected="a function that takes a Step, or an object of a class derived from "
                "stylekit.transfer.Callback",
                received=f"{received} with {' and '.join(hooks)}" if hooks else received,
            ),
            argument="callbacks",
        )
    return _Function(value)


def show(callbacks: Iterable[Callback], step: Step) -> str | None:
    """Call each callback with a step; return the name of the first that stops the run."""
    return _first(callbacks, "__call__", step)


def resume(callbacks: Iterable[Callback], steps: list[Step]) -> str | None:
    """Give each callback the steps so far; return the name of the first that stops the run."""
    return _first(callbacks, "resume", steps)


def _first(callbacks: Iterable[Callback], method: str, seen) -> str | None:
    stoppers = []
    for callback in callbacks:
        with naming(f"in callback {name_of(callback)}, method {method}"):
            if getattr(callback, method)(seen):
                stoppers.append(callback)
    return name_of(stoppers[0]) if stoppers else None


def close(callbacks: Iterable[Callback]) -> None:
    """Close each callback; an error or Ctrl-C there only warns."""
    for callback in callbacks:
        try:
            callback.close()
        except (Exception, KeyboardInterrupt) as error:
            what = str(error) or type(error).__name__
            warnings.warn(
                f"The callback {name_of(callback)} failed in close: {what}. The result of the run "
                "is not affected.",
                stacklevel=2,
            )


class ProgressBar(Callback):
    """Shows a progress bar with the total loss, in a terminal or a notebook.

    Parameters
    ----------
    every : int
        Steps between updates of the loss, at least 1. On a GPU each update waits for the device.
    """

    def __init__(self, every: int = 5) -> None:
        self.every = integer(every, "every", low=1)
        self._bar: Any = None

    def __call__(self, step: Step) -> None:
        """Move the bar to the step."""
        if self._bar is None:
            # Start at the first step of a resumed run, for a correct estimate of its speed.
            self._bar = tqdm(total=step.steps, initial=step.index, unit="step")
        if step.index % self.every == 0 or step.index == step.steps:
            self._bar.set_postfix(loss=f"{np.mean(step.losses['total']):.4g}", refresh=False)
        self._bar.update(step.index - self._bar.n)

    def close(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Display(Callback):
    """Shows the current image in a Jupyter notebook.

    Parameters
    ----------
    every : int
        Steps between updates of the image, at least 1.

    Raises
    ------
    SetupError
        If IPython is not installed.
    """

    def __init__(self, every: int = 10) -> None:
        self.every = integer(every, "every", low=1)
        try:
            from IPython import display
        except ImportError as error:
            raise SetupError(
                explain("Display needs a notebook", hint="pip install ipykernel")
            ) from error
        self._show = display.display
        self._handle: Any = None

    def __call__(self, step: Step) -> None:
        """Show the image every few steps."""
        if step.index == 0 or step.index % self.every == 0 or step.index == step.steps:
            image = step.image if step.image.ndim == 3 else np.concatenate(list(step.image), 1)
            picture = as_picture(image)
            if step.index == 0 or self._handle is None:
                self._handle = self._show(picture, display_id=True)
            else:
                self._handle.update(picture)


class SaveEvery(Callback):
    """Saves the current image to a new file every few steps.

    Parameters
    ----------
    path : path
        Pattern of the names: ``out.png`` gives ``out-00050.png`` and so on.
    every : int
        Steps between files, at least 1.

    Raises
    ------
    FileError
        If the folder does not exist or cannot be written to.
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 50) -> None:
        self.path = as_path(path)
        self.every = integer(every, "every", low=1)
        check_writable(self.path)

    def __call__(self, step: Step) -> None:
        """Write the image every few steps."""
        if step.index and (step.index % self.every == 0 or step.index == step.steps):
            images = step.image if step.image.ndim == 4 else [step.image]
            for number_, image in enumerate(images):
                batch = f"-{number_}" if len(images) > 1 else ""
                name = f"{self.path.stem}-{step.index:05d}{batch}{self.path.suffix}"
                write_image(self.path.with_name(name), image)


class CSVLogger(Callback):
    """Writes the losses to a CSV file, one row for each step, which can be read during the run.

    Parameters
    ----------
    path : path
        The file, which each run overwrites. A resumed run first writes its earlier rows. The
        columns are step, level, seconds, the weighted total, and each loss without its weight.

    Raises
    ------
    FileError
        If the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = as_path(path)
        self._file: Any = None
        check_place(self.path)

    def __call__(self, step: Step) -> None:
        """Write a row."""
        losses = {name: float(np.mean(value)) for name, value in step.losses.items()}
        if self._file is None:
            try:
                self._file = self.path.open("w", newline="", encoding="utf-8")
            except OSError as error:
                raise unwritable(f"the table {self.path}", self.path, error) from error
            self._writer = csv.writer(self._file)
            self._writer.writerow(["step", "level", "seconds", *losses])
        row = [step.index, step.level, f"{step.seconds:.3f}"]
        self._writer.writerow([*row, *(f"{value:.9g}" for value in losses.values())])
        self._file.flush()

    def resume(self, steps: list[Step]) -> None:
        """Write the rows of the steps before the checkpoint."""
        for step in steps:
            self(step)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class EarlyStopping(Callback):
    """Stops a run whose total no longer decreases.

    Parameters
    ----------
    patience : int
        Steps to wait for a decrease, at least 1.
    min_delta : float
        Smallest decrease that counts, relative to the best total.
    """

    def __init__(self, patience: int = 20, min_delta: float = 1e-3) -> None:
        self.patience = integer(patience, "patience", low=1)
        self.min_delta = number(min_delta, "min_delta", low=0)
        self._best = (float("inf"), 0, 0)

    def __call__(self, step: Step) -> bool:
        """Return whether the total has not decreased for `patience` steps."""
        total = float(np.mean(step.losses["total"]))
        best, since, level = self._best
        fell = total < best - self.min_delta * abs(best) if np.isfinite(best) else True
        if step.index == 0 or step.level != level or fell:
            self._best = (total, step.index, step.level)
            return False
        return step.index - since >= self.patience

    def resume(self, steps: list[Step]) -> bool:
        """Count the steps before the checkpoint; return whether the run had been stopped."""
        return [self(step) for step in steps][-1]


class TimeLimit(Callback):
    """Stops a run after a given time. The result of the run is the image so far.

    Parameters
    ----------
    seconds : float
        Time since the run began, above 0. The time is checked after each step. A run can therefore
        take one step longer, and tracing before the first step is never cut short.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = number(seconds, "seconds", low=0, open_low=True)

    def __call__(self, step: Step) -> bool:
        """Return whether the time is over."""
        return step.seconds >= self.seconds


class Timelapse(Callback):
    """Makes an animation of a run, and writes it when the run ends, with or without an error.

    Frames are closer together at the beginning, where a run changes most. Until the end of the run
    the frames are kept in memory as bytes, at most 18 MB with the default options.

    Parameters
    ----------
    path : path
        The file, whose name must end in .gif, .webp or .mp4; see `stylekit.image.write_animation`.
        Each run overwrites it. A resumed run only has frames from after the checkpoint.
    frames : int
        Maximum number of frames, in [2, 1000]. The last image is added as another frame if it is
        not among them.
    size : int
        Longer side of the frames in pixels, at least 16. A smaller image keeps its size.
    fps, hold : float
        Number of frames per second, and number of seconds for which the last frame is shown; see
        `stylekit.image.write_animation`.

    Raises
    ------
    FileError
        If the folder does not exist or cannot be written to, or the suffix is not one of those
        listed.
    SetupError
        If the suffix is .mp4 and imageio-ffmpeg is not installed.

    Warns
    -----
    UserWarning
        If the animation cannot be written at the end. The run still returns its result, and `write`
        can be called again.

    Examples
    --------
    >>> import stylekit as sk
    >>> sk.stylize(
    ...     "photo.jpg", "starry.jpg", callbacks=[sk.Timelapse("painting.webp")]
    ... )  # doctest: +SKIP
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        frames: int = 60,
        size: int = 320,
        *,
        fps: float = 12.0,
        hold: float = 1.5,
    ) -> None:
        self.path = as_path(path)
        self.frames = integer(frames, "frames", low=2, high=1000)
        self.size = integer(size, "size", low=16)
        self.fps = number(fps, "fps", low=1, high=50)
        self.hold = number(hold, "hold", low=0, high=60)
        check_animation(self.path)
        self._taken: list[np.ndarray] = []
        self._last: Step | None = None  # the last step, if it is not a frame yet

    def __call__(self, step: Step) -> None:
        """Keep a frame, if this step is one of `turns`."""
        if step.index == 0:
            self._taken = []
        if step.index in self.turns(step.steps):
            self._taken.append(self._frame(step))
            self._last = None
        else:
            self._last = step

    def turns(self, steps: int) -> set[int]:
        """Return the steps that become frames: square numbers, scaled to end at the last step."""
        squares = np.linspace(0, 1, self.frames) ** 2
        return {round(steps * square) for square in squares}

    def write(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the frames so far to `path`, by default that of the callback; return the path.

        Raises
        ------
        InputError
            If no run has begun.
        FileError
            If the file cannot be written.
        """
        if self._last is not None:
            self._taken.append(self._frame(self._last))
            self._last = None
        if not self._taken:
            fail("no frame was recorded", hint="run a transfer with this callback first")
        return write_animation(path or self.path, self._taken, fps=self.fps, hold=self.hold)

    def close(self) -> None:
        """Write the file, if there was at least one step."""
        if not self._taken and self._last is None:
            return
        try:
            self.write()
        except FileError as error:
            # An exception here would replace the result of the run.
            warnings.warn(f"The timelapse was not written: {error}", stacklevel=2)

    def _frame(self, step: Step) -> np.ndarray:
        image = step.image if step.image.ndim == 3 else np.concatenate(list(step.image), axis=1)
        image = resize(image, fit_shape(image.shape, min(self.size, max(image.shape[:2]))))
        return quantise(image, 8)
