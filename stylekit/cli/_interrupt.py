"""Ctrl-C: nothing that was computed is lost, and no traceback is shown."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

INTERRUPTED = 130
"""The status of a command that was interrupted: 128 and the signal's number, as is the custom."""


@contextmanager
def on_interrupt(act: Callable[..., Any]) -> Iterator[None]:
    """Within the block, call `act` where Python would raise `KeyboardInterrupt`.

    Where another program has its own way with the signal, it is left as it is.
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
    """End the process: for what is not to be interrupted halfway, such as TensorFlow's import."""
    os._exit(INTERRUPTED)


def once(*_: Any) -> NoReturn:
    """Raise `KeyboardInterrupt`, and hear of no other: what there is now gets written."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
