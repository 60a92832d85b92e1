"""Lists the jobs of a batch from folders, patterns, lists of files, and tables."""

from __future__ import annotations

import csv
import dataclasses
import glob
import io
import itertools
import os
import string
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from stylekit._checks import (
    InputTypeError,
    absent,
    as_path,
    choice,
    did_you_mean,
    explain,
    fail,
    is_address,
    is_folder,
    manifest_beside,
    renamed,
    status,
    unusable,
)
from stylekit._defaults import BATCH_NAME, BATCH_SHEET, BATCH_TABLE
from stylekit._write import check_room
from stylekit.image import check_writable
from stylekit.image.write import prepare_folder

PathsLike: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
"""Picture files: a path, a folder, a pattern such as ``photos/*.jpg``, or several of these."""

FIELDS = ("content", "style", "index")
"""Fields that a pattern of names may have in braces."""

PAIRS = ("all", "lines")
"""Ways of pairing contents and styles."""

SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpeg"),
    *(".jpg", ".png", ".tif", ".tiff", ".webp"),
)
"""Suffixes of the files in a folder that are treated as pictures."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One picture to paint.

    Attributes
    ----------
    content, style : pathlib.Path
        The input pictures.
    output : pathlib.Path
        The output picture.
    options : mapping of str
        Options of the recipe and of `Recipe.run` for this picture alone.
    """

    content: Path
    style: Path
    output: Path
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("content", "style", "output"):
            object.__setattr__(self, name, as_path(getattr(self, name), name))


@dataclasses.dataclass(frozen=True)
class _Line:
    """A content, with the other cells of the line if the content comes from a table."""

    content: Path
    style: Path | None = None
    name: str = ""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def jobs(
    contents: PathsLike,
    styles: PathsLike | None = None,
    folder: str | os.PathLike[str] = "stylekit-batch",
    *,
    pairs: str = "all",
    name: str = BATCH_NAME,
) -> list[Job]:
    """Return the jobs of a batch, for `run`. Nothing is written.

    Parameters
    ----------
    contents : path or iterable of path
        Picture files, folders, and patterns such as ``photos/**/*.jpg``. Alternatively, a table in
        a .csv file, with one line per picture. Its columns are ``content``; ``style``, unless
        `styles` are given; ``output``, the name of the file to write; and options of the recipe and
        of `Recipe.run` by their names, such as ``strength``. An empty cell leaves the option at its
        default. Paths are relative to the folder of the table.
    styles : path or iterable of path, optional
        Picture files, folders and patterns, as in `contents`. A table is not accepted.
    folder : path
        The folder to write the pictures to.
    pairs : str
        ``"all"``: every content is painted in every style. ``"lines"``: the first content is
        painted in the first style, the second content in the second style, and so on.
    name : str
        Pattern of the names of the files to write. The fields ``content`` and ``style`` are the
        names of the input files without their suffixes. The field ``index`` counts from 1 and may
        have a width, as in ``"{index:04d}.jpg"``.

    Returns
    -------
    list of Job

    Raises
    ------
    InputError, InputTypeError, FileError
        If a picture is missing, a folder has no pictures, the table or the pattern is invalid, two
        pictures would be written to one file, or an input picture is in `folder`.

    Warns
    -----
    UserWarning
        If a folder or pattern matches files without the suffix of a picture. They are skipped.

    Examples
    --------
    >>> import stylekit as sk
    >>> todo = sk.batch.jobs("photos", ["starry.jpg", "wave.jpg"], "painted")  # doctest: +SKIP
    >>> sk.batch.run(todo, size=512, strength=0.6)  # doctest: +SKIP
    """
    folder = as_path(folder, "folder")
    choice(pairs, "pairs", PAIRS)
    lines = _lines(contents, folder)
    if any(line.style is not None for line in lines):
        if styles is not None:
            fail(
                "styles are given both as `styles` and in the table",
                expected="`styles`, or a column 'style' of the table",
                received="both",
                hint="omit one of the two",
                argument="styles",
            )
    elif styles is None:
        fail(
            "At least one style is required",
            expected="one or more pictures, or a table with a column 'style'",
            argument="styles",
        )
    else:
        lines = _paired(lines, pictures(styles, "styles", folder), pairs)
    _check_pattern(name)
    _check_apart(lines, folder)
    return _named(lines, folder, name)


def _paired(lines: list[_Line], styles: list[Path], pairs: str) -> list[_Line]:
    if pairs == "lines" and len(lines) != len(styles):
        fail(
            "the number of contents differs from the number of styles",
            expected="equal numbers, to form pairs",
            received=f"{len(lines)} and {len(styles)}",
            hint="set `pairs` to all for every content in every style",
            argument="pairs",
        )
    combined = zip(lines, styles, strict=True) if pairs == "lines" else None
    return [
        dataclasses.replace(line, style=style)
        for line, style in combined or itertools.product(lines, styles)
    ]


def _lines(contents: PathsLike, folder: Path) -> list[_Line]:
    if isinstance(contents, str | os.PathLike):
        path = as_path(contents, "contents")
        if path.suffix.lower() == ".csv" and not is_folder(path, argument="contents"):
            return list(_read(path))
    return [_Line(path) for path in pictures(contents, "contents", folder)]


def pictures(given: PathsLike, argument: str, folder: Path | None = None) -> list[Path]:
    """Return the picture files that paths, folders and patterns match.

    Parameters
    ----------
    given : path or iterable of path
    argument : str
        Name of the argument, for errors.
    folder : pathlib.Path, optional
        The folder to write to. Patterns do not match files in it.

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    InputError, InputTypeError, FileError
        If a picture is missing, or a folder or pattern matches no pictures.
    """
    if not isinstance(given, Iterable | os.PathLike):
        raise InputTypeError(
            explain(
                f"`{argument}` cannot be used",
                expected="a path, or a list of paths",
                received=type(given).__name__,
                hint="save an array with write_image first",
            ),
            argument=argument,
        )
    several = [given] if isinstance(given, str | os.PathLike) else given
    found = [
        path for one in several for path in _expanded(as_path(one, argument), argument, folder)
    ]
    if not found:
        fail(f"`{argument}` is empty", expected="at least one picture", argument=argument)
    return found


def _expanded(path: Path, argument: str, folder: Path | None) -> list[Path]:
    there = status(path, argument=argument)
    below = path
    if is_folder(path, argument=argument):
        below = Path(glob.escape(str(path)), "**")
        try:
            entries = sorted(path.iterdir())
        except OSError as error:
            raise unusable(f"the folder {path}", "read", error, argument) from error
    elif there is not None:
        return [path]
    elif glob.has_magic(str(path)) and not is_address(path):
        found = [Path(one) for one in sorted(glob.glob(str(path), recursive=True))]
        # A pattern may match results of an earlier batch in the output folder.
        written = folder and os.path.realpath(folder)
        entries = [one for one in found if os.path.realpath(one.parent) != written]
    else:
        raise absent(path, f"{path}", "a picture, a folder or a pattern", argument)
    files = [one for one in entries if not one.name.startswith(".") and not one.is_dir()]
    known = [one for one in files if one.suffix.lower() in SUFFIXES]
    others = [one.name for one in files if one.suffix.lower() not in SUFFIXES]
    if not known:
        fail(
            f"{path} has no pictures",
            expected=f"files that end in {', '.join(SUFFIXES)}",
            received=_listed(others) if others else "no files",
            hint=f"to find pictures in subfolders, use a pattern such as {below / '*.jpg'}"
            if any(one.is_dir() for one in entries)
            else "check the path",
            argument=argument,
        )
    if others:
        warnings.warn(
            f"Skipped files in {path} without a picture suffix: {_listed(others)}.", stacklevel=5
        )
    return known


def _listed(names: list[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _read(path: Path) -> Iterator[_Line]:
    """Yield the lines of a table, or raise an error that names the line."""
    if status(path, argument="contents") is None:
        raise absent(path, f"the table {path}", "a .csv file", "contents")
    try:
        text = path.read_text(encoding="utf-8-sig")  # some spreadsheets write a byte order mark
        first = text.partition("\n")[0]
        separator = ";" if first.count(";") > first.count(",") else ","
        rows = list(csv.reader(io.StringIO(text), delimiter=separator, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problem = f"the table {path}"
        raise unusable(problem, "read", error, "contents") from error
    columns = [name.strip() for name in rows[0]] if rows else []
    if "content" not in columns or "" in columns or len({*columns}) < len(columns):
        fail(
            f"the first line of {path} does not list the columns",
            expected="'content' and further columns, each once, such as content,style,strength",
            received=",".join(columns) or "nothing",
            hint="" if "content" in columns else did_you_mean("content", columns),
            argument="contents",
        )
    empty = True
    for number, row in enumerate(rows[1:], 2):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        empty = False
        if len(cells) > len(columns):
            fail(
                f"line {number} of {path} has too many cells",
                expected=f"{len(columns)}, one per column",
                received=len(cells),
                hint='put a cell that contains a comma into quotes, as in "a, b.jpg"',
                argument="contents",
            )
        yield _line(path, number, dict(zip(columns, cells, strict=False)), columns)
    if empty:
        fail(
            f"the table {path} has no pictures",
            expected="one line per picture",
            argument="contents",
        )


def _line(table: Path, number: int, cells: dict[str, str], columns: list[str]) -> _Line:
    """Return a line of a table, parsed from the texts of its cells."""
    pictures: dict[str, Path | None] = {"style": None}
    for column in ("content", "style"):
        if column not in columns:
            continue
        if not cells.get(column):
            fail(
                f"line {number} of {table} has no {column}",
                expected="the path of a picture",
                argument="contents",
            )
        path = table.parent / cells[column]
        if status(path, argument="contents") is None:
            name = f"{path}, the {column} in line {number} of {table},"
            raise absent(path, name, "a picture file", "contents")
        pictures[column] = path
    content = pictures["content"]
    assert content is not None
    names = {"content", "style", "output"}
    options = {k: _value(table, text) for k, text in cells.items() if text and k not in names}
    return _Line(content, pictures["style"], cells.get("output", ""), options)


def _value(table: Path, text: str) -> Any:
    """Return the value of a cell: a bool, a number, the path of a file, or the text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    path = table.parent / text
    return str(path) if path.suffix and path.is_file() else text


def _check_pattern(name: str) -> None:
    """Raise an error unless a pattern is a string that has only fields of `FIELDS`."""
    if not isinstance(name, str):
        raise InputTypeError(
            explain(
                "`name` must be a string", expected=repr(BATCH_NAME), received=type(name).__name__
            ),
            argument="name",
        )
    try:
        parts = [part[1:3] for part in string.Formatter().parse(name) if part[1] is not None]
        unknown = [field for field, width in parts if field not in FIELDS or "{" in (width or "")]
        if not unknown:
            name.format(content="", style="", index=1)
            return
        problem = f"has an unknown field {unknown[0]!r}"
    except ValueError as error:
        problem = f"cannot be read ({error})"
    fail(
        f"the pattern `name` {problem}",
        expected="the fields " + ", ".join(f"{{{field}}}" for field in FIELDS),
        received=repr(name),
        argument="name",
    )


def _check_apart(lines: list[_Line], folder: Path) -> None:
    """Raise an error if an input picture is in the output folder."""
    written = os.path.realpath(folder)
    parents = {path.parent for line in lines for path in (line.content, line.style) if path}
    for parent in parents:
        if os.path.realpath(parent) == written:
            fail(
                f"the results would be mixed with the input pictures in {parent}",
                expected="another output folder",
                received=str(folder),
                hint=f"name another folder, such as {folder / 'painted'}",
                argument="folder",
            )


def _named(lines: list[_Line], folder: Path, name: str) -> list[Job]:
    """Return the jobs of lines, each with the path of its output."""
    found: list[Job] = []
    taken: dict[str, str] = {BATCH_SHEET.casefold(): "the contact sheet"}
    for index, line in enumerate(lines, 1):
        assert line.style is not None
        output = line.name or name.format(
            content=line.content.stem, style=line.style.stem, index=index
        )
        argument = "contents" if line.name else "name"
        if Path(output).name != output:
            fail(
                f"{output!r} cannot be the name of an output file",
                expected="a file name without a folder",
                hint="pass the folder as `folder`",
                argument=argument,
            )
        who = f"{line.content} by {line.style}"
        names = _files_of(Path(output))
        for other in filter(None, map(taken.get, names)):
            told = "the column 'output'" if line.name else f"the pattern {name!r}"
            fail(
                f"{other} and {who} would be written to one file, {output}, by {told}",
                expected="a different name for each picture",
                hint="set `name` to a pattern with {content}, {style} or {index}",
                argument=argument,
            )
        taken |= dict.fromkeys(names, who)
        found.append(Job(line.content, line.style, folder / output, line.options))
    return found


def _files_of(output: Path) -> set[str]:
    """Return the case-folded names of the files that an output consists of."""
    # Some file systems ignore case.
    names = {output.name.casefold()}
    if output.suffix.lower() != ".png":  # its manifest is beside it
        names.add(output.with_suffix(".json").name.casefold())
    return names


def _check_outputs(jobs: Iterable[Job]) -> None:
    """Raise `InputError` if an output would overwrite another output or an input."""
    taken: set[str] = set()
    read = {os.path.realpath(path) for job in jobs for path in (job.content, job.style)}
    for job in jobs:
        names = _files_of(job.output)
        if names & taken or os.path.realpath(job.output) in read:
            fail(
                f"{job.output} would be written over another picture",
                expected="a different output for each job",
                hint="list the contents in one call of `jobs`, or choose another output",
                argument="jobs",
            )
        taken |= names


def prepared(jobs: Sequence[Job], bits: int = 8) -> Path:
    """Create the folder of jobs if necessary, and check that the outputs can be written to it.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        If there are no jobs, they have several folders, an output would overwrite another picture,
        or a format does not support `bits`.
    FileError
        If the folder cannot be created or written to, a suffix is not that of a picture format, or
        a manifest would overwrite another file.
    """
    outputs = [job.output for job in jobs]
    folders = sorted({output.parent for output in outputs})
    if len(folders) != 1:
        fail(
            "a batch needs jobs"
            if not folders
            else "the outputs of a batch are in several folders",
            expected="one or more jobs, whose outputs are in one folder",
            received=", ".join(map(str, folders)) or "no jobs",
            argument="jobs",
        )
    _check_outputs(jobs)
    with renamed(path="folder"):
        check_room(prepare_folder(folders[0]) / BATCH_TABLE)
    with renamed(path="name"):
        for output in {output.suffix.lower(): output for output in reversed(outputs)}.values():
            check_writable(output, bits=bits)
        for output in outputs:
            if output.suffix.lower() != ".png":
                manifest_beside(output)
    return folders[0]
