"""Files that appear whole or not at all."""

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
def replacing(path: Path, *, through_link: bool = True) -> Iterator[BinaryIO]:
    """Give a file to write to that takes the place of `path` once it is complete and on the disk.

    Parameters
    ----------
    path : pathlib.Path
        What is to be written. After a failure an old file of that name is still there.
    through_link : bool
        Where `path` is a symbolic link: True replaces what it leads to, False the link itself.

    Yields
    ------
    file
        Open for reading and writing, in the folder of `path`. `unfinished` finds it later if the
        process is killed.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    _checks.check_place(path)
    target = Path(os.path.realpath(path) if through_link else path)
    # Under the name of a stranger's file or link it would write into that; "x" refuses both.
    # Not the tempfile module, whose files only their owner may read: open follows the umask.
    scratch = target.with_name(f"{_prefix(target)}{uuid.uuid4().hex}.tmp")
    try:
        with scratch.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, target)
    except _checks.StylekitError:  # of what wrote to it
        raise
    except (OSError, ValueError) as error:  # ValueError: sides too long for the format
        raise _checks.unwritable(str(path), target, error) from error
    finally:  # also after Ctrl-C
        scratch.unlink(missing_ok=True)


def unfinished(path: Path) -> list[Path]:
    """Return what `replacing` left of a file when the process was killed."""
    return list(path.parent.glob(f"{glob.escape(_prefix(path))}*.tmp"))


def check_room(path: Path) -> None:
    """Raise `FileError` if no file can be written to the folder of `path`; leave nothing behind."""
    _checks.check_place(path)
    target = Path(os.path.realpath(path))
    probe = target.with_name(f".stylekit-{uuid.uuid4().hex}.tmp")
    try:
        probe.open("xb").close()
        probe.unlink()
    except OSError as error:
        raise _checks.unwritable(str(path), target, error) from error


def _prefix(path: Path) -> str:
    return f".{path.name[:40]}-"  # a name may have 255 bytes, and a letter up to four
