import asyncio
import contextlib
import dataclasses

import pytest

pytest.importorskip("gradio", reason="the page needs Gradio")

from stylekit.app import gate
from stylekit.app.gate import Gate
from stylekit.app.limits import Limits
from stylekit.app.visitors import Visitors

LIMITS = Limits(upload_bytes=1000)
HOST = (b"host", b"localhost:7860")
PREDICT = "/gradio_api/run/predict"


class Asked:
    """A request to a gate before an application that tells what has come to it."""

    def __init__(
        self,
        method,
        path,
        *,
        headers=(HOST,),
        parts=(b"",),
        client="9.9.9.9",
        root_path="",
        limits=LIMITS,
        proxy=None,
        inner=None,
    ):
        self.sent = []
        self.visitors = Visitors(limits)
        messages = [
            {"type": "http.request", "body": part, "more_body": left > 0}
            for left, part in zip(reversed(range(len(parts))), parts, strict=True)
        ]
        scope = {"type": "http", "method": method, "path": path, "root_path": root_path}
        scope |= {"headers": list(headers), "client": (client, 7), "server": ("1.2.3.4", 7860)}
        self.gate = Gate(inner or self.inner, limits, self.visitors, {"localhost", "A.org"}, proxy)

        async def send(message):
            self.sent.append(message)

        async def receive():
            if not messages:
                await asyncio.sleep(60)
            return messages.pop(0)

        asyncio.run(self.gate(scope, receive, send))
        self.status = self.sent[0]["status"]
        self.headers = dict(self.sent[0]["headers"])
        self.text = b"".join(one.get("body", b"") for one in self.sent[1:]).decode()

    async def inner(self, scope, receive, send):
        self.scope = scope
        self.present = dict(self.visitors._heartbeats)
        if scope["method"] == "POST":
            self.body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"passed"})


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/config", "/theme.css", "/assets/index-1.js", "/static/fonts/a.woff2"),
        *("/favicon.ico", "/pictures/a-B_9", "/gradio_api/heartbeat/abc1"),
        "/gradio_api/startup-events",
    ],
)
def test_what_the_page_needs_passes(path):
    assert Asked("GET", path).status == 200
    assert Asked("POST", path).status == 405


@pytest.mark.parametrize("path", ["/upload", PREDICT])
def test_what_the_page_sends_passes(path):
    assert Asked("POST", path).status == 200
    assert Asked("GET", path).status == 405


@pytest.mark.parametrize(
    "path",
    ["/openapi.json", "/docs", "/monitoring", "/login", "/assets/../config", "/nothing", "//etc"]
    + ["/pictures/", "/pictures/../config", "/upload/", "http://a.org/"]
    + [
        f"/gradio_api/{name}"
        for name in (
            *("file=/etc/passwd", "file/etc/passwd", "file=../setup.cfg", "upload"),
            *("proxy=http://localhost/", "runs", "vibe-code", "component_server", "call/run"),
            *("stream/a/b/c/playlist.m3u8", "upload_progress", "dev/reload", "deep_link"),
            *("queue/join", "queue/data", "cancel", "reset", f"heartbeat/{'a' * 65}"),
        )
    ],
)
def test_all_else_stays_shut(path):
    assert Asked("GET", path).status == 404
    assert Asked("POST", path).status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods(method):
    assert Asked(method, "/").status == 405


def test_a_path_that_a_proxy_has_left_on():
    assert Asked("GET", "/paint/config", root_path="/paint").status == 200
    secret = "/paint/gradio_api/file=/etc/passwd"
    assert Asked("GET", secret, root_path="/paint").status == 404


@pytest.mark.parametrize(
    ("sizes", "status"), [((999, 1), 200), ((1000, 1), 413), ((1,) * 1001, 413)]
)
@pytest.mark.parametrize("declared", [(), ((b"content-length", b"5"),)])
def test_the_bytes_of_a_body_count_whatever_was_declared(sizes, status, declared):
    asked = Asked("POST", "/upload", headers=(HOST, *declared), parts=[b"x" * n for n in sizes])
    assert asked.status == status
    assert asked.gate.arriving == 0
    if status == 200:
        assert asked.body == b"x" * sum(sizes)


@pytest.mark.parametrize("length", [b"1001", b"-1", b"x", b"1e3", b"\xb2", b"1" * 5000])
def test_what_is_declared_too_large_is_not_waited_for(length):
    headers = (HOST, (b"content-length", length))
    assert Asked("POST", "/upload", headers=headers, parts=()).status == 413


def test_a_message_has_a_limit_of_its_own(monkeypatch):
    monkeypatch.setattr(gate, "MESSAGE", 10)
    assert Asked("POST", PREDICT, parts=[b"x" * 10]).status == 200
    assert Asked("POST", PREDICT, parts=[b"x" * 11]).status == 413


def test_a_body_that_does_not_come():
    limits = dataclasses.replace(LIMITS, patience=0.01)
    assert Asked("POST", "/upload", limits=limits, parts=()).status == 408


def test_bodies_that_arrive_at_once_are_bounded(monkeypatch):
    monkeypatch.setattr(gate, "MESSAGE", 10)
    monkeypatch.setattr(gate, "BODIES", 0)
    assert Asked("POST", PREDICT, parts=[b"x" * 10]).status == 200
    assert Asked("POST", "/upload", parts=[b"x" * 11]).status == 503


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((b"localhost", 200), (b"LOCALHOST:1", 200), (b"a.org", 200), (b"a.org.:443", 200)),
        *((b"1.2.3.4:7860", 200), (b"evil.org", 421), (b"localhost.evil.org", 421), (b"", 421)),
        *((b"1.2.3.5", 421), (b"[::1", 421), (b"a.org@evil.org", 421), (b"evil.org/a.org", 421)),
    ],
)
def test_the_names_that_the_page_may_be_asked_for_by(host, status):
    assert Asked("GET", "/", headers=[(b"host", host)]).status == status


@pytest.mark.parametrize("headers", [(), (HOST, HOST), (HOST, (b"host", b"evil.org"))])
def test_a_request_has_one_host(headers):
    assert Asked("GET", "/", headers=headers).status == 400


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        *((b"http://localhost:7860", 200), (b"https://a.org", 200), (b"http://evil.org", 403)),
        *((b"null", 403), (b"http://a.org.evil.org", 403), (b"a.org", 403)),
    ],
)
def test_requests_of_other_pages_are_not_answered(origin, status):
    assert Asked("POST", PREDICT, headers=(HOST, (b"origin", origin))).status == status


FORWARDED = (
    (b"x-forwarded-host", b"a.org"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-for", b"6.6.6.6, 7.7.7.7"),
)


def test_what_a_stranger_forwards_is_dropped():
    more = ((b"x-gradio-server", b"http://evil.org"), (b"accept", b"*/*"))
    for proxy in (None, "127.0.0.1"):
        asked = Asked("GET", "/", headers=(HOST, *FORWARDED, *more), proxy=proxy)
        assert asked.scope["headers"] == [HOST, (b"accept", b"*/*")]
        assert asked.scope["client"] == ("9.9.9.9", 7)


def test_what_the_proxy_forwards_counts():
    more = ((b"x-gradio-server", b"http://evil.org"),)
    proxied = {"client": "127.0.0.1", "proxy": "127.0.0.1"}
    asked = Asked("GET", "/", headers=(HOST, *FORWARDED, *more), **proxied)
    assert asked.scope["headers"] == [HOST, *FORWARDED[:2]]
    assert asked.scope["client"] == ("7.7.7.7", 0)
    wrong = ((b"x-forwarded-host", b"evil.org"), (b"x-forwarded-host", b"a.org, evil.org"))
    for one in wrong:
        assert Asked("GET", "/", headers=(HOST, one), **proxied).status == 421


def test_a_heartbeat_counts_while_it_is_open():
    asked = Asked("GET", "/gradio_api/heartbeat/abc")
    assert asked.present == {"abc": 1}
    assert not asked.visitors._heartbeats


def test_an_answer_that_nobody_takes_is_broken_off(monkeypatch):
    monkeypatch.setattr(gate, "STALLED", 0.01)
    visitors = Visitors(LIMITS)
    scope = {"type": "http", "method": "GET", "path": "/gradio_api/heartbeat/abc"}
    scope |= {"headers": [HOST], "client": None, "server": ("1.2.3.4", 7860)}

    async def inner(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        asyncio.run(Gate(inner, LIMITS, visitors, {"localhost"})(scope, None, send))
    assert not visitors._heartbeats


@pytest.mark.parametrize("path", ["/", "/nothing"])
def test_what_browsers_are_told(path):
    headers = Asked("GET", path).headers
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-content-type-options"] == b"nosniff"


def test_other_protocols_are_not_answered():
    sent = []

    async def send(message):
        sent.append(message)

    with contextlib.suppress(KeyError):
        gate = Gate(None, LIMITS, Visitors(LIMITS))
        asyncio.run(gate({"type": "websocket", "path": "/"}, None, send))
    assert sent == []
