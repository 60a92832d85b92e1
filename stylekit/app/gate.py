"""Checks of the requests before they reach the page: their path, origin and size.

Gradio does not have these checks. Its `max_file_size` limits only multipart uploads, and their
routes are blocked here. Its routes for files, proxies and components cannot be turned off. It sends
no Content-Security-Policy, and trusts `X-Forwarded-Host` and `X-Gradio-Server` from every client.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stylekit.app.connections import Connections
from stylekit.app.limits import Limits
from stylekit.app.visitors import Visitors

API = "/gradio_api"
UPLOAD = "/upload"
PICTURES = "/pictures"

READ = re.compile(
    r"/(|config|theme\.css|favicon\.ico|manifest\.json|robots\.txt|(assets|static)/.+"
    rf"|{PICTURES[1:]}/[\w-]+|{API[1:]}/(heartbeat/(?P<session>\w{{1,64}})|startup-events|info)/?)"
)
WRITTEN = re.compile(rf"{UPLOAD}|{API}/run/predict/?")
"""Paths that the page needs. All other paths are blocked, among them Gradio's routes for files and
for its queue, which keeps results that nobody fetches."""

MESSAGE = 1_000_000
"""Largest size in bytes of a request that is not a picture. The points of a drawing need less."""

BODIES = 8
"""Number of bodies of the largest size that may arrive at the same time; others are refused."""

SLOWEST = 50_000
"""Smallest accepted rate of a body in bytes per second, after `Limits.patience` seconds."""

STALLED = 30.0
"""Seconds after which a connection is closed if the browser accepts no data."""

FORWARDED = (b"x-forwarded-host", b"x-forwarded-proto")
"""Headers of a proxy that are passed on to Gradio."""

HEADERS = {
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "object-src 'none'; frame-ancestors 'self'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Headers of every answer. Browsers load nothing from other servers and store no picture."""


class Gate:
    """An ASGI application that passes only the requests that the page needs on to `app`.

    Parameters
    ----------
    app : ASGI application
    limits : Limits
    visitors : Visitors
        The visitors, whose heartbeats are counted.
    hosts : iterable of str
        Host names of the page, in addition to the address to which a connection was made. Another
        name in `Host` means that the host name of a foreign page leads to this server (DNS
        rebinding). Another name in `Origin` means that a foreign page sends requests here.
    proxy : str, optional
        Address of a proxy whose ``X-Forwarded-`` headers are used. The ``X-Forwarded-`` headers of
        other clients are removed, because Gradio would write their values into the page as
        addresses.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        visitors: Visitors,
        hosts: Iterable[str] = (),
        proxy: str | None = None,
    ) -> None:
        self.app = app
        self.limits = limits
        self.visitors = visitors
        self.hosts = frozenset(name.lower() for name in hosts)
        self.proxy = proxy
        self.connections = Connections(limits, proxy)
        self.arriving = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        send = _answering(send)
        with self.connections.busy(scope["client"]):
            try:
                path = self._path(scope)
                scope = self._admitted(scope)
                if scope["method"] == "POST":
                    receive = await self._with_body(scope, receive, path == UPLOAD)
            except HTTPException as refusal:
                # uvicorn discards the rest of the request until `Connections` closes the
                # connection. Closing it at once would reset it before the browser has read the
                # answer.
                answer = PlainTextResponse(refusal.detail, refusal.status_code)
                await answer(scope, receive, send)
                return
            beat = READ.fullmatch(path)
            session = beat["session"] if beat else None
            with self.visitors.heartbeat(session) if session else contextlib.nullcontext():
                await self.app(scope, receive, send)

    def _path(self, scope: Scope) -> str:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        method = scope["method"]
        if ".." in path or not (READ.fullmatch(path) or WRITTEN.fullmatch(path)):
            raise HTTPException(404, "Not found")
        if not (WRITTEN if method == "POST" else READ).fullmatch(path):
            raise HTTPException(405, "Method not allowed")
        if method not in ("GET", "HEAD", "POST"):
            raise HTTPException(405, "Method not allowed")
        return path

    def _admitted(self, scope: Scope) -> Scope:
        """Check the host and origin; return the scope without untrusted ``X-`` headers."""
        headers = Headers(scope=scope)
        forwarded = self.proxy is not None and scope["client"][0] == self.proxy
        names = headers.getlist("host")
        if len(names) != 1:
            raise HTTPException(400, "A request must have one Host header")
        if forwarded:
            names += headers.getlist("x-forwarded-host")
        own = self.hosts | {scope["server"][0]}
        if not all(_host(f"//{name}") in own for name in names):
            raise HTTPException(
                421, "This page is not served under that name; see the option --allow-host"
            )
        if not all(_host(name) in own for name in headers.getlist("origin")):
            raise HTTPException(403, "Requests from other sites are refused")
        kept = [
            (name, value)
            for name, value in scope["headers"]
            if not name.startswith(b"x-") or (forwarded and name in FORWARDED)
        ]
        scope = {**scope, "headers": kept}
        addresses = headers.getlist("x-forwarded-for")
        if forwarded and addresses:
            # The proxy has added the last address. The client may have made up the others.
            scope["client"] = (addresses[-1].rpartition(",")[2].strip(), 0)
        return scope

    async def _with_body(self, scope: Scope, receive: Receive, upload: bool) -> Receive:
        """Read the body within the limits; return a `receive` function for it."""
        most = self.limits.upload_bytes if upload else MESSAGE
        refusal = HTTPException(413, f"A request may have at most {most} bytes")
        length = Headers(scope=scope).get("content-length", "0")
        if not re.fullmatch("[0-9]{1,12}", length) or int(length) > most:
            raise refusal
        body = bytearray()
        more = True
        try:
            async with asyncio.timeout(self.limits.patience + most / SLOWEST):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise HTTPException(400, "The request is incomplete")
                    part = message.get("body", b"")
                    if len(body) + len(part) > most:
                        raise refusal
                    if self.arriving + len(part) > BODIES * self.limits.upload_bytes + MESSAGE:
                        raise HTTPException(503, "Too many uploads; try again in a moment")
                    self.arriving += len(part)
                    body += part
                    more = message.get("more_body", False)
        except TimeoutError:
            raise HTTPException(408, "The request took too long to arrive") from None
        finally:
            self.arriving -= len(body)
        whole: list[Message] = [{"type": "http.request", "body": bytes(body)}]

        async def received() -> Message:
            return whole.pop() if whole else await receive()

        return received


def _host(address: str) -> str:
    """Return the host of an address without the port, or an empty string."""
    with contextlib.suppress(ValueError):
        return (urlsplit(address).hostname or "").rstrip(".")
    return ""


def _answering(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        async with asyncio.timeout(STALLED):
            await send(message)

    return sending
