"""Files in memory, which a browser sends or fetches by names that cannot be guessed.

Pictures do not travel in Gradio's messages: it keeps what its events were given and have answered
for each session, also one that was made up, and for hours.
"""

from __future__ import annotations

import dataclasses
import math
import secrets
import threading
from collections.abc import Hashable


@dataclasses.dataclass(frozen=True)
class File:
    """The content of a file, its media type, and for what or whom it was put."""

    content: bytes
    kind: str
    owner: Hashable


class Shelf:
    """A few files.

    Parameters
    ----------
    each : int
        Files of one owner; its oldest goes first.
    most : int, optional
        Files of all owners; the oldest goes first.
    """

    def __init__(self, each: int, most: float = math.inf) -> None:
        self._each, self._most = each, most
        self._files: dict[str, File] = {}
        self._lock = threading.Lock()

    def put(self, owner: Hashable, content: bytes, kind: str) -> str:
        """Keep a file; return its name."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._files[name] = File(content, kind, owner)
            own = [name for name, file in self._files.items() if file.owner == owner]
            for old in own[: -self._each]:
                del self._files[old]
            if len(self._files) > self._most:
                del self._files[next(iter(self._files))]
        return name

    def get(self, name: str) -> File | None:
        """Return a file that is kept."""
        return self._files.get(name)

    def take(self, name: str) -> File | None:
        """Return a file, and keep it no longer."""
        with self._lock:
            return self._files.pop(name, None)
