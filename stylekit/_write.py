"""Write files atomically: a file appears complete or not at all."""

from __future__ import annotations

import glob
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from stylekit import _checks


def named_format(path: Path, formats: Mapping[str, str]) -> str:
    """Return the format that the suffix of a path selects.

    Raises
    ------
    FileError
        If the suffix is not one of `formats`.
    """
    suffix = path.suffix.lower()
    if suffix not in formats:
        raise _checks.FileError(
            _checks.explain(
                f"{path} has an unknown suffix",
                expected=", ".join(formats),
                received=repr(suffix) if suffix else "none",
                hint=_checks.did_you_mean(suffix, formats)
                or f"give it one, such as {path.with_suffix(next(iter(formats)))}",
            ),
            argument="path",
        )
    return formats[suffix]


@contextmanager
def replacing(path: Path, *, through_link: bool = True) -> Iterator[BinaryIO]:
    """Yield a temporary file that replaces `path` after it has been written and flushed to disk.

    Parameters
    ----------
    path : pathlib.Path
        File to write. If writing fails, an existing file at this path is unchanged.
    through_link : bool
        If `path` is a symbolic link, True replaces the target of the link, and False replaces the
        link itself.

    Yields
    ------
    file
        A binary file in the folder of `path`, open for reading and writing. If the process is
        killed, `unfinished` finds the file later.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    _checks.check_place(path)
    target = Path(os.path.realpath(path) if through_link else path)
    # Mode "x" never writes into an existing file or link. The tempfile module is not used, because
    # it creates files that only the owner can read. `open` follows the umask.
    scratch = target.with_name(f"{_prefix(target)}{uuid.uuid4().hex}.tmp")
    try:
        with scratch.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, target)
    except _checks.StylekitError:  # raised by the caller that writes
        raise
    except (OSError, ValueError) as error:  # ValueError: sides too long for the format
        raise _checks.unwritable(str(path), target, error) from error
    finally:  # also after Ctrl-C
        scratch.unlink(missing_ok=True)


def unfinished(path: Path) -> list[Path]:
    """Return the incomplete files that `replacing` left when the process was killed."""
    return list(path.parent.glob(f"{glob.escape(_prefix(path))}*.tmp"))


def check_room(path: Path) -> None:
    """Raise `FileError` if the folder of `path` is not writable. No file is left there."""
    _checks.check_place(path)
    target = Path(os.path.realpath(path))
    probe = target.with_name(f".stylekit-{uuid.uuid4().hex}.tmp")
    try:
        probe.open("xb").close()
        probe.unlink()
    except OSError as error:
        raise _checks.unwritable(str(path), target, error) from error


def _prefix(path: Path) -> str:
    return f".{path.name[:40]}-"  # a file name may have 255 bytes, and a character up to four
