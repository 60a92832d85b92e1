"""The address at which the page is served."""

from __future__ import annotations

import socket

from stylekit._checks import SetupError, explain, integer

HOST, PORT = "127.0.0.1", 7860
"""This machine only, at Gradio's default port."""


def listen(host: str = HOST, port: int = PORT) -> socket.socket:
    """Return a socket that listens at an address.

    Raises
    ------
    SetupError
        If the address cannot be used.
    """
    integer(port, "port", low=0, high=65535)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise SetupError(
            explain(
                f"the page cannot be served at {host}, port {port}",
                received=error.strerror or str(error),
                hint="choose another port with --port, or another address with --host",
            )
        ) from error
