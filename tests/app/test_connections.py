"""Connections of a server in this process, from sockets that misbehave."""

import asyncio
import contextlib
import dataclasses

import pytest

pytest.importorskip("gradio", reason="the page needs Gradio")

import uvicorn

from stylekit.app.address import listen
from stylekit.app.gate import Gate
from stylekit.app.limits import Limits
from stylekit.app.server import configuration
from stylekit.app.visitors import Visitors

LIMITS = Limits(connections=6, connections_each=4, patience=0.15)
ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def inner(scope, receive, send):
    await asyncio.sleep(0.4 if "heartbeat" in scope["path"] else 0)
    headers = [(b"content-length", b"6")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"passed"})
    await asyncio.sleep(0.1 if "info" in scope["path"] else 0)


def served(work, limits=LIMITS, proxy=None):
    """Run what a client does, with a server."""

    async def both():
        app = Gate(inner, limits, Visitors(limits), {"localhost"}, proxy)
        config = configuration(app)
        config.lifespan = "off"
        server = uvicorn.Server(config)
        with listen(port=0) as listening, contextlib.suppress(asyncio.CancelledError):
            task = asyncio.create_task(server.serve([listening]))
            while not server.started:
                await asyncio.sleep(0.01)
            try:
                await work(app.connections, *listening.getsockname())
            finally:
                server.should_exit = server.force_exit = True
                await task

    asyncio.run(both())


async def answer(host, port, content, wait=5.0):
    """Return what comes back until the connection is closed."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(content)
    try:
        return await asyncio.wait_for(reader.read(), wait)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("content", [b"", b"GET / HT", ASK[:-2], b"GET / HTTP/1.1\r\nA: b\r\n" * 9])
def test_a_request_that_does_not_come_is_not_waited_for(content):
    async def work(connections, host, port):
        begun = asyncio.get_running_loop().time()
        assert b"200" not in await answer(host, port, content)
        assert asyncio.get_running_loop().time() - begun < 5
        assert len(connections) == 0

    served(work)


def test_headers_that_trickle_are_not_waited_for():
    async def work(connections, host, port):
        _, writer = await asyncio.open_connection(host, port)
        for _ in range(8):
            writer.write(b"GET / HTTP/1.1\r\nA: b\r\n"[:1])
            await asyncio.sleep(0.1)
        assert len(connections) == 0
        writer.close()

    served(work)


def test_a_silent_connection_is_closed_after_its_answer():
    async def work(connections, host, port):
        assert b"passed" in await answer(host, port, ASK)
        assert b"passed" in await answer(host, port, ASK + b"GET / H")
        assert len(connections) == 0

    served(work)


def test_an_answer_may_take_its_time():
    async def work(connections, host, port):
        ask = ASK.replace(b"/ ", b"/gradio_api/heartbeat/abc ", 1)
        assert b"passed" in await answer(host, port, ask)

    served(work)


def test_the_next_request_may_begin_before_the_last_has_returned():
    async def work(connections, host, port):
        asks = [b"/gradio_api/info ", b"/gradio_api/heartbeat/abc "]
        both = b"".join(ASK.replace(b"/ ", one, 1) for one in asks)
        assert (await answer(host, port, both)).count(b"passed") == 2
        assert not connections._answering

    served(work)


@pytest.mark.parametrize(("proxy", "count"), [(None, 4), ("127.0.0.1", 6)])
def test_one_address_has_its_share_and_the_proxy_all(proxy, count):
    async def work(connections, host, port):
        opened = [await asyncio.open_connection(host, port) for _ in range(10)]
        refused = [reader for reader, _ in opened[count:]]
        for reader in refused:
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
        assert len(connections) == count
        for _, writer in opened:
            writer.close()

    served(work, dataclasses.replace(LIMITS, patience=60), proxy)


def test_a_body_that_does_not_come_is_not_waited_for():
    async def work(connections, host, port):
        ask = b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc"
        assert b"408" in await answer(host, port, ask)
        assert len(connections) == 0

    served(work, dataclasses.replace(LIMITS, upload_bytes=100))


def test_who_sends_too_much_is_told_and_not_listened_to_for_long():
    async def work(connections, host, port):
        ask = b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        size = 3_000_000
        assert b" 413 " in await answer(host, port, ask % size + bytes(size))
        assert b" 413 " in await answer(host, port, ask % 10**9 + bytes(size))
        assert len(connections) == 0

    served(work, dataclasses.replace(LIMITS, upload_bytes=100))


def test_a_body_without_a_length_is_counted():
    async def work(connections, host, port):
        ask = b"POST /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert b" 413 " in await answer(host, port, ask + b"80\r\n" + b"x" * 128 + b"\r\n")
        lying = ask.replace(b"\r\n", b"\r\nContent-Length: 5\r\n", 1)
        assert b" 413 " in await answer(host, port, lying + b"80\r\n" + b"x" * 128 + b"\r\n")
        assert b" 200 " in await answer(host, port, ask + b"3\r\nabc\r\n0\r\n\r\n")

    served(work, dataclasses.replace(LIMITS, upload_bytes=100))
