"""The command line program, its error messages, and the import of TensorFlow."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stylekit._checks import SetupError, StylekitError, did_you_mean, fail
from stylekit._version import __version__
from stylekit.cli._help import (
    NAMES,
    PARSER_ERROR,
    Chapter,
    Typer,
    examples,
    explain_usage,
    write_groups,
)
from stylekit.cli._interrupt import INTERRUPTED, leave, on_interrupt
from stylekit.cli._plugin import failure

_PHRASES = {
    "the content map": "content_map",
    "the style map": "style_map",
    "the content picture": "content",
    "the style picture": "style",
}
"""Phrases for pictures in messages of the library, mapped to the arguments with these pictures."""


class Program(TyperGroup):
    """The program. Its help lists the commands in groups, each with its first sentence."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands group by group, and then the options."""
        groups: dict[str, list] = {chapter: [] for chapter in Chapter}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                chapter = getattr(command, "rich_help_panel", None) or Chapter.other
                # With a long limit, a sentence longer than the line is wrapped, not cut off.
                groups.setdefault(chapter, []).append((name, command.get_short_help_str(1000)))
        records = (parameter.get_help_record(ctx) for parameter in self.get_params(ctx))
        groups["Options"] = [record for record in records if record]
        write_groups(formatter, groups)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options before the command's name; raises as `Command.parse_args` does."""
        NAMES.set({})
        try:
            return super().parse_args(ctx, args)
        except PARSER_ERROR as error:
            if type(error).__name__ == "NoArgsIsHelpError":
                raise
            explain_usage(error, ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is named first; raise `InputError` if it does not exist.

        The word ``help`` prints the help, or the help of the command that follows it.
        """
        if args[0] == "help" and len(args) > 1:
            args = [args[1], "--help"]
        elif args[0] == "help":
            typer.echo(ctx.get_help())
            raise typer.Exit
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            fail(
                f"unknown command {args[0]}",
                hint=did_you_mean(args[0], self.list_commands(ctx))
                or f"run {ctx.command_path} -h for the list of commands",
            )
        return super().resolve_command(ctx, args)

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Parse the options before the command's name, within `plain_errors`."""
        with plain_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, within `plain_errors`."""
        with plain_errors():
            return super().invoke(ctx)


app = Typer(
    name="stylekit",
    cls=Program,
    help="Neural style transfer: paint a photograph in the style of another picture.",
    epilog=examples(
        "demo",
        "transfer photo.jpg painting.jpg",
        "transfer -h",
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=True,
)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Print the version if ``--version`` is given."""
    if version:
        typer.echo(f"stylekit {__version__}")
        raise typer.Exit


def in_options(message: str, argument: str | None = None) -> str:
    """Return a message of the library in which options replace the library's argument names.

    Parameters
    ----------
    message : str
        A message with arguments in backticks, as from `stylekit._checks.explain`.
    argument : str, optional
        The library's argument that caused the error. If the message does not contain the option
        of this argument, the option is put in front of the message.
    """
    names = NAMES.get({})
    message = re.sub(r"`(\w+)`", lambda found: names.get(found[1], found[0]), message)
    for phrase, name in _PHRASES.items():
        if name in names:
            message = message.replace(phrase, names[name])
    if argument in names and names[argument] not in message:
        named = re.match(rf"{argument}(?=[\s\[':])", message)
        rest = message[named.end() :] if named else f": {message}"
        message = names[argument] + rest
    return message


@contextmanager
def plain_errors() -> Iterator[None]:
    """Print errors of stylekit and of the user's own code as one message, and exit with status 2.

    Every error of the command line is printed here, in the form ``stylekit: message``. Other
    exceptions are bugs of stylekit and keep their traceback. Ctrl-C exits with status 130.
    """
    try:
        yield
    except StylekitError as error:
        message = in_options(str(error), error.argument)
        if notes := getattr(error, "__notes__", ()):  # the object whose code raised it
            message += f" Raised {', '.join(notes)}."
        status = 2
    except KeyboardInterrupt:
        message, status = "interrupted before there was a picture to keep.", INTERRUPTED
    except Exception as error:
        message, status = failure(error), 2
        if not message:
            raise
    else:
        return
    typer.echo(f"stylekit: {message}", err=True)
    raise typer.Exit(status)


def load_tensorflow() -> None:
    """Import TensorFlow, and let it allocate GPU memory only as needed."""
    with on_interrupt(leave):
        try:
            import keras  # noqa: F401
            import tensorflow as tf
        except (ImportError, ValueError) as error:  # a backend that is not installed
            raise SetupError(
                f"Keras cannot be loaded: {error}. Style transfer needs its TensorFlow backend: "
                "unset KERAS_BACKEND, or set it to tensorflow."
            ) from error

        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)


def main() -> None:
    """Run the command line."""
    # A path in a message may have characters that the terminal's encoding lacks.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    warnings.showwarning = tell
    app(prog_name="stylekit")


def tell(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Print a warning of category `UserWarning`; other categories concern programmers only."""
    if category is UserWarning:
        typer.echo(f"stylekit: warning: {in_options(str(message))}", err=True)
