"""A lock on a folder, which the system lets go of when its process ends, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(number: int) -> None:
        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error
else:
    import fcntl

    def _lock(number: int) -> None:
        # Not lockf, by which two runs of one process do not see each other.
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock.

    Parameters
    ----------
    path : pathlib.Path
        Of a file, which is there while the lock is held. One that a killed process has left is no
        hindrance.

    Raises
    ------
    BlockingIOError
        If another run, of this process or another, holds it.
    OSError
        If the file cannot be made, or its file system has no locks.
    """
    while (number := _acquired(path)) is None:
        pass
    try:
        yield
    finally:
        # Before it is closed: nobody can hold the lock of a file that is then removed.
        if sys.platform != "win32":
            path.unlink(missing_ok=True)
        os.close(number)
        if sys.platform == "win32":  # where an open file stays; another run may have opened it
            with suppress(PermissionError):
                path.unlink(missing_ok=True)


def _acquired(path: Path) -> int | None:
    """Return an open file that is locked, or None if its last holder has just removed it."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    try:
        _lock(number)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(number), os.stat(path)):
                return number
    except BaseException:
        os.close(number)
        raise
    os.close(number)
    return None
