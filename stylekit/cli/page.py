"""``stylekit app``: the web page."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import SetupError, explain
from stylekit.app.address import HOST, PORT, listen
from stylekit.app.limits import Limits
from stylekit.cli._app import load_tensorflow, plain_errors
from stylekit.cli._network import reason_for_vgg19
from stylekit.cli._subject import Model, Names, segmenter

LIMITS = Limits()


def page(
    *,
    host: Annotated[
        str, typer.Option(help="Address; 0.0.0.0 lets other machines in, best behind a proxy.")
    ] = HOST,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = PORT,
    root_path: Annotated[
        str, typer.Option(help="Path under which a reverse proxy shows the page, such as /paint.")
    ] = "",
    weights_file: Annotated[
        Path | None, typer.Option(help="VGG19's .h5 or .npz: the page offers that network, too.")
    ] = None,
    model: Model = None,
    names: Names = None,
    max_upload: Annotated[
        float, typer.Option(help="Megabytes of a picture's file.")
    ] = LIMITS.upload_bytes / 1e6,
    max_pixels: Annotated[
        float, typer.Option(help="Millions of pixels of a picture.")
    ] = LIMITS.pixels / 1e6,
    max_size: Annotated[int, typer.Option(help="Longer side of the largest result.")] = LIMITS.side,
    max_steps: Annotated[int, typer.Option(help="Steps of a run.")] = LIMITS.steps,
    max_seconds: Annotated[float, typer.Option(help="Seconds of a run.")] = LIMITS.seconds,
    jobs: Annotated[int, typer.Option(help="Runs at the same time; others wait.")] = LIMITS.jobs,
    max_waiting: Annotated[
        int, typer.Option(help="Requests that may wait; others are refused.")
    ] = LIMITS.waiting,
) -> None:
    """Serve a web page, on this machine alone unless told otherwise: pictures in, a picture out.

    With --model, a segmentation model, the page offers regions by class.
    """
    with plain_errors():
        limits = Limits(
            upload_bytes=round(max_upload * 1e6),
            pixels=round(max_pixels * 1e6),
            side=max_size,
            steps=max_steps,
            seconds=max_seconds,
            jobs=jobs,
            waiting=max_waiting,
        )
        check_installed()
        with listen(host, port) as listening:
            load_tensorflow()
            from stylekit.app import server
            from stylekit.app.answers import Answers

            seer = segmenter(model, names) if model else None
            served = server.application(Answers(networks(weights_file), limits, seer), root_path)
            host, port = listening.getsockname()[:2]
            typer.echo(f"http://{f'[{host}]' if ':' in host else host}:{port}/ (Ctrl-C ends it)")
            server.serve(served, listening)


def check_installed() -> None:
    """Tell how to install Gradio where it is missing."""
    if importlib.util.find_spec("gradio") is None:
        raise SetupError(
            explain("the web page needs Gradio, which is not installed", hint="pip install gradio")
        )


def networks(weights_file: Path | None) -> dict[str, Any]:
    """Return the networks that are there, by the names that the page shows."""
    import stylekit as sk

    there: dict[str, Any] = {"compact": sk.CompactVGG()}
    if reason_for_vgg19(weights_file):
        there["VGG19"] = sk.VGG19(weights_file or "imagenet")
    return there
