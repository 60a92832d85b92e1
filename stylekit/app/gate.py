"""What lies before the page: which requests pass, from whom, and how large.

Gradio has none of it. Its `max_file_size` limits multipart uploads, whose routes are shut here,
and nothing else. Its routes for files, proxies and components are always there. It sends no
Content-Security-Policy, and believes `X-Forwarded-Host` and `X-Gradio-Server` of anyone.
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
"""What the page needs. Files are neither taken nor given: Gradio's routes for them stay shut, and
so do those of its queue, which keeps what nobody fetches."""

MESSAGE = 1_000_000
"""Bytes of a request that is no picture: as many points as may be drawn fit in."""

BODIES = 8
"""Bodies of the largest size that may arrive at the same time; beyond, requests are refused."""

SLOWEST = 50_000
"""Bytes a second at which a body has to arrive, beside the patience for its beginning."""

STALLED = 30.0
"""Seconds that a browser may take nothing of an answer."""

FORWARDED = (b"x-forwarded-host", b"x-forwarded-proto")
"""What a proxy may say to Gradio."""

HEADERS = {
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "object-src 'none'; frame-ancestors 'self'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Of every answer. Browsers are to load nothing from elsewhere, and to keep no picture."""


class Gate:
    """An ASGI application that lets through what another one's page needs.

    Parameters
    ----------
    app : ASGI application
    limits : Limits
    visitors : Visitors
        Told who has a heartbeat open.
    hosts : iterable of str
        Names that the page may be asked for by, beside the address that a connection came to.
        Another name in `Host` means that a page from elsewhere leads a browser here under a name
        of its own (DNS rebinding); in `Origin`, that it sends requests here.
    proxy : str, optional
        The address of a proxy, whose ``X-Forwarded-`` headers count. Those of others are dropped,
        since Gradio would write addresses of their choice into the page.
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
                # uvicorn drops what else arrives, until `Connections` ends it. To close at once
                # would reset the connection before its browser has read the answer.
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
        """Return the scope without what a stranger says of its way here."""
        headers = Headers(scope=scope)
        forwarded = self.proxy is not None and scope["client"][0] == self.proxy
        names = headers.getlist("host")
        if len(names) != 1:
            raise HTTPException(400, "A request needs one Host")
        if forwarded:
            names += headers.getlist("x-forwarded-host")
        own = self.hosts | {scope["server"][0]}
        if not all(_host(f"//{name}") in own for name in names):
            raise HTTPException(
                421, "This page is not served under that name; see the option --allow-host"
            )
        if not all(_host(name) in own for name in headers.getlist("origin")):
            raise HTTPException(403, "Requests of other pages are not answered")
        kept = [
            (name, value)
            for name, value in scope["headers"]
            if not name.startswith(b"x-") or (forwarded and name in FORWARDED)
        ]
        scope = {**scope, "headers": kept}
        addresses = headers.getlist("x-forwarded-for")
        if forwarded and addresses:
            # The last is what the proxy has seen; those before it are what it was told.
            scope["client"] = (addresses[-1].rpartition(",")[2].strip(), 0)
        return scope

    async def _with_body(self, scope: Scope, receive: Receive, upload: bool) -> Receive:
        """Return a `receive` that holds the whole body, whatever length was declared."""
        most = self.limits.upload_bytes if upload else MESSAGE
        refusal = HTTPException(413, f"A request may have {most} bytes at most")
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
                        raise HTTPException(400, "The request was cut short")
                    part = message.get("body", b"")
                    if len(body) + len(part) > most:
                        raise refusal
                    if self.arriving + len(part) > BODIES * self.limits.upload_bytes + MESSAGE:
                        raise HTTPException(503, "Too much arrives at once; try again in a moment")
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
    """Return the host in an address, without its port; nothing if there is none."""
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
