"""Handling of Ctrl-C: what was computed is kept, and no traceback is shown."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

INTERRUPTED = 130
"""Exit status of an interrupted command: by convention 128 plus the number of the signal."""


@contextmanager
def on_interrupt(act: Callable[..., Any]) -> Iterator[None]:
    """Within the block, call `act` where Python would raise `KeyboardInterrupt`.

    A handler that another program installed is left in place.
    """
    own = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not own or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, act)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def leave(*_: Any) -> NoReturn:
    """Exit the process at once; for code that an exception would leave in a bad state.

    The import of TensorFlow is such code.
    """
    os._exit(INTERRUPTED)


def once(*_: Any) -> NoReturn:
    """Raise `KeyboardInterrupt` and ignore further Ctrl-C, so that the picture can be written."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def finish(told: str, *, interrupted: bool, resumes: bool = False) -> None:
    """Print the last line of a command, and exit with `INTERRUPTED` if it was interrupted.

    Parameters
    ----------
    told : str
        Output file or folder, and what it contains.
    interrupted : bool
    resumes : bool
        Whether the same command continues where it was interrupted.
    """
    if not interrupted:
        typer.echo(told)
        return
    typer.echo(f"{told} (interrupted)" + "; run the same command again to resume" * resumes)
    raise typer.Exit(INTERRUPTED)
