"""`Result` and `Step`, which hold the images and losses of a run, and errors that hold a result."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from PIL import Image

from stylekit._checks import StylekitError, as_path, choice, fail, manifest_beside
from stylekit._write import replacing
from stylekit.image import check_writable, write_image
from stylekit.image.arrays import quantise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DECADES = 5
"""Number of decades below the largest total that `Result.plot` shows at most. The content loss of a
run that starts at the content is near 0 at first, and would compress all other curves."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of a run, as passed to callbacks. Its tensors are converted when they are read.

    Attributes
    ----------
    index : int
        Number of the step. Step 0 has the initial image, and step `steps` has the returned image.
    steps : int
        Number of steps of the whole run.
    level : int
        Level of the pyramid, from 0.
    seconds : float
        Time since the run began.
    """

    index: int
    steps: int
    level: int
    seconds: float
    _row: dict[str, Any] = dataclasses.field(repr=False)

    @property
    def losses(self) -> dict[str, Any]:
        """Losses at this image, ``{"total": ..., name: ...}``, as floats, or ``[B]`` for a batch.

        The total is weighted; the other losses are not.
        """
        row = {"total": self._row["total"], **self._row["terms"]}
        return {name: unbatched(np.array(value)) for name, value in row.items()}

    @property
    def image(self) -> np.ndarray:
        """The image, float32 ``[H, W, 3]`` in [0, 1], or ``[B, H, W, 3]`` for a batch.

        Raises
        ------
        InputError
            If the step was taken before the run was resumed from a checkpoint. Such a step has
            losses but no image.
        """
        if "image" not in self._row:
            problem = f"step {self.index} of a resumed run has no image"
            fail(problem, hint="only its losses were saved with the checkpoint")
        return unbatched(self._row["image"].numpy())


@dataclasses.dataclass(frozen=True)
class Result:
    """The result of a run.

    Attributes
    ----------
    image : ndarray [H, W, 3]
        The last image, float32 in [0, 1]; ``[B, H, W, 3]`` for a batch.
    best : ndarray [H, W, 3]
        The image with the lowest total in the last level.
    losses : list of dict
        One row for each step, ``{"total": ..., name: ...}``, from the initial image to `image`. The
        total is weighted; the other losses are not. Values are floats, or arrays ``[B]`` for a
        batch.
    steps : int
        Number of steps that were taken.
    seconds : float
        Wall-clock time, including preparation and tracing.
    stopped_by : str
        ``"steps"``, ``"interrupted"``, the name of the callback that stopped the run, or the type
        of the error that ended it.
    manifest : dict
        A description of how the image was made: losses, weights, hashes of pictures, seed,
        versions, device.
    levels : list of int
        Level of the pyramid for each row of the losses, from 0.
    times : list of float
        Seconds from the beginning of the run to each row. On a GPU the last values may be too
        small, because a GPU computes asynchronously.
    """

    image: np.ndarray
    best: np.ndarray
    losses: list[dict[str, Any]]
    steps: int
    seconds: float
    stopped_by: str
    manifest: dict[str, Any]
    levels: list[int] = dataclasses.field(default_factory=list)
    times: list[float] = dataclasses.field(default_factory=list)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        like: str | os.PathLike[str] | Image.Image | None = None,
        bits: int = 8,
        manifest: str | None = "auto",
    ) -> Path:
        """Write the image and the manifest, and return the path of the image.

        Parameters
        ----------
        path : path
            The file, whose name must end in .png, .jpg, .webp, .avif or .tif.
        like : path or PIL image, optional
            A picture whose alpha channel and EXIF data are copied.
        bits : int
            8, or 16 for TIFF.
        manifest : {"auto", "text", "beside", None}
            ``"text"`` writes the manifest into the PNG file, as a text chunk named "stylekit".
            ``"beside"`` writes it to a file of the same name that ends in .json, and replaces only
            an earlier manifest. ``"auto"`` uses ``"text"`` for PNG and ``"beside"`` for other
            formats. None writes no manifest.

        Returns
        -------
        pathlib.Path

        Raises
        ------
        FileError
            If a file cannot be written, or the manifest would replace a file that is not a
            manifest. Nothing is then written.
        InputError
            If the result is a batch. Save each of its pictures with `write_image`.
        """
        choice(manifest, "manifest", ("auto", "text", "beside", None))
        if self.image.ndim != 3:
            fail(
                "a batch has no single picture to save",
                hint="write each picture of result.image with stylekit.write_image",
            )
        path = as_path(path)
        if manifest == "auto":
            manifest = "text" if path.suffix.lower() == ".png" else "beside"
        record = json.dumps(self.manifest, indent=1, default=str)
        check_writable(path, bits=bits)
        if manifest != "beside":
            text = {"stylekit": record} if manifest == "text" else None
            return write_image(path, self.image, like=like, bits=bits, text=text)
        with replacing(manifest_beside(path)) as file:
            file.write(f"{record}\n".encode())
            file.flush()  # detect a full disk before the picture is written
            return write_image(path, self.image, like=like, bits=bits)

    def plot(self) -> Figure:
        """Return a figure of the image, the losses on a logarithmic scale, and the time they took.

        The levels of a pyramid are marked by shaded bands with the size of each level. For a batch,
        the figure has all images and the means of the losses.

        Returns
        -------
        matplotlib.figure.Figure
        """
        return _draw(self)

    def _repr_png_(self) -> bytes | None:
        if self.image.ndim != 3:
            return None
        buffer = io.BytesIO()
        as_picture(self.image).save(buffer, "PNG")
        return buffer.getvalue()

    def __repr__(self) -> str:
        last = f", total={np.mean(self.losses[-1]['total']):.4g}" if self.losses else ""
        return (
            f"Result(image={list(self.image.shape)}, steps={self.steps}{last}, "
            f"seconds={self.seconds:.1f}, stopped_by={self.stopped_by!r})"
        )


class TransferError(StylekitError, RuntimeError):
    """A run that failed after it had begun. Its result so far is kept.

    Attributes
    ----------
    result : Result
        Result with the last good image.
    """

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self):
        return type(self), (str(self), self.result), vars(self)


class NonFiniteLossError(TransferError):
    """A loss, or its gradient, became NaN or infinite.

    Attributes
    ----------
    term : str
        Name of the loss.
    result : Result
        Result with the last image whose losses were finite.
    """

    def __init__(self, message: str, result: Result, term: str) -> None:
        super().__init__(message, result)
        self.term = term

    def __reduce__(self):
        return type(self), (str(self), self.result, self.term), vars(self)

    @property
    def image(self) -> np.ndarray:
        """The last good image."""
        return self.result.image


def as_picture(image: np.ndarray) -> Image.Image:
    """Return an image ``[H, W, 3]`` as a PIL image; values outside [0, 1] are clipped."""
    return Image.fromarray(quantise(np.clip(image, 0, 1), 8))


def unbatched(value: np.ndarray):
    """Return the only entry of a batch of one, as a float if it is a number; else the batch."""
    if len(value) != 1:
        return value
    return float(value[0]) if value.ndim == 1 else value[0]


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    packages = ("stylekit-nst", "tensorflow", "keras", "numpy", "scikit-image", "pillow")
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # such as stylekit itself, run from a checkout
            found[package] = "not installed"
    return found


def device() -> str:
    """Return the device that TensorFlow uses: the name of the first GPU, or of the CPU."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return f"GPU {details.get('device_name', gpus[0].name)}"
    return f"CPU {platform.processor() or platform.machine()}"


def _draw(result: Result) -> Figure:
    """Return the figure of `Result.plot`."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(11, 4.8), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 1), width_ratios=(1, 1.1))
    picture = figure.add_subplot(grid[:, 0])
    losses = figure.add_subplot(grid[0, 1])
    times = figure.add_subplot(grid[1, 1], sharex=losses)
    image = result.image
    picture.imshow(image if image.ndim == 3 else np.concatenate(list(image), axis=1))
    picture.set_axis_off()
    stop = "" if result.stopped_by == "steps" else f", stopped by {result.stopped_by}"
    picture.set_title(f"{result.steps} steps in {result.seconds:.3g} s{stop}", fontsize=10)
    _draw_losses(losses, result)
    times.plot(result.times, color="0.3", marker=_marker(result.times))
    times.set(xlabel="step", ylabel="seconds", ylim=(0, 1.05 * max(result.times, default=1)))
    losses.tick_params(labelbottom=False)
    for axis in (losses, times):
        axis.grid(alpha=0.3)
        axis.margins(x=0.01)
    _mark_levels((losses, times), result)
    plt.close(figure)  # otherwise a notebook would show it twice
    return figure


def _draw_losses(axis: Any, result: Result) -> None:
    axis.set(ylabel="loss", yscale="log")
    if not result.losses:
        return
    # The two networks of a mixed run may have losses of different names.
    names = list(dict.fromkeys(name for row in result.losses for name in row))
    curves = {
        name: np.array([np.mean(row.get(name, np.nan)) for row in result.losses]) for name in names
    }
    for name, values in curves.items():
        axis.plot(
            np.where(values > 0, values, np.nan),
            label="total (weighted)" if name == "total" else name,
            color="black" if name == "total" else None,
            linewidth=1.8 if name == "total" else 1.3,
            marker=_marker(values),
        )
    positive = [values[values > 0] for values in curves.values()]
    lowest = min((values.min() for values in positive if len(values)), default=0)
    least = np.nanmax(curves["total"]) * 10.0**-DECADES
    if 0 < lowest < least:
        axis.set_ylim(bottom=least)
    axis.legend(fontsize=8, loc="best")


def _marker(values: Any) -> str | None:
    return "o" if len(values) == 1 else None  # a single point draws no line


def _mark_levels(axes: tuple[Any, ...], result: Result) -> None:
    """Shade every second level, and write the size of each level above it."""
    sizes = _sizes(result.manifest)
    runs = [(level, len(list(rows))) for level, rows in itertools.groupby(result.levels)]
    if len(runs) < 2:
        return
    begin = 0
    for number, (level, count) in enumerate(runs):
        end = min(begin + count, len(result.levels) - 1)
        for axis in axes:
            if number % 2:
                axis.axvspan(begin, end, color="0.5", alpha=0.12, linewidth=0)
        if end > begin:
            axes[0].annotate(
                sizes.get(level, ""),
                ((begin + end) / 2, 1.02),
                xycoords=("data", "axes fraction"),
                ha="center",
                fontsize=8,
            )
        begin = end


def _sizes(manifest: dict[str, Any]) -> dict[int, str]:
    """Return the width and height of each level by index. A mixed run has levels of two runs."""
    levels = [*manifest.get("before", {}).get("levels", ()), *manifest.get("levels", ())]
    sizes = (level["size"] for level in levels)
    return {index: f"{width} x {height}" for index, (height, width) in enumerate(sizes)}
