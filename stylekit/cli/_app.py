"""The command line's frame: the program itself, its errors, and how TensorFlow is loaded."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from stylekit._checks import SetupError, StylekitError
from stylekit._version import __version__
from stylekit.cli._help import NAMES, Program, Typer, examples
from stylekit.cli._interrupt import INTERRUPTED, leave, on_interrupt
from stylekit.cli._plugin import failure

app = Typer(
    name="stylekit",
    cls=Program,
    help="Neural style transfer: paint a photograph in the style of a picture.",
    epilog=examples(
        "demo",
        "transfer photo.jpg painting.jpg -o out.png",
        "transfer --help",
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=True,
)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.")
    ] = False,
) -> None:
    """Print the version, if that is asked for."""
    if version:
        typer.echo(f"stylekit {__version__}")
        raise typer.Exit


def in_options(message: str, argument: str | None = None) -> str:
    """Return a message of the library with its arguments as the command's options.

    Parameters
    ----------
    message : str
        With arguments in backticks, as of `stylekit._checks.explain`.
    argument : str, optional
        The one that caused it. Where the message does not name it, its option is put before.
    """
    names = NAMES.get({})
    if argument in names and f"`{argument}`" not in message and names[argument] not in message:
        named = re.match(rf"{argument}(?=[\s\[':])", message)
        rest = message[named.end() :] if named else f": {message}"
        message = names[argument] + rest
    return re.sub(r"`(\w+)`", lambda found: names.get(found[1], found[0]), message)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn errors of stylekit and of the user's own code into one sentence and status 2.

    Defects of stylekit keep their traceback. Ctrl-C, where nothing could be kept, is a sentence
    and status 130.
    """
    try:
        yield
    except StylekitError as error:
        message = in_options(str(error), error.argument)
        if notes := getattr(error, "__notes__", ()):  # in whose code it was raised
            message += f" Raised {', '.join(notes)}."
        typer.echo(f"stylekit: {message}", err=True)
        raise typer.Exit(2) from None
    except Exception as error:
        message = failure(error)
        if not message:
            raise
        typer.echo(f"stylekit: {message}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("stylekit: interrupted before there was a picture to keep.", err=True)
        raise typer.Exit(INTERRUPTED) from None


def load_tensorflow() -> None:
    """Import TensorFlow, and let it take GPU memory as it needs it."""
    with on_interrupt(leave):
        try:
            import keras  # noqa: F401
            import tensorflow as tf
        except (ImportError, ValueError) as error:  # a backend that is not there
            raise SetupError(
                f"Keras cannot be loaded: {error}. Style transfer needs its TensorFlow backend: "
                "unset KERAS_BACKEND, or set it to tensorflow."
            ) from error

        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        tf.get_logger().addFilter(_is_worth_saying)


def _is_worth_saying(record: logging.LogRecord) -> bool:
    """Return whether a warning of TensorFlow is for the user: each picture size has its trace."""
    return "triggered tf.function retracing" not in record.getMessage()


def main() -> None:
    """Run the command line."""
    # Paths in messages may hold what the terminal's encoding does not.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    warnings.showwarning = tell
    app()


def tell(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Say a warning that is meant for who runs the program; the others are for programmers."""
    if category is UserWarning:
        typer.echo(f"stylekit: {in_options(str(message))}", err=True)
