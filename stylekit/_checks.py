"""Argument checks and the error classes.

Every message says what is wrong, what was expected, what was received and what to do. Front ends
(the command line, the web page) show the errors of these classes as one sentence. Other exceptions
are defects of the library and keep their traceback.
"""

from __future__ import annotations

import difflib
import json
import math
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from numbers import Real
from pathlib import Path
from typing import Any, NoReturn

FOREIGN_WEIGHTS = (".pth", ".pt", ".safetensors", ".npy", ".mat")
"""Suffixes of VGG19 weights files that other programs write."""


class StylekitError(Exception):
    """Base class of the errors that stylekit raises on purpose.

    Attributes
    ----------
    argument : str or None
        Name of the argument that caused the error, or None if no single argument did. The
        constructor also accepts a name as used in messages: ``"masks[3]"`` becomes ``"masks"``, and
        text that is not a parameter name, such as ``"a blend's picture"``, becomes None.
    """

    def __init__(self, message: str, *, argument: str | None = None) -> None:
        super().__init__(message)
        self.argument = _parameter(argument)


class InputError(StylekitError, ValueError):
    """Raised for an argument with an invalid value."""


class InputTypeError(StylekitError, TypeError):
    """Raised for an argument of an invalid type."""


class FileError(StylekitError, OSError):
    """Raised for a file or folder that cannot be read or written."""


class SetupError(StylekitError, RuntimeError):
    """Raised if a requirement of the installation is missing, such as a package or a backend."""


@contextmanager
def caused_by(argument: str) -> Iterator[None]:
    """Set `argument` of every stylekit error that is raised in a ``with`` block."""
    try:
        yield
    except StylekitError as error:
        error.argument = _parameter(argument)
        raise


@contextmanager
def renamed(**names: str) -> Iterator[None]:
    """Rename `argument` of the stylekit errors raised in a ``with`` block, by ``old="new"``."""
    try:
        yield
    except StylekitError as error:
        error.argument = names.get(error.argument or "", error.argument)
        raise


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Add a note such as ``"in loss 'mean', ..."`` to exceptions of a ``with`` block."""
    try:
        yield
    except Exception as error:
        error.add_note(where)
        raise


def name_of(function: Any) -> str:
    """Return the name of a function, or the class name of another callable."""
    return getattr(function, "__name__", type(function).__name__)


def settings_of(owner: Any, where: str) -> dict[str, Any]:
    """Return the settings that an object's `get_config` returns, as a dict.

    Parameters
    ----------
    owner : object
        A loss, an optimizer or a parametrisation.
    where : str
        Name of the object in errors, such as ``"optimizer Adam"``.

    Returns
    -------
    dict

    Raises
    ------
    InputTypeError
        If `get_config` does not return a mapping from strings.
    """
    with naming(f"in {where}, method get_config"):
        config = owner.get_config()
        if not isinstance(config, Mapping) or not all(isinstance(key, str) for key in config):
            raise InputTypeError(
                explain(
                    "`get_config` returned the wrong type",
                    expected="a dict of settings by name",
                    received=_brief(config),
                )
            )
    return dict(config)


def explain(problem: str, *, expected: str = "", received: Any = "", hint: str = "") -> str:
    """Return an error message in the format of the library.

    Messages put the names of arguments in backticks, as in "lower `min_share`". Front ends replace
    such a name by the name that they use for the argument.

    Parameters
    ----------
    problem : str
        What is wrong, as a clause without a final full stop.
    expected, received : optional
        What was expected, and what was received.
    hint : str, optional
        What to do, as a clause without a final full stop, or as a question.

    Returns
    -------
    str
        ``"problem: expected ..., received .... Hint."``
    """
    facts = [f"expected {expected}"] if expected else []
    if received != "":
        facts.append(f"received {received}")
    text = problem + (": " + ", ".join(facts) if facts else "") + "."
    if hint:
        text += " " + hint[0].upper() + hint[1:] + ("" if hint.endswith("?") else ".")
    return text


def fail(
    problem: str,
    *,
    expected: str = "",
    received: Any = "",
    hint: str = "",
    argument: str | None = None,
) -> NoReturn:
    """Raise `InputError` with a message from `explain`, and set the argument that caused it."""
    message = explain(problem, expected=expected, received=received, hint=hint)
    raise InputError(message, argument=argument)


def number(
    value: Any,
    name: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open_low: bool = False,
    argument: str | None = None,
) -> float:
    """Return `value` as a finite float in [low, high], or in (low, high] if `open_low` is True.

    Messages begin with `name`. `argument` is stored in the error as the argument that caused it.
    Default: `name`, if that is an identifier.

    Raises
    ------
    InputTypeError
        If `value` is not a real number.
    InputError
        If `value` is not finite or out of range.
    """
    limits = _limits("number", low, high, open_low)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputTypeError(
            explain(f"{name} is not a number", expected=limits, received=_brief(value)),
            argument=argument or name,
        )
    try:
        result = float(value)
    except OverflowError:  # an int beyond the range of floats
        result = math.inf
    below = result <= low if open_low else result < low
    if not math.isfinite(result) or below or result > high:
        _out_of_range(value, name, limits, argument or name)
    return result


def integer(
    value: Any, name: str, *, low: int, high: float = math.inf, argument: str | None = None
) -> int:
    """Return `value` as an int in [low, high]. Floats raise an error, even if they are integral.

    `name` and `argument` are as in `number`.

    Raises
    ------
    InputTypeError
        If `value` is not an integer.
    InputError
        If `value` is out of range.
    """
    limits = _limits("whole number", low, high, False)
    try:
        result = None if isinstance(value, bool) else value.__index__()
    except (AttributeError, TypeError):  # TypeError: an array has the method, but raises
        result = None
    if result is None:
        raise InputTypeError(
            explain(f"{name} is not a whole number", expected=limits, received=_brief(value)),
            argument=argument or name,
        )
    if result < low or result > high:
        _out_of_range(value, name, limits, argument or name)
    return result


def choice(value: Any, name: str, options: Iterable[Any], *, argument: str | None = None) -> Any:
    """Return `value` if it is one of `options`, else raise `InputError`.

    `name` and `argument` are as in `number`.
    """
    options = tuple(options)
    if value not in options:
        fail(
            f"{name} is unknown",
            expected="one of " + ", ".join(map(repr, options)),
            received=repr(value),
            hint=did_you_mean(str(value), [str(o) for o in options]),
            argument=argument or name,
        )
    return value


def check_options(
    function: str, given: Iterable[str], known: Iterable[str], *, expected: str = ""
) -> None:
    """Raise `InputTypeError` if a function was called with an unknown keyword argument."""
    known = list(known)
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known)
            message = explain(f"{function} has no option {name!r}", expected=expected, hint=hint)
            raise InputTypeError(message, argument=name)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"did you mean ...?"`` with the nearest names of `known`, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return "did you mean " + " or ".join(near) + "?" if near else ""


def suggest_names(module: str) -> None:
    """Make a module suggest the nearest public name for an attribute that it lacks.

    Python itself does so only in the traceback of a script, not in a notebook, and only for names
    that differ by a few letters.
    """
    scope = vars(sys.modules[module])
    load = scope.get("__getattr__")  # a package whose names load when they are first used has one

    def find(name: str) -> Any:
        if load is not None and name in scope["__all__"]:
            return load(name)
        known = {each.lower(): each for each in scope["__all__"]}
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f". Did you mean: {known[near[0]]!r}?" if near else ""
        # `name` without `obj` keeps Python from adding its own suggestion.
        raise AttributeError(f"module {module!r} has no attribute {name!r}{hint}", name=name)

    scope["__getattr__"] = find


def manifest_beside(path: Path) -> Path:
    """Return the path of a picture's manifest: the picture's path with the suffix .json.

    Parameters
    ----------
    path : pathlib.Path
        Path of the picture, which need not exist.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    FileError
        If the path already exists and is not a manifest: another file, a folder or a broken link.
    """
    beside = path.with_suffix(".json")
    if os.path.lexists(beside) and not _is_manifest(beside):
        raise FileError(
            explain(
                f"{beside} would be overwritten by the manifest of {path}",
                expected="no such file, or an earlier manifest",
                received="another file",
                hint="move it, or write the picture under another name or as a .png, which "
                "contains its manifest",
            ),
            argument="path",
        )
    return beside


def _is_manifest(path: Path, most: int = 2**24) -> bool:
    """Return whether a file is the manifest of a run and has at most `most` bytes."""
    try:
        if not path.is_file() or path.stat().st_size > most:
            return False
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # unreadable, not JSON, or nested too deeply
        return False
    return isinstance(held, dict) and isinstance(held.get("stopped_by"), str)


def span(low: float, high: float = math.inf, *, open_low: bool = False) -> str:
    """Return a description of a range: ``"at least 1"``, ``"above 0"``, ``"from 0 to 1"``."""
    if high == math.inf:
        return f"above {low:g}" if open_low else f"at least {low:g}"
    return f"above {low:g} and up to {high:g}" if open_low else f"from {low:g} to {high:g}"


def is_address(path: Path) -> bool:
    """Return whether a path is a URL."""
    return not {"http:", "https:", "ftp:"}.isdisjoint(path.parts)


def absent(path: Path, name: str, kind: str, argument: str | None = None) -> FileError:
    """Return the error for a file that does not exist. It suggests similar names in the folder.

    Parameters
    ----------
    path : pathlib.Path
        Path of the missing file.
    name : str
        Name of the file in the message.
    kind : str
        The expected kind of file, such as "a picture file".
    argument : str, optional
        Name of the argument that contains the path.

    Returns
    -------
    FileError
    """
    if is_address(path):
        # A `Path` has lost one of the two slashes.
        problem = f"{re.sub(':/+', '://', name)} is a web address"
        hint = "download it first, and give its path"
        return FileError(explain(problem, expected=kind, hint=hint), argument=argument)
    problem, folder = f"{name} does not exist", path.parent
    if not is_folder(folder, argument=argument or "path"):
        beyond = f"a path whose folder, {folder.absolute()}, does not exist either"
        message = explain(problem, expected=kind, received=beyond, hint="check the path")
        return FileError(message, argument=argument)
    stems: dict[str, list[str]] = {}
    with suppress(OSError):  # no permission to list the folder
        for entry in folder.iterdir():
            if entry.is_file():
                stems.setdefault(entry.stem.lower(), []).append(entry.name)
    # Stems are compared, because a common suffix makes all names similar.
    near = difflib.get_close_matches(path.stem.lower(), stems, n=2)
    names = sorted(name for stem in near for name in stems[stem])[:3]
    hint = "did you mean " + " or ".join(names) + "?" if names else "check the name"
    message = explain(problem, expected=f"{kind} in {folder.resolve()}", hint=hint)
    return FileError(message, argument=argument)


def as_path(path: Any, argument: str = "path", hint: str = "") -> Path:
    """Return a path, or raise `InputTypeError` for other types, such as bytes and arrays."""
    if not isinstance(path, str | os.PathLike):
        raise InputTypeError(
            explain(
                f"`{argument}` is not a path",
                expected="a string or os.PathLike",
                received=type(path).__name__,
                hint=hint,
            ),
            argument=argument,
        )
    return Path(os.fsdecode(path))


def absolute_paths(value: Any) -> Any:
    """Return a value in which the paths of files are absolute, also inside containers."""
    # A plain name such as "gram" is not a path, even if a file of that name exists.
    named = isinstance(value, os.PathLike) or (isinstance(value, str) and Path(value).suffix)
    if named and os.path.isfile(value):
        return Path(os.fsdecode(value)).absolute()
    if isinstance(value, Mapping):
        return {key: absolute_paths(one) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(absolute_paths, value))
    return value


def status(path: Path, use: str = "read", argument: str = "path") -> os.stat_result | None:
    """Return the status of a path, following links, or None if it does not exist.

    Raises
    ------
    FileError
        If the system cannot return the status, for example because the name is too long. The
        message says that the path "cannot be read" or "cannot be written", according to `use`.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise unusable(str(path), use, error, argument) from error


def is_folder(path: Path, use: str = "read", argument: str = "path") -> bool:
    """Return whether `path` is a folder. Raises the errors of `status`."""
    there = status(path, use, argument)
    return there is not None and stat.S_ISDIR(there.st_mode)


def unusable(name: str, use: str, error: Exception, argument: str = "path") -> FileError:
    """Return the error for a file that the system refuses to read or write."""
    return FileError(
        explain(
            f"{name} cannot be {use}",
            received=getattr(error, "strerror", None) or str(error),
            hint="check the name and the permissions",
        ),
        argument=argument,
    )


def unwritable(name: str, path: Path, error: Exception, argument: str = "path") -> FileError:
    """Return the error for a file or folder at `path` that the system refuses to write."""
    return FileError(
        explain(
            f"{name} cannot be written",
            expected=f"free space and permission to write in {path.parent}",
            received=getattr(error, "strerror", None) or str(error),
            hint="choose another folder or format, or free some space on the disk",
        ),
        argument=argument,
    )


def vgg19_file(path: str | os.PathLike, told_by: str, argument: str = "weights") -> Path:
    """Return `path` if it exists and has a suffix of VGG19 weights files; see `weights_file`."""
    return weights_file(path, told_by, argument, (".h5", ".npz", *FOREIGN_WEIGHTS))


def weights_file(
    path: str | os.PathLike,
    told_by: str,
    argument: str = "weights",
    endings: Sequence[str] = (".h5", ".npz"),
) -> Path:
    """Return `path` as an absolute path if it exists and has a suffix of weights files.

    Parameters
    ----------
    path : path
        Path of the file.
    told_by : str
        Where the path was specified, such as ``"weights="``. It is part of the messages.
    argument : str
        Name of the argument, which is stored in the errors.
    endings : sequence of str
        Accepted suffixes. The suffix .hdf5 is always accepted.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    FileError
        If the file does not exist, is a folder or has another suffix.
    InputTypeError
        If `path` is not a path.
    """
    path = as_path(path, argument)
    if path.suffix.lower() not in (*endings, ".hdf5"):
        raise FileError(
            explain(
                f"{path}, named by {told_by}, is not a weights file",
                expected=f"a file ending in {', '.join(endings[:-1])} or {endings[-1]}",
                received=path.suffix or "no suffix",
                hint="give the path of such a file",
            ),
            argument=argument,
        )
    if is_folder(path, argument=argument):
        raise FileError(
            explain(
                f"{path}, named by {told_by}, is a folder",
                expected="a weights file",
                hint="name a file in it",
            ),
            argument=argument,
        )
    if status(path, argument=argument) is None:
        name = f"the weights file {path}, named by {told_by},"
        raise absent(path, name, "a weights file", argument)
    return path.absolute()  # a network may be sent to a process with another working directory


def check_place(path: Path, argument: str = "path") -> None:
    """Raise `FileError` if `path` is a folder, or its parent folder does not exist."""
    if is_folder(path, "written", argument):
        raise FileError(
            explain(
                f"{path} is a folder",
                expected="the path of a file to write",
                hint=f"name a file in it, such as {path / 'out'}{path.suffix or '.png'}",
            ),
            argument=argument,
        )
    folder = Path(os.path.realpath(path)).parent  # if `path` is a link, the folder of its target
    if not is_folder(folder, "written", argument):
        raise FileError(
            explain(
                f"{path} cannot be written",
                expected="a folder that exists",
                received=str(folder),
                hint="create the folder first, or correct the path",
            ),
            argument=argument,
        )


def _parameter(name: str | None) -> str | None:
    """Return the parameter in a name: ``masks`` for ``masks[3]``; None if there is none."""
    name = (name or "").partition("[")[0]
    return name if name.isidentifier() else None


def _out_of_range(value: Any, name: str, limits: str, argument: str) -> NoReturn:
    fail(f"{name} is out of range", expected=limits, received=value, argument=argument)


def _limits(kind: str, low: float, high: float, open_low: bool) -> str:
    if low == -math.inf and high == math.inf:
        return f"a finite {kind}"
    of = " of" if high == math.inf and not open_low else ""
    return f"a {kind}{of} {span(low, high, open_low=open_low)}"


def _brief(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def in_bytes(limit: int | str) -> int:
    """Return a memory limit in bytes, from a number or a text such as ``"4GB"`` or ``"800 MB"``.

    Raises
    ------
    InputError
        If `limit` is not a number of bytes or such a text.
    """
    text = str(limit).strip().lower()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", text)
    if match is None or not float(match[1]):
        fail(
            "the memory limit cannot be read",
            expected="bytes, or a number with a unit such as 4GB or 800MB",
            received=limit,
            argument="limit",
        )
    return round(float(match[1]) * (1024 if match[3] else 1000) ** " kmgt".index(match[2] or " "))


def grid_size(counts: Mapping[str, int], limit: int, name: str = "max_cells") -> int:
    """Return the number of cells of a grid, from the number of values of each parameter.

    Raises
    ------
    InputError
        If the grid has more than `limit` cells. The message calls the limit `name`.
    """
    size = math.prod(counts.values())
    if size > integer(limit, name, low=1):
        varied = [f"{count} of {key}" for key, count in counts.items() if count > 1]
        fail(
            f"the grid has {size} cells",
            expected=f"at most {limit}",
            received=" times ".join(varied),
            hint="use fewer values, vary one parameter at a time and keep its best value, "
            f"or raise {name}",
            argument=name,
        )
    return size
