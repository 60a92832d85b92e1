"""All visitors of the page, and when their pictures are deleted."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from stylekit._checks import fail
from stylekit.app.limits import Limits
from stylekit.app.shelf import File
from stylekit.app.visitor import Visitor

ABSENT = 60.0
"""Seconds without a heartbeat and without a request after which a visitor is deleted. The heartbeat
is a connection that a browser keeps open and may lose for a moment. A program that invents session
names has no heartbeat."""


class Visitors:
    """The visitors by the names of their Gradio sessions.

    Gradio's own session state is not used for two reasons. The state of a session that never opens
    a heartbeat is never deleted, and the state of one visitor is deleted to make room for another.
    Here a visitor is kept while a heartbeat is open, and a new visitor is refused if `visitors` are
    present.

    Parameters
    ----------
    limits : Limits
        The limit `visitors` is used.
    """

    def __init__(self, limits: Limits) -> None:
        self._most = limits.visitors
        self._lock = threading.Lock()
        self._visitors: dict[str, Visitor] = {}
        self._heartbeats: Counter[str] = Counter()
        self._absent: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._visitors)

    def of(self, session: Any) -> Visitor:
        """Return the visitor of a session. A visitor is created for a new session.

        Raises
        ------
        InputError
            If `session` is not a valid session name, or if there are too many visitors.
        """
        self.sweep()
        with self._lock:
            if not isinstance(session, str) or not re.fullmatch(r"\w{1,64}", session):
                fail("The session is unknown", hint="load the page again")
            if session not in self._visitors:
                if len(self._visitors) >= self._most:
                    fail("The page is full", hint="try again in a few minutes")
                self._visitors[session] = Visitor()
            if not self._heartbeats[session]:
                self._absent[session] = time.monotonic()
            return self._visitors[session]

    @contextlib.contextmanager
    def heartbeat(self, session: str) -> Iterator[None]:
        """Count a visitor as present. The end of the last heartbeat stops the visitor's run."""
        with self._lock:
            self._heartbeats[session] += 1
            self._absent.pop(session, None)
        try:
            yield
        finally:
            with self._lock:
                self._heartbeats[session] -= 1
                if not self._heartbeats[session]:
                    del self._heartbeats[session]
                    self._absent[session] = time.monotonic()
                    if session in self._visitors:
                        self._visitors[session].stop()

    def sweep(self, absent: float = ABSENT) -> None:
        """Delete the visitors that have been absent for a number of seconds."""
        with self._lock:
            now = time.monotonic()
            gone = [name for name, since in self._absent.items() if now - since >= absent]
            left = []
            for name in gone:
                del self._absent[name]
                if name in self._visitors:
                    left.append(self._visitors.pop(name))
        for visitor in left:
            visitor.leave()

    def close(self) -> None:
        """Delete all visitors."""
        with self._lock:
            left = list(self._visitors.values())
            self._visitors.clear()
        for visitor in left:
            visitor.leave()

    def file(self, name: str) -> File | None:
        """Return the file with a name, from any visitor, or None."""
        with self._lock:
            found = (visitor.file(name) for visitor in self._visitors.values())
            return next((file for file in found if file is not None), None)
