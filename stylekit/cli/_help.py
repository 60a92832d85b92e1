"""Help pages: options and commands in groups, sorted by how often they are needed."""

from __future__ import annotations

import enum
import re
import shlex
import shutil
import sys
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand

from stylekit._checks import FileError, did_you_mean, fail

NAMES: ContextVar[dict[str, str]] = ContextVar("NAMES")
"""Names of the library's arguments, mapped to the options of the running command that set them,
such as ``min_share`` to ``--min-share``."""

GIVEN: ContextVar[frozenset[str]] = ContextVar("GIVEN")
"""Long names of the options that were typed on the command line."""

_OTHERS = {
    "client": "dask",
    "content_map": "doodle_map",
    "feather_radius": "feather",
    "folder": "out",
    "jobs": "contents",
    "limit": "max_memory",
    "map": "doodle_map",
    "result": "results",
    "segmenter": "seer",
    "style": "styles",
    "subject": "classes",
    "video": "content",
}
"""Names of the library's arguments, mapped to the commands' parameters that have another name."""


class Panel(enum.StrEnum):
    """Groups of options, in the order of the help text."""

    picture = "Main options"
    subject = "Masks and regions"
    own = "Options"
    look = "Appearance"
    files = "Output files"
    network = "Network"
    run = "Optimization"
    memory = "Memory and processes"
    help = "Help"


ORDER = (
    "out",
    "strength",
    "size",
    "style_loss",
    "keep_colors",
    "steps",
    "preset",
    "classes",
    "box",
    "mask",
    "style_mask",
    "style_scale",
    "style_weights",
    "init",
    "tile",
    "variation",
    "add_loss",
    "timelapse",
    "save_every",
    "checkpoint",
    "checkpoint_every",
    "host",
    "port",
    "extractor",
    "weights",
    "style_layers",
    "content_layers",
)
"""Order of the parameters within each group of the help text. Parameters that are not listed here
follow in the order of their declaration."""


class Chapter(enum.StrEnum):
    """Groups of commands, in the order of ``stylekit -h``."""

    first = "Start here"
    paint = "Parts of a picture"
    make = "Textures, doodles and light"
    many = "Many pictures, videos and settings"
    fast = "Style networks"
    masks = "Masks"
    other = "Tools"


class Command(TyperCommand):
    """A command whose options are listed in the groups that they name."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, and the options group by group."""
        groups: dict[str, list] = {"Arguments": [], **{panel: [] for panel in Panel}}
        for parameter in sorted(self.get_params(ctx), key=_place):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            text = record[1].replace(r"\[", "[")  # old versions of Typer escape brackets
            if parameter.param_type_name == "argument":  # without its type: all are files
                text = text.replace("  [required]", "")
                groups["Arguments"].append((record[0].partition(" <")[0], text))
            else:
                name = getattr(parameter, "rich_help_panel", None) or Panel.own
                panel = Panel.help if parameter.name == "help" else name
                text = re.sub(r"\[default: \((.*)\)\]", r"[default: \1]", text)
                groups.setdefault(panel, []).append((record[0], text))
        groups[Panel.help] = groups.pop(Panel.help)  # after the groups of a single command
        write_groups(formatter, groups)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words after the command's name in the usage, such as ``CONTENT STYLE``."""
        pieces = ["[OPTIONS]"]
        for one in self.get_params(ctx):
            if one.param_type_name == "argument":
                name = shown(one)
                rest = [f"[{name} ...]"] if one.nargs == -1 else []
                pieces += [name, *rest] if one.required else rest or [f"[{name}]"]
        return pieces

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line.

        Raises
        ------
        InputError
            If an option or argument is unknown, missing or has a wrong value.
        """
        NAMES.set(names_of(self.get_params(ctx)))
        ctx.allow_extra_args = True  # reported below, with a hint
        typed = list(args)  # the parser empties `args`
        try:
            rest = super().parse_args(ctx, args)
        except PARSER_ERROR as error:
            explain_usage(error, ctx)
        if rest and not ctx.resilient_parsing:
            fail(
                f"unexpected argument {rest[0]}",
                expected=usage(ctx),
                hint=_box_in_one_word(typed)
                or "put a name that has spaces in quotes" + _as_out(ctx, rest),
            )
        sources = ((one, ctx.get_parameter_source(one.name)) for one in self.get_params(ctx))
        written = (one for one, source in sources if source and source.name == "COMMANDLINE")
        GIVEN.set(frozenset(map(shown, written)))
        return rest


def _box_in_one_word(typed: list[str]) -> str:
    """Return what to write instead of ``--box 40 10 300 400``, or an empty string."""
    words = typed[typed.index("--box") + 1 :] if "--box" in typed else []
    for count in (2, 3, 4):
        box = ",".join(word.strip(",") for word in words[:count])
        if re.fullmatch(r"\d+(,\d+){3}", box) and box != words[0]:
            return f"write --box {box}, without spaces"
    return ""


def _as_out(ctx: Any, rest: list[str]) -> str:
    """Return how to write to the only argument in `rest`, or an empty string if it is no output."""
    out = next((one for one in ctx.command.get_params(ctx) if shown(one) == "--out"), None)
    if not out or out.metavar != "FILE" or ctx.params["out"] or len(rest) > 1:
        return ""
    from stylekit.image import check_writable

    try:
        check_writable(rest[0])
    except FileError:
        return ""
    return f", or give -o {rest[0]} to write the result there"


PARSER_ERROR: type[Exception] = next(
    one for one in typer.BadParameter.__mro__ if one.__name__ == "UsageError"
)
"""Base class of the errors that the parser of the command line raises."""


def explain_usage(error: Any, ctx: Any) -> NoReturn:
    """Raise an error of the command line parser as an error of stylekit.

    Raises
    ------
    InputError
        Always.
    """
    option = getattr(error, "option_name", "")
    parameters = ctx.command.get_params(ctx)
    names = [name for one in parameters for name in one.opts if name.startswith("--")]
    see = f"run {ctx.command_path} -h for help"
    match type(error).__name__:
        case "NoSuchOption":
            fail(f"unknown option {option}", hint=did_you_mean(option, names) or see)
        case "MissingParameter":
            fail(f"{shown(error.param)} is missing", expected=usage(ctx), hint=see)
        case "BadOptionUsage":
            one = next((one for one in parameters if option in one.opts), None)
            record = one.get_help_record(ctx)[0] if one else ""  # such as "--tile [x|y|both]"
            value = record.rpartition(" ")[2].strip("[]<>")
            fail(f"{option} has no value", expected=f"{option} {value}" if value else "")
        case "BadParameter" if "is not one of" in error.message:
            received, *known = re.findall("'([^']*)'", error.message)
            fail(
                f"{shown(error.param)} is unknown",
                expected=f"one of {', '.join(known)}",
                received=received,
                hint=did_you_mean(received, known),
            )
    fail(error.format_message().rstrip("."), hint=see)


def usage(ctx: Any) -> str:
    """Return the usage of a command in one line, with its required options only."""
    needed = [
        f"{shown(one)} {one.metavar}"
        for one in ctx.command.get_params(ctx)
        if one.required and one.param_type_name == "option"
    ]
    pieces = [piece for piece in ctx.command.collect_usage_pieces(ctx) if piece != "[OPTIONS]"]
    return " ".join([ctx.command_path, *pieces, *needed])


def _place(parameter: Any) -> tuple[bool, int]:
    place = ORDER.index(parameter.name) if parameter.name in ORDER else len(ORDER)
    return not parameter.required, place


def names_of(parameters: Iterable[Any]) -> dict[str, str]:
    """Return the names of the library's arguments, mapped to a command's options as in `NAMES`."""
    own = {one.name: shown(one) for one in parameters}
    return {name: own[held] for name, held in _OTHERS.items() if held in own} | own


def shown(parameter: Any) -> str:
    """Return the long name of an option, or the name of an argument in the usage."""
    options = [one for one in parameter.opts if one.startswith("--")]
    return options[0] if options else parameter.metavar


def called() -> str:
    """Return how this program was called: ``stylekit``, its path, or ``python -m stylekit``."""
    match Path(sys.argv[0]).name:
        case "__main__.py":
            return f"{shlex.quote(sys.orig_argv[0])} -m stylekit"
        case "stylekit" if shutil.which("stylekit") != sys.argv[0]:
            return shlex.quote(sys.argv[0])
    return "stylekit"


def write_groups(formatter: Any, groups: dict[str, list]) -> None:
    """Write each group that is not empty under its name."""
    for name, records in groups.items():
        if records:
            with formatter.section(str(name)):
                formatter.write_dl(records)


class Typer(typer.Typer):
    """A `typer.Typer` whose commands have the class `Command`."""

    def command(self, name: str | None = None, **options: Any) -> Any:
        """Register a `Command`, as `typer.Typer.command` registers a command."""
        return super().command(name, **{"cls": Command, **options})


def examples(*lines: str) -> str:
    """Return the examples at the end of a command's help, one per line and without wrapping."""
    shown = "\n".join(f"stylekit {line}" for line in lines)
    return f"Example{'s' if len(lines) > 1 else ''}:\n\n\b\n{shown}"
