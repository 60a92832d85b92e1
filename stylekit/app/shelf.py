"""Files in memory, which a browser sends or fetches by names that cannot be guessed.

Pictures are not sent in Gradio's messages, because Gradio keeps the inputs and outputs of events
for hours. It does so for every session, including sessions with an invented name.
"""

from __future__ import annotations

import dataclasses
import math
import secrets
import threading
from collections.abc import Hashable


@dataclasses.dataclass(frozen=True)
class File:
    """The content of a file, its media type, and its owner."""

    content: bytes
    kind: str
    owner: Hashable


class Shelf:
    """A limited number of files in memory.

    Parameters
    ----------
    each : int
        Largest number of files of one owner. A further file replaces the oldest file of that owner.
    most : int, optional
        Largest number of files of all owners. A further file replaces the oldest file.
    """

    def __init__(self, each: int, most: float = math.inf) -> None:
        self._each, self._most = each, most
        self._files: dict[str, File] = {}
        self._lock = threading.Lock()

    def put(self, owner: Hashable, content: bytes, kind: str) -> str:
        """Store a file; return its name."""
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
        """Return the file with a name, or None."""
        return self._files.get(name)

    def take(self, name: str) -> File | None:
        """Return the file with a name, or None, and delete it."""
        with self._lock:
            return self._files.pop(name, None)
