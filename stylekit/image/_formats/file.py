"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from stylekit import _checks


def as_path(path: str | os.PathLike[str]) -> Path:
    """Return a path, or raise `InputTypeError` for what is none, such as a picture."""
    if not isinstance(path, str | os.PathLike):
        raise _checks.InputTypeError(
            _checks.explain(
                "path is no path",
                expected="a string or os.PathLike",
                received=type(path).__name__,
                hint="the path comes first, then the image",
            ),
            argument="path",
        )
    return Path(path)


def named_format(path: Path, formats: Mapping[str, str]) -> str:
    """Return the format that a path's suffix stands for.

    Raises
    ------
    FileError
        If it stands for none of them.
    """
    suffix = path.suffix.lower()
    if suffix not in formats:
        raise _checks.FileError(
            _checks.explain(
                f"{path} has a suffix that names no format to write",
                expected=", ".join(formats),
                received=repr(suffix) if suffix else "none",
                hint=_checks.did_you_mean(suffix, formats)
                or f"give it one, such as {path.with_suffix(next(iter(formats)))}",
            ),
            argument="path",
        )
    return formats[suffix]


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write to that takes the place of `path` once it is complete."""
    scratch = scratch_file(path)
    try:
        with scratch.open("r+b") as file:
            yield file
        scratch.replace(os.path.realpath(path))  # through a link, not in its place
    except (OSError, ValueError) as error:  # ValueError: sides too long for the format
        scratch.unlink(missing_ok=True)
        raise _unwritable(path, error) from error
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def scratch_file(path: Path) -> Path:
    """Create an empty file in the folder of `path`, or raise what is wrong with the folder."""
    _checks.check_place(path)
    scratch = Path(os.path.realpath(path)).parent / f".stylekit-{uuid.uuid4().hex}.tmp"
    try:
        # Not the tempfile module, whose files only their owner may read: open follows the umask.
        scratch.open("xb").close()
    except OSError as error:
        raise _unwritable(path, error) from error
    return scratch


def _unwritable(path: Path, error: Exception) -> _checks.FileError:
    return _checks.FileError(
        _checks.explain(
            f"{path} cannot be written",
            expected=f"room and permission to write in {Path(os.path.realpath(path)).parent}",
            received=getattr(error, "strerror", None) or str(error),
            hint="choose another folder or format, or free some space",
        ),
        argument="path",
    )
