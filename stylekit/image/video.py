"""Read the frames of a video and write videos with sound, using the ffmpeg of imageio-ffmpeg."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np

from stylekit import _checks
from stylekit._write import check_room, named_format, replacing
from stylekit.image.arrays import quantise
from stylekit.image.read import PictureLike, as_image

FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""Maps the suffixes of files that can be written to the names of the formats in ffmpeg."""

RATES = [Fraction(n) for n in (24, 25, 30, 48, 50, 60)]
RATES += [Fraction(n, 1001) for n in (24000, 30000, 60000)]
"""Exact values of common frame rates. ffmpeg prints frame rates rounded to two decimals."""

COPIED = ("aac", "ac3", "alac", "eac3", "mp3")
"""Audio codecs that all these formats support. Audio in other codecs is converted to AAC."""

FASTEST = 1000
"""Highest frame rate, in frames per second."""


class Video:
    """A video file, as an iterable of its frames.

    Frames are RGB arrays, uint8 ``[H, W, 3]``, upright and with square pixels, at a constant frame
    rate. If the frame rate of the file varies, frames are dropped or repeated to keep the timing.
    Each iteration reads the file from the beginning, one frame at a time.

    Parameters
    ----------
    path : path
        A file in any format that ffmpeg reads, including GIF.
    fps : float, optional
        Frames a second. Default: the average rate of the file.

    Attributes
    ----------
    path : pathlib.Path
    fps : fractions.Fraction
    seconds : float
        Duration according to the file, or 0 if the file does not state the duration.
    sound : str
        Codec of the first audio track, or "" if there is no audio track.

    Raises
    ------
    FileError
        If the file is missing or is not a video. The iteration raises it if the file has no frames.
    SetupError
        If imageio-ffmpeg is missing.
    InputError, InputTypeError
        If `fps` is out of range, or `path` is not a path.

    Warns
    -----
    UserWarning
        If the file is damaged and only some of its frames can be read.

    Examples
    --------
    >>> import stylekit as sk
    >>> for frame in sk.image.Video("in.mp4"):  # doctest: +SKIP
    ...     print(frame.shape)
    """

    def __init__(self, path: str | os.PathLike[str], *, fps: float | None = None) -> None:
        self.path = _checks.as_path(path)
        if _checks.status(self.path) is None:
            raise _checks.absent(self.path, str(self.path), "a video file", "path")
        told = _told(self.path)
        stream = re.search(r"Stream #.*: Video: (?!.*\(attached pic\)).*", told)
        if stream is None or _checks.is_folder(self.path):
            raise _checks.FileError(
                _checks.explain(
                    f"{self.path} has no video",
                    expected="a video file that ffmpeg reads",
                    received=_last_line(told),
                    hint="check the file",
                ),
                argument="path",
            )
        own = re.search(r"([\d.]+) fps", stream[0]) or re.search(r"([\d.]+) tbr", stream[0])
        self.fps = _rate(float(own[1]) if own else 25.0) if fps is None else _checked_rate(fps)
        clock = re.search(r"Duration: (\d+):(\d+):([\d.]+)", told)
        hours, minutes, seconds = map(float, clock.groups()) if clock else (0.0, 0.0, 0.0)
        self.seconds = 3600 * hours + 60 * minutes + seconds
        sound = re.search(r"Stream #.*: Audio: (\w+)", told)
        self.sound = sound[1] if sound else ""

    @property
    def count(self) -> int:
        """The approximate number of frames, or 0 if the file does not state its duration."""
        return round(self.seconds * self.fps)

    def __iter__(self) -> Iterator[np.ndarray]:
        # The header of each PPM has the size after a rotation given in the metadata.
        arguments = ["-i", str(self.path), "-map", "0:V:0", "-f", "image2pipe", "-c:v", "ppm"]
        arguments += ["-vf", f"fps={self.fps},scale=round(iw*sar):ih:flags=accurate_rnd", "-"]
        with _running(arguments, stdout=subprocess.PIPE) as (process, messages):
            number = 0
            for number in itertools.count():  # noqa: B007
                frame = _read_ppm(process.stdout)
                if frame is None:
                    break
                yield frame
            process.wait()
            problem = _last_line(_text(messages))
        if not number:
            raise _checks.FileError(
                _checks.explain(f"{self.path} has no frames", received=problem or "an empty video"),
                argument="path",
            )
        if problem:
            warnings.warn(
                f"{self.path} is damaged: {problem}. {number} frames could be read.", stacklevel=2
            )

    def __repr__(self) -> str:
        return f"Video({str(self.path)!r}: about {self.count} frames, {float(self.fps):g} fps)"


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[PictureLike],
    fps: float | Fraction,
    *,
    sound: str | os.PathLike[str] | None = None,
    quality: int = 17,
) -> Path:
    """Write frames as a video. If writing fails, no incomplete file is left.

    Parameters
    ----------
    path : path
        Must end in .mp4, .mov or .mkv. The video is encoded as H.264, which every player supports.
    frames : iterable of path, PIL image or array
        One or more frames, all of the same size. They are read one at a time. An odd height or
        width is padded by one pixel.
    fps : float
        Frames a second, above 0 and up to 1000.
    sound : path, optional
        A video or audio file, whose first audio track is added to the video. The track is copied,
        or converted to AAC if the output format does not support its codec. If the file has no
        audio track, the video has no sound.
    quality : int
        H.264's constant rate factor, from 0 to 51. Smaller values give better quality and larger
        files.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    FileError
        If the file cannot be written.
    SetupError
        If imageio-ffmpeg is missing.
    InputError, InputTypeError
        If a frame or another argument is invalid, or there are no frames.
    """
    path = _checks.as_path(path, hint="the path comes first, then the frames")
    kind = named_format(path, FORMATS)
    rate = _checked_rate(fps)
    quality = _checks.integer(quality, "quality", low=0, high=51)
    pixels = (_even(as_image(one, f"frames[{k}]")) for k, one in enumerate(frames))
    first = next(pixels, None)
    if first is None:
        _checks.fail("there are no frames", expected="at least one", argument="frames")
    height, width = first.shape[:2]
    arguments = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    arguments += ["-r", str(rate), "-i", "-"]
    if sound is not None:
        with _checks.renamed(path="sound"):
            sound = _checks.as_path(sound, "sound")
            if _checks.status(sound, argument="sound") is None:
                raise _checks.absent(sound, str(sound), "a video or sound file", "sound")
            found = re.search(r"Stream #.*: Audio: (\w+)", _told(sound))
        if found:
            codec = "copy" if found[1] in COPIED else "aac"
            arguments += ["-i", str(sound), "-map", "0:v", "-map", "1:a:0", "-c:a", codec]
    colors = "bt709"  # stated in the file: players assume it for large videos only
    arguments += ["-c:v", "libx264", "-crf", str(quality), "-movflags", "+faststart"]
    arguments += ["-vf", f"scale=out_color_matrix={colors}:out_range=tv,format=yuv420p"]
    arguments += ["-colorspace", colors, "-color_primaries", colors, "-color_trc", colors]
    with replacing(path) as file:
        arguments += ["-f", kind, "-y", file.name]
        with _running(arguments, stdin=subprocess.PIPE) as (process, messages):
            assert process.stdin is not None
            with suppress(BrokenPipeError):  # ffmpeg has ended; its messages say why
                for index, frame in enumerate(itertools.chain([first], pixels)):
                    if frame.shape != first.shape:
                        _checks.fail(
                            f"frames[{index}] differs in size from the previous frames",
                            expected=f"{width}x{height} pixels",
                            received=f"{frame.shape[1]}x{frame.shape[0]}",
                            argument="frames",
                        )
                    process.stdin.write(frame.tobytes())
                process.stdin.close()
            if process.wait():
                problem = _last_line(_text(messages))
                raise _checks.FileError(
                    _checks.explain(f"{path} cannot be written", received=problem), argument="path"
                )
    return path


def check_video(path: str | os.PathLike[str]) -> None:
    """Raise the errors of `write_video` before a long run, without writing a file.

    Raises
    ------
    FileError
        If the suffix is unknown, or the folder is missing or cannot be written to.
    SetupError
        If imageio-ffmpeg is missing.
    InputTypeError
        If `path` is not a path.
    """
    path = _checks.as_path(path)
    named_format(path, FORMATS)
    _program()
    check_room(path)


def _program() -> str:
    """Return the path of ffmpeg."""
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:  # RuntimeError: no ffmpeg for this machine
        raise _checks.SetupError(
            _checks.explain(
                "a video needs imageio-ffmpeg", hint='pip install "stylekit-nst[video]"'
            ),
            argument="path",
        ) from error


def _told(path: Path) -> str:
    """Return the text that ffmpeg prints about a file."""
    command = [_program(), "-hide_banner", "-nostdin", "-i", str(path)]
    done = subprocess.run(command, capture_output=True)  # exits with 1, because no output is given
    text = done.stderr.decode(errors="replace")
    return text.replace("At least one output file must be specified", "")


@contextmanager
def _running(
    arguments: list[str], *, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Run ffmpeg. Yield the process and a file with its error messages, and end it afterwards."""
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            [_program(), "-v", "error", *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=messages,
            # ffmpeg runs in its own process group. Otherwise a Ctrl-C in the terminal would also
            # end ffmpeg.
            start_new_session=sys.platform != "win32",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        try:
            yield process, messages
        finally:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()
            process.wait()


def _text(messages: IO[bytes]) -> str:
    messages.seek(0)
    return messages.read().decode(errors="replace")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else ""


def _read_ppm(stream) -> np.ndarray | None:
    """Return the next picture ``[H, W, 3]`` of a stream, or None if none is left or complete."""
    header = b"".join(stream.readline() for _ in range(3)).split()
    if len(header) < 4:
        return None
    width, height = int(header[1]), int(header[2])
    content = stream.read(3 * width * height)
    if len(content) < 3 * width * height:
        return None
    return np.frombuffer(content, np.uint8).reshape(height, width, 3)


def _even(frame: np.ndarray) -> np.ndarray:
    """Return a frame as uint8 with even sides, which yuv420p requires."""
    height, width = frame.shape[:2]
    return np.pad(quantise(frame, 8), ((0, height % 2), (0, width % 2), (0, 0)), "edge")


def _rate(value: float) -> Fraction:
    """Return the exact frame rate for a rate that ffmpeg rounded to two decimals, such as 29.97."""
    nearest = min(RATES, key=lambda rate: abs(rate - value))
    near = abs(nearest - value) <= 0.005
    return nearest if near else Fraction(value).limit_denominator(1000)


def _checked_rate(fps: float | Fraction) -> Fraction:
    _checks.number(fps, "fps", low=0, high=FASTEST, open_low=True)
    return Fraction(fps).limit_denominator(100_000)
