"""Write pictures as an animation in the format GIF, WebP or MP4."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from stylekit import _checks
from stylekit._write import check_room, named_format, replacing
from stylekit.image.arrays import quantise, resample_values
from stylekit.image.read import PictureLike, as_image

_FORMATS = {".gif": "GIF", ".webp": "WEBP", ".mp4": "MP4"}


def write_animation(
    path: str | os.PathLike[str],
    pictures: Iterable[PictureLike],
    *,
    fps: float = 12.0,
    hold: float = 1.5,
) -> Path:
    """Write pictures as the frames of an animation.

    If writing fails, an existing file at `path` is unchanged.

    Parameters
    ----------
    path : path
        Must end in .gif, .webp or .mp4. WebP keeps all colours, and WebP files are much smaller
        than GIF files. Both formats repeat endlessly. MP4 needs imageio-ffmpeg.
    pictures : iterable of path, PIL image or array
        At least one picture that `as_image` accepts. All pictures are resized to the size of the
        last one. In MP4, odd heights and widths are extended by one pixel, because the format needs
        even sizes.
    fps : float
        Frames per second, in [1, 50].
    hold : float
        Seconds for which the last frame is shown in addition to its regular time, in [0, 60].

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    FileError
        If the file cannot be written.
    SetupError
        If `path` ends in .mp4 and imageio-ffmpeg is not installed.
    InputError, InputTypeError
        If a picture or another argument is invalid.
    """
    path = _checks.as_path(path, hint="the path comes first, then the frames")
    kind = _format(path)
    fps = _checks.number(fps, "fps", low=1, high=50)
    hold = _checks.number(hold, "hold", low=0, high=60)
    images = [as_image(one, f"pictures[{index}]") for index, one in enumerate(pictures)]
    if not images:
        _checks.fail("there are no pictures", expected="at least one picture", argument="pictures")
    shape = images[-1].shape[:2]
    frames = [quantise(resample_values(image, shape), 8) for image in images]
    with replacing(path) as file:
        if kind == "MP4":
            _write_video(file, frames, fps, hold)
        else:
            _write_pillow(file, frames, fps, hold, kind)
    return path


def check_animation(path: str | os.PathLike[str]) -> None:
    """Check before a long run that `write_animation` can write to a path. Creates no file.

    Parameters
    ----------
    path : path
        Path of the file to be written.

    Raises
    ------
    FileError
        If the suffix is unknown, or the folder does not exist or is not writable.
    SetupError
        If `path` ends in .mp4 and imageio-ffmpeg is not installed.
    InputTypeError
        If `path` is not a path.
    """
    path = _checks.as_path(path)
    _format(path)
    check_room(path)


def _format(path: Path) -> str:
    kind = named_format(path, _FORMATS)
    if kind == "MP4":
        try:
            import imageio_ffmpeg  # noqa: F401  (imageio imports it)
        except ImportError as error:
            raise _checks.SetupError(
                _checks.explain(
                    "an MP4 needs imageio-ffmpeg",
                    hint="pip install imageio-ffmpeg, or write a .gif or .webp",
                ),
                argument="path",
            ) from error
    return kind


def _write_pillow(file: BinaryIO, frames: list[np.ndarray], fps, hold, kind: str) -> None:
    first, *others = map(Image.fromarray, frames)
    durations = [round(1000 / fps)] * len(frames)
    durations[-1] += round(1000 * hold)
    options: dict[str, Any] = {"GIF": {}, "WEBP": {"quality": 80}}[kind]
    first.save(
        file, kind, save_all=True, append_images=others, duration=durations, loop=0, **options
    )


def _write_video(file: BinaryIO, frames: list[np.ndarray], fps, hold) -> None:
    import imageio.v3 as iio

    frames = frames + frames[-1:] * round(hold * fps)
    # Players expect yuv420p, which stores one colour for four pixels and needs even sides.
    height, width = frames[-1].shape[:2]
    odd = ((0, height % 2), (0, width % 2), (0, 0))
    even = [np.pad(frame, odd, "edge") for frame in frames]
    options: dict[str, Any] = {"codec": "libx264", "pixelformat": "yuv420p", "macro_block_size": 2}
    file.write(iio.imwrite("<bytes>", even, extension=".mp4", plugin="FFMPEG", fps=fps, **options))
