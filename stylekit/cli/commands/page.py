"""``stylekit app``: the web page."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import SetupError, explain
from stylekit.app.address import HOST, PORT, listen
from stylekit.app.limits import Limits
from stylekit.cli._app import load_tensorflow, plain_errors
from stylekit.cli._network import reason_for_vgg19
from stylekit.cli._subject import Names, segmenter
from stylekit.cli._values import within

LIMITS = Limits()
LOCAL = ("localhost", "127.0.0.1", "::1")
limit = functools.partial(within, rich_help_panel="Limits, for a page that others may use")


def page(
    *,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="The address to listen at; 0.0.0.0 lets other machines in, best behind a proxy.",
        ),
    ] = HOST,
    port: Annotated[
        int, within(low=0, high=65535, whole=True, help="The port; 0 takes one that is free.")
    ] = PORT,
    root_path: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            show_default="the root",
            help="Where a reverse proxy shows the page, such as /paint.",
        ),
    ] = "",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            show_default="localhost and the address alone",
            help="A name that browsers may ask for, such as example.org; repeat for several.",
        ),
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            show_default="believed of nobody",
            help="The address of a reverse proxy, such as 127.0.0.1, whose X-Forwarded headers "
            "count.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights-file",
            metavar="FILE",
            show_default="STYLEKIT_WEIGHTS, or those on this machine",
            help="VGG19's weights, .h5 or .npz.",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default="no regions by class",
            help="A segmentation network, a DeepLab: .tflite, .keras, .pb or a SavedModel.",
        ),
    ] = None,
    names: Names = None,
    max_upload: Annotated[
        float,
        limit(metavar="MEGABYTES", help="Of a picture's file, at most.", low=0, open_low=True),
    ] = LIMITS.upload_bytes / 1e6,
    max_pixels: Annotated[
        float,
        limit(metavar="MILLIONS", help="Pixels of a picture, at most.", low=0, open_low=True),
    ] = LIMITS.pixels / 1e6,
    max_size: Annotated[
        int,
        limit(metavar="PIXELS", help="Longer side of a result, at most.", low=64, whole=True),
    ] = LIMITS.side,
    max_steps: Annotated[int, limit(help="Steps of a run, at most.", low=2, whole=True)] = (
        LIMITS.steps
    ),
    max_seconds: Annotated[
        float, limit(help="Seconds of a run, at most.", low=0, open_low=True)
    ] = LIMITS.seconds,
    jobs: Annotated[
        int, limit(help="Runs at the same time; others wait.", low=1, whole=True)
    ] = LIMITS.jobs,
    max_waiting: Annotated[
        int, limit(help="Runs that may wait; others are refused.", low=1, whole=True)
    ] = LIMITS.waiting,
    max_runs_each: Annotated[
        int, limit(help="Runs of one address, on or waiting, at most.", low=1, whole=True)
    ] = LIMITS.runs_each,
    max_visitors: Annotated[
        int, limit(help="Whose pictures are kept at the same time.", low=1, whole=True)
    ] = LIMITS.visitors,
) -> None:
    """Serve a web page: pictures in, a picture out.

    On this machine alone, unless --host says otherwise. With --weights-file it offers VGG19, too,
    and with --model, a segmentation model, regions by class.
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
            runs_each=max_runs_each,
            visitors=max_visitors,
        )
        check_installed()
        with listen(host, port) as listening:
            load_tensorflow()
            from stylekit.app import server
            from stylekit.app.answers import Answers

            seer = segmenter(model, names) if model else None
            served = server.application(
                Answers(networks(weights), limits, seer),
                root_path,
                {*LOCAL, host, *(allow_host or ())},
                proxy,
            )
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
