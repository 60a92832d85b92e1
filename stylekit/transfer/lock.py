"""A lock on a file, which the system releases when its process ends for any reason."""

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
        # lockf is not used, because its locks do not exclude two runs of the same process.
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock while the context is open.

    Parameters
    ----------
    path : pathlib.Path
        A file that exists while the lock is held. A file left behind by a killed process does not
        block.

    Raises
    ------
    BlockingIOError
        If another run, in this or another process, holds the lock.
    OSError
        If the file cannot be created, or its file system has no locks.
    """
    while (number := _acquired(path)) is None:
        pass
    try:
        yield
    finally:
        # Unlink before closing, so that nobody can lock a file that is then removed.
        if sys.platform != "win32":
            path.unlink(missing_ok=True)
        os.close(number)
        if sys.platform == "win32":  # an open file cannot be removed; another run may have it open
            with suppress(PermissionError):
                path.unlink(missing_ok=True)


def _acquired(path: Path) -> int | None:
    """Return a locked open file, or None if the last holder of the lock has just removed it."""
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
