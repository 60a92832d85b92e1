"""Limits of connections. uvicorn limits neither their number nor their time without a request."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator

from uvicorn.protocols.http.h11_impl import H11Protocol

from stylekit.app.limits import Limits

Peer = tuple[str, int]
"""Address and port of the other end."""


class Connections:
    """The open connections. A connection without requests is closed.

    uvicorn waits for the headers of a request without a time limit. Each connection uses a file
    descriptor of the process, so that many silent connections would block the page.

    Parameters
    ----------
    limits : Limits
        The limits `connections`, `connections_each` and `patience` are used.
    proxy : str, optional
        Address of a proxy, to which `connections_each` does not apply.
    """

    def __init__(self, limits: Limits, proxy: str | None = None) -> None:
        self._limits = limits
        self._proxy = proxy
        self._open: dict[Peer, asyncio.Transport] = {}
        self._answering: Counter[Peer] = Counter()
        self._silent: dict[Peer, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, transport: asyncio.Transport) -> None:
        """Count a connection, or close it if there are too many."""
        peer = transport.get_extra_info("peername")[:2]
        own = sum(host == peer[0] for host, _ in self._open)
        each = self._limits.connections if peer[0] == self._proxy else self._limits.connections_each
        if own >= each or len(self._open) >= self._limits.connections:
            transport.abort()
            return
        self._open[peer] = transport
        self._wait(peer)

    def closed(self, transport: asyncio.Transport) -> None:
        """Stop counting a connection."""
        peer = transport.get_extra_info("peername")[:2]
        if self._open.get(peer) is transport:
            del self._open[peer]
            self._silent.pop(peer).cancel()

    @contextlib.contextmanager
    def busy(self, peer: Peer | None) -> Iterator[None]:
        """Keep a connection open while its request is answered.

        The next request on a connection can arrive after the previous answer has been sent and
        before the application has returned.
        """
        if peer is None:
            yield
            return
        if peer in self._silent:
            self._silent[peer].cancel()
        self._answering[peer] += 1
        try:
            yield
        finally:
            self._answering[peer] -= 1
            if not self._answering[peer]:
                del self._answering[peer]
                if peer in self._open:
                    self._wait(peer)

    def _wait(self, peer: Peer) -> None:
        loop = asyncio.get_running_loop()
        abort = self._open[peer].abort
        self._silent[peer] = loop.call_later(self._limits.patience, abort)


def protocol(connections: Connections) -> type[H11Protocol]:
    """Return uvicorn's protocol class, extended to count its connections."""

    class Counted(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            connections.opened(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.closed(self.transport)
            super().connection_lost(exc)

    return Counted
