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
from stylekit.cli._app import load_tensorflow
from stylekit.cli._network import check_weights_file, reason_for_vgg19
from stylekit.cli._subject import check_model, segmenter
from stylekit.cli._values import within

LIMITS = Limits()
LOCAL = ("localhost", "127.0.0.1", "::1")
limit = functools.partial(within, rich_help_panel="Limits, for a page that other people use")


def page(
    *,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on. 0.0.0.0 accepts connections from other machines; use it "
            "behind a reverse proxy if you can.",
        ),
    ] = HOST,
    port: Annotated[
        int,
        within(low=0, high=65535, whole=True, help="Port; 0 chooses a free one."),
    ] = PORT,
    root_path: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            show_default="the root",
            help="Path of the page behind a reverse proxy, such as /paint.",
        ),
    ] = "",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            show_default="localhost and the address",
            help="Host name that browsers may request, such as example.org. Repeat for several.",
        ),
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            show_default="none",
            help="Address of a reverse proxy whose X-Forwarded headers are trusted, such as "
            "127.0.0.1.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights-file",
            metavar="FILE",
            show_default="the file that STYLEKIT_WEIGHTS names, or the cached one",
            help="VGG19 weights: .h5, .npz, .pth, .safetensors, .npy or .mat.",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default="none",
            help="DeepLab segmentation model, for regions by class: .tflite, .keras, .pb or a "
            "SavedModel folder.",
        ),
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            show_default="the classes of PASCAL VOC",
            help="Names of the classes of --model, comma-separated, in the order of its outputs.",
        ),
    ] = None,
    max_upload: Annotated[
        float,
        limit(
            metavar="MEGABYTES", help="Largest picture file, in megabytes.", low=0, open_low=True
        ),
    ] = LIMITS.upload_bytes / 1e6,
    max_pixels: Annotated[
        float,
        limit(
            metavar="MILLIONS", help="Largest picture, in millions of pixels.", low=0, open_low=True
        ),
    ] = LIMITS.pixels / 1e6,
    max_size: Annotated[
        int,
        limit(
            metavar="PIXELS", help="Largest longer side of a result, in pixels.", low=64, whole=True
        ),
    ] = LIMITS.side,
    max_steps: Annotated[
        int, limit(help="Largest number of steps of a run.", low=2, whole=True)
    ] = (LIMITS.steps),
    max_seconds: Annotated[
        float, limit(help="Longest duration of a run, in seconds.", low=0, open_low=True)
    ] = LIMITS.seconds,
    jobs: Annotated[
        int, limit(help="Runs at the same time; further runs wait.", low=1, whole=True)
    ] = LIMITS.jobs,
    max_waiting: Annotated[
        int, limit(help="Runs that may wait; further runs are refused.", low=1, whole=True)
    ] = LIMITS.waiting,
    max_runs_each: Annotated[
        int,
        limit(help="Largest number of runs of one address, active or waiting.", low=1, whole=True),
    ] = LIMITS.runs_each,
    max_visitors: Annotated[
        int, limit(help="Largest number of visitors whose pictures are kept.", low=1, whole=True)
    ] = LIMITS.visitors,
) -> None:
    """Serve a web page for style transfer.

    Only this machine can open the page, unless --host is given. --weights-file adds VGG19 and more
    presets. --model adds regions by class, such as person or car.
    """
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
    check_weights_file(weights)
    if model is not None:
        check_model(model)
    check_installed()
    with listen(host, port) as listening:
        load_tensorflow()
        from stylekit.app import server
        from stylekit.app.answers import Answers

        answers = Answers(networks(weights), limits, segmenter(model, names) if model else None)
        server.warm_up(answers)
        served = server.application(
            answers,
            root_path,
            {*LOCAL, host, *(allow_host or ())},
            proxy,
        )
        host, port = listening.getsockname()[:2]
        typer.echo(f"http://{f'[{host}]' if ':' in host else host}:{port}/ (press Ctrl-C to stop)")
        server.serve(served, listening)


def check_installed() -> None:
    """Raise `SetupError` if Gradio is not installed."""
    if importlib.util.find_spec("gradio") is None:
        raise SetupError(
            explain(
                "the web page needs Gradio, which is not installed",
                hint="run pip install 'stylekit-nst[app]'",
            )
        )


def networks(weights_file: Path | None) -> dict[str, Any]:
    """Return the available networks, with the names that the page shows as keys."""
    import stylekit as sk

    available: dict[str, Any] = {"compact": sk.CompactVGG()}
    if reason_for_vgg19(weights_file):
        available["VGG19"] = sk.VGG19(weights_file or "imagenet")
    return available
