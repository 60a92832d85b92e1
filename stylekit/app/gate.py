"""What lies before the page: which requests pass, and how large; what browsers may do.

Gradio has none of it. Its `max_file_size` limits multipart uploads, whose routes are shut here,
because pictures travel in messages; it does not limit those. Its routes for files, proxies and
components are always there, and it sends no Content-Security-Policy.
"""

from __future__ import annotations

import re

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

API = "/gradio_api"

OPEN = re.compile(
    r"/(|config|theme\.css|favicon\.ico|manifest\.json|robots\.txt|(assets|static)/.+"
    rf"|{API[1:]}/(queue/(join|data)|heartbeat/\w+|cancel|reset|run/predict|startup-events|info)/?)"
)
"""What the page needs. Files are neither taken nor given: Gradio's routes for them stay shut."""

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
    most : int
        Bytes of a request's body.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app = app
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            status, text = refusal
            await PlainTextResponse(text, status)(scope, receive, _with_headers(send))
            return
        await self.app(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if not OPEN.fullmatch(path) or ".." in path:
            return 404, "Not found"
        headers = dict(scope["headers"])
        if scope["method"] == "POST":
            length = headers.get(b"content-length", b"")
            if not length.isdigit():
                return 411, "The length of a request must be given"
            if int(length) > self.most:
                return 413, f"A request may have {self.most} bytes at most"
        elif scope["method"] not in ("GET", "HEAD"):
            return 405, "Method not allowed"
        return None


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return sending
