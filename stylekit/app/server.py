"""Serving the page."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator

import gradio as gr
import uvicorn
from fastapi import FastAPI

from stylekit.app.answers import Answers
from stylekit.app.gate import Gate
from stylekit.app.page import CSS, THEME, forget, page

MESSAGE = 100_000
"""Bytes of a request beside the picture in it."""


def application(answers: Answers, root_path: str = "") -> Gate:
    """Return the page as an ASGI application.

    Parameters
    ----------
    answers : Answers
    root_path : str
        Under which a proxy shows it, such as ``"/paint"``, and which it takes off.
    """
    for network in answers.networks.values():
        # Built before the first visitor waits for it, and once for all who run at the same time.
        network.model((*network.style_layers, *network.content_layers))
    blocks = page(answers)
    blocks.state_session_capacity = answers.limits.visitors

    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        for session in list(blocks.state_holder.session_data):
            forget(blocks, session)  # which ends what runs

    app = gr.mount_gradio_app(
        FastAPI(openapi_url=None, lifespan=life),
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
    # A picture travels in base64, which makes four bytes of three.
    return Gate(app, answers.limits.upload_bytes * 4 // 3 + MESSAGE)


def serve(app: Gate, listening: socket.socket) -> None:
    """Serve an application until Ctrl-C."""
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listening])
