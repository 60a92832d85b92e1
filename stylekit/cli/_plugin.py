"""The user's own losses, segmenters and functions, given as ``MODULE:NAME``."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from stylekit._checks import (
    InputError,
    absent,
    caused_by,
    did_you_mean,
    explain,
    fail,
    naming,
    status,
)

FORM = "MODULE:NAME, such as my_losses:ChannelMean or my_losses.py:ChannelMean"

WHERE = "name an installed module, a module in the current folder, or a .py file"

_LOADED: dict[str, tuple[str, str]] = {}
"""Packages from which objects were loaded, each mapped to the option with its value and the name
of the object."""


def loaded(text: str, option: str) -> Any:
    """Return the object ``MODULE:NAME`` of the current folder or an installed package.

    Parameters
    ----------
    text : str
        A module, or the path of a file that ends in ``.py``; a colon; and a name in it.
    option : str
        Option for messages.

    Raises
    ------
    InputError, FileError
        If the text does not have this form, the module cannot be imported, or it lacks the name.
    """
    module_name, name = check_named(text, option)
    try:
        module = _module(module_name)
    except Exception as error:  # the user's module can raise anything
        raise InputError(
            explain(
                f"{option} {text}: {module_name} cannot be imported",
                received=f"{type(error).__name__}: {error}",
                hint=WHERE,
            )
        ) from error
    if not hasattr(module, name):
        fail(
            f"{option} {text}: {module_name} has no {name}",
            hint=did_you_mean(name, [one for one in vars(module) if not one.startswith("_")]),
        )
    package = module.__name__.partition(".")[0]
    if package != "stylekit":
        _LOADED[package] = f"{option} {text}", name
    return getattr(module, name)


def check_named(text: str, option: str) -> tuple[str, str]:
    """Return the module and the name of ``MODULE:NAME``, without importing the module.

    Raises
    ------
    InputError, FileError
        If the text does not have this form, or the module does not exist.
    """
    module_name, _, name = text.rpartition(":")
    if not (module_name and name.isidentifier()):
        fail(f"{option} cannot be read", expected=FORM, received=text)
    path = Path(module_name)
    if path.suffix == ".py":
        if status(path) is None:
            raise absent(path, f"{option} {text}: {path}", "a Python file")
        return module_name, name
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    package = module_name.partition(".")[0]
    if not package or importlib.util.find_spec(package) is None:
        fail(
            f"{option} {text}: {module_name} cannot be imported",
            received=f"No module named {package!r}",
            hint=WHERE,
        )
    return module_name, name


def failure(error: Exception) -> str:
    """Return the message for an error in the user's own code, or "" for any other error."""
    notes = getattr(error, "__notes__", ())
    frames = list(traceback.walk_tb(error.__traceback__))
    for package, (told_by, name) in _LOADED.items():
        own = [
            (frame.f_code.co_filename, line)
            for frame, line in frames
            if frame.f_globals.get("__name__", "").partition(".")[0] == package
        ]
        if not own and not any(re.search(rf"\b{name}\b", note) for note in notes):
            continue
        places = [f"{file}, line {line}" for file, line in own[-1:]]
        places += [note for note in notes if told_by not in note]
        where = f" ({'; '.join(places)})" if places else ""
        problem = f"{type(error).__name__}: {error}".rstrip(": .")
        return f"{told_by} failed with {problem}{where}."
    return ""


def checked(text: str, option: str, names: Sequence[str]) -> str:
    """Return `text` if it is one of `names` or has the form ``MODULE:NAME``, else raise."""
    if ":" in text:
        check_named(text, option)
    elif text not in names:
        fail(
            f"{option} is unknown",
            expected=f"{', '.join(names)}, or {FORM}",
            received=text,
            hint=did_you_mean(text, names),
        )
    return text


def resolved(text: str, option: str) -> Any:
    """Return the object that ``MODULE:NAME`` names, and any other text unchanged."""
    return loaded(text, option) if ":" in text else text


def extended(recipe: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """Return a recipe function that adds the losses of ``--add-loss`` to its recipes.

    The returned function has a parameter ``add_loss``, whose default is `names`, so that a batch
    records the losses.

    Raises
    ------
    InputError, FileError
        If a loss cannot be loaded.
    """
    added = [(loaded(text, "--add-loss"), f"--add-loss {text}") for text in names]
    if not added:
        return recipe

    @functools.wraps(recipe)
    def more(*pictures: Any, **technique: Any) -> Any:
        made = recipe(*pictures, **technique)
        with caused_by("add_loss"):
            for loss, told_by in added:
                made.add(own_loss(loss, made, told_by))
        return made

    own = inspect.signature(recipe)
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [*own.parameters.values()]
    parameters.append(inspect.Parameter("add_loss", keyword, default=tuple(names)))
    parameters.sort(key=lambda one: one.kind)  # **options must come last
    more.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return more


def own_loss(value: Any, recipe: Any, told_by: str) -> Any:
    """Return the `Loss` that ``--add-loss`` names.

    Parameters
    ----------
    value : Loss or callable
        A class or function is called with the arguments ``content``, ``style``, ``styles`` and
        ``reference``, if it has parameters with these names. The arguments are the recipe's
        content, first style, all styles, and again the first style, as arrays.
    recipe : Recipe
    told_by : str
        Option and value for messages.

    Raises
    ------
    InputError
        If the callable has other parameters without a default, or does not return a loss.
    """
    from stylekit.losses import Loss

    if isinstance(value, Loss):
        return value
    if not callable(value):
        _refuse(told_by, type(value).__name__)
    style = recipe.styles[0] if recipe.styles else None
    given = {"content": recipe.content, "style": style, "reference": style}
    given["styles"] = recipe.styles
    parameters = inspect.signature(value).parameters.values()
    arguments = {one.name: given[one.name] for one in parameters if one.name in given}
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    for one in parameters:
        if one.kind in kinds or one.name in arguments or one.default is not one.empty:
            continue
        fail(
            f"{told_by} has a parameter {one.name!r} without a default",
            expected="parameters named content, style, styles or reference, or with a default",
            hint="name a function that calls it and returns the loss",
        )
    with naming(f"in {told_by}"):
        loss = value(**arguments)
    if not isinstance(loss, Loss):
        _refuse(told_by, type(loss).__name__)
    return loss


def _refuse(told_by: str, received: str) -> NoReturn:
    fail(
        f"{told_by} is not a loss",
        expected="an object of a class derived from stylekit.losses.Loss, or a class or function "
        "that returns one",
        received=received,
    )


def _module(name: str) -> Any:
    if not name.endswith(".py"):
        return importlib.import_module(name)
    stem = os.path.splitext(os.path.basename(name))[0]
    spec = importlib.util.spec_from_file_location(stem, name)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} cannot be loaded as a module")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(stem, module)
    spec.loader.exec_module(module)
    return module
