"""The ASGI application of the page, and its web server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterable

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from stylekit.app import examples
from stylekit.app.answers import Answers
from stylekit.app.connections import protocol
from stylekit.app.gate import PICTURES, UPLOAD, Gate
from stylekit.app.page import CSS, THEME, page
from stylekit.recipes import stylize
from stylekit.transfer import FitMemory

SWEEP = 5.0
"""Seconds between two checks for visitors who have left."""

WARM = 64
"""Longer side, in pixels, of the picture with which the networks are warmed up."""

KEPT = 60.0
"""Seconds for which an uploaded file is kept unread. The page reads it right after the upload."""


def application(
    answers: Answers,
    root_path: str = "",
    hosts: Iterable[str] = ("127.0.0.1", "localhost"),
    proxy: str | None = None,
) -> Gate:
    """Return the page as an ASGI application.

    Parameters
    ----------
    answers : Answers
    root_path : str
        Path that a proxy removes, such as ``"/paint"``.
    hosts, proxy
        See `Gate`.
    """
    for network in answers.networks.values():
        # The model is built here; otherwise each of several simultaneous runs would build it.
        network.model((*network.style_layers, *network.content_layers))
    blocks = page(answers)
    # Gradio keeps the inputs of this many sessions. The gate limits the size of the inputs.
    blocks.state_session_capacity = answers.limits.visitors

    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        async def sweeping() -> None:
            while True:
                await asyncio.sleep(SWEEP)
                await asyncio.to_thread(answers.visitors.sweep)

        task = asyncio.create_task(sweeping())
        yield
        task.cancel()
        answers.visitors.close()  # stops the runs

    async def upload(request: Request) -> Response:
        address = request.client.host if request.client else ""
        name = answers.uploads.put(address, await request.body(), "")
        asyncio.get_running_loop().call_later(KEPT, answers.uploads.take, name)
        return PlainTextResponse(name)

    async def picture(request: Request) -> Response:
        file = answers.visitors.file(request.path_params["name"])
        if file is None:
            return PlainTextResponse("Not found", 404)
        return Response(file.content, media_type=file.kind)

    app = FastAPI(openapi_url=None, lifespan=life)
    app.add_route(UPLOAD, upload, ["POST"])
    app.add_route(f"{PICTURES}/{{name}}", picture)
    app = gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        root_path=root_path or None,
        show_error=False,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        theme=THEME,
        css_paths=CSS,
    )
    return Gate(app, answers.limits, answers.visitors, hosts, proxy)


def warm_up(answers: Answers) -> None:
    """Run each network for one step, so that the first visitor does not wait for loading."""
    photo, style = examples.PHOTOS["cat"](), examples.STYLES["night"]()
    for network in answers.networks.values():
        stylize(photo, style, size=WARM, steps=1, extractor=network, plan=FitMemory())


def configuration(app: Gate) -> uvicorn.Config:
    """Return the configuration of uvicorn for an application."""
    return uvicorn.Config(
        app,
        http=protocol(app.connections),
        ws="none",
        proxy_headers=False,  # `Gate` reads them
        log_level="warning",
        access_log=False,
        server_header=False,
    )


def serve(app: Gate, listening: socket.socket) -> None:
    """Serve an application until Ctrl-C."""
    uvicorn.Server(configuration(app)).run(sockets=[listening])
