import asyncio

import pytest

pytest.importorskip("gradio", reason="the page needs Gradio")

from stylekit.app.gate import Gate


async def inner(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"passed"})


def asked(method, path, length=None, root_path="", most=1000):
    sent = []
    headers = [] if length is None else [(b"content-length", str(length).encode())]
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    scope["root_path"] = root_path

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b""}

    asyncio.run(Gate(inner, most)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"])


@pytest.mark.parametrize(
    "path",
    ["/", "/config", "/theme.css", "/assets/index-1.js", "/static/fonts/a.woff2", "/favicon.ico"]
    + [f"/gradio_api/{name}" for name in ("queue/data", "heartbeat/abc1", "startup-events")],
)
def test_what_the_page_needs_passes(path):
    assert asked("GET", path)[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/openapi.json", "/docs", "/monitoring", "/login", "/assets/../config", "/nothing", "//etc"]
    + [
        f"/gradio_api/{name}"
        for name in (
            *("file=/etc/passwd", "file/etc/passwd", "file=../setup.cfg", "upload"),
            *("proxy=http://localhost/", "runs", "vibe-code", "component_server", "call/run"),
            *("stream/a/b/c/playlist.m3u8", "upload_progress", "dev/reload", "deep_link"),
        )
    ],
)
def test_all_else_stays_shut(path):
    assert asked("GET", path)[0] == 404
    assert asked("POST", path, 10)[0] == 404


@pytest.mark.parametrize(("length", "status"), [(1000, 200), (1001, 413), (None, 411), ("x", 411)])
def test_the_length_of_a_request(length, status):
    assert asked("POST", "/gradio_api/queue/join", length)[0] == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
def test_other_methods(method):
    assert asked(method, "/")[0] == 405


def test_a_path_that_a_proxy_has_left_on():
    assert asked("GET", "/paint/config", root_path="/paint")[0] == 200
    assert asked("GET", "/paint/gradio_api/file=/etc/passwd", root_path="/paint")[0] == 404


@pytest.mark.parametrize("path", ["/", "/nothing"])
def test_what_browsers_are_told(path):
    headers = asked("GET", path)[1]
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-content-type-options"] == b"nosniff"


def test_other_protocols_are_not_answered():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(Gate(inner, 10)({"type": "websocket", "path": "/"}, None, send))
    assert sent == []
