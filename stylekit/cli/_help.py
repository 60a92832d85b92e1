"""The help: options in groups, commands in groups, and the first page, all within 80 columns."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

NAMES: ContextVar[dict[str, str]] = ContextVar("NAMES")
"""What the command that runs calls each argument, such as ``--min-share`` for ``min_share``."""

GIVEN: ContextVar[frozenset[str]] = ContextVar("GIVEN")
"""The options that were written on the command line, by their long names."""

_OTHERS = {
    "client": "dask",
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
"""Arguments of the library, and the commands' parameters of another name that hold them."""


class Panel(enum.StrEnum):
    """The groups of options that several commands share, in the order of the help."""

    picture = "The picture"
    subject = "Where the subject is"
    own = "Options"
    network = "The network and its layers"
    run = "How the run goes"
    memory = "Memory and speed"
    files = "Files"


class Chapter(enum.StrEnum):
    """The groups of commands, in the order of the first page."""

    first = "To begin with"
    paint = "Paint a photograph"
    other = "More commands"
    masks = "Masks, and what needs a mask alone"
    look = "Try things out"


class Command(TyperCommand):
    """A command whose options are listed in the groups that they name."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, and the options group by group."""
        groups: dict[str, list] = {"Arguments": [], **{panel: [] for panel in Panel}}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if parameter.param_type_name == "argument":  # all are files: no word about their type
                groups["Arguments"].append((record[0].partition(" <")[0], record[1]))
            else:
                name = getattr(parameter, "rich_help_panel", None) or Panel.own
                groups.setdefault(name, []).append(record)
        write_groups(formatter, groups)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line; what is said of a wrong value leaves out whose words it is in."""
        NAMES.set(names_of(self.get_params(ctx)))
        try:
            rest = super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")  # pydantic's
            raise
        sources = ((one, ctx.get_parameter_source(one.name)) for one in self.get_params(ctx))
        written = (one for one, source in sources if source and source.name == "COMMANDLINE")
        GIVEN.set(frozenset(map(shown, written)))
        return rest


def names_of(parameters: Iterable[Any]) -> dict[str, str]:
    """Return what a command with these parameters calls the library's arguments; see `NAMES`."""
    own = {one.name: shown(one) for one in parameters}
    return {name: own[held] for name, held in _OTHERS.items() if held in own} | own


def shown(parameter: Any) -> str:
    """Return an option's long name, or a file's name in the usage."""
    options = [one for one in parameter.opts if one.startswith("--")]
    return options[0] if options else parameter.metavar


class Program(TyperGroup):
    """The program: its first page lists the commands in groups, each with its whole sentence."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands group by group, and then the options."""
        groups: dict[str, list] = {chapter: [] for chapter in Chapter}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                chapter = getattr(command, "rich_help_panel", None) or Chapter.other
                # What does not fit into the line is wrapped, and not cut off.
                groups.setdefault(chapter, []).append((name, command.get_short_help_str(1000)))
        records = (parameter.get_help_record(ctx) for parameter in self.get_params(ctx))
        groups["Options"] = [record for record in records if record]
        write_groups(formatter, groups)


def write_groups(formatter: Any, groups: dict[str, list]) -> None:
    """Write each group that is not empty under its name."""
    for name, records in groups.items():
        if records:
            with formatter.section(str(name)):
                formatter.write_dl(records)


class Typer(typer.Typer):
    """Typer, with this program's help for each command."""

    def command(self, name: str | None = None, **options: Any) -> Any:
        """Register a command, as `typer.Typer.command` does."""
        return super().command(name, **{"cls": Command, **options})


def examples(*lines: str) -> str:
    """Return the end of a command's help: lines that work as written, none of them wrapped."""
    shown = "\n".join(f"stylekit {line}" for line in lines)
    return f"Example{'s' if len(lines) > 1 else ''}:\n\n\b\n{shown}"
