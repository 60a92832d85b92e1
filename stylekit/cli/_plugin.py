"""Objects of the user's own, named on the command line as ``MODULE:NAME``."""

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
from typing import Any, NoReturn

from stylekit._checks import InputError, caused_by, did_you_mean, explain, fail, naming

FORM = "MODULE:NAME, such as my_losses:ChannelMean or my_losses.py:ChannelMean"

_LOADED: dict[str, tuple[str, str]] = {}
"""Options with their values, and the names in these, by the package that each was loaded from."""


def loaded(text: str, option: str) -> Any:
    """Return what ``MODULE:NAME`` names, from the current folder or what is installed.

    Parameters
    ----------
    text : str
        The module, or the path of its file, which ends in ``.py``; a colon; and the name in it.
    option : str
        What messages call it.

    Raises
    ------
    InputError
        If it has another form, the module cannot be imported, or has no such name.
    """
    module_name, colon, name = text.rpartition(":")
    if not (module_name and colon and name.isidentifier()):
        fail(f"{option} cannot be read", expected=FORM, received=text)
    try:
        module = _module(module_name)
    except Exception as error:  # whatever the user's own module raises
        raise InputError(
            explain(
                f"{option} {text}: {module_name} cannot be imported",
                received=f"{type(error).__name__}: {error}",
                hint="name a module of the current folder or an installed one, or a .py file",
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


def failure(error: Exception) -> str:
    """Return what to say of an error that was raised in, or by a call of, the user's own code.

    It is empty for any other error.
    """
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
    """Return one of some names, or ``MODULE:NAME``; raise `InputError` for anything else."""
    if text not in names and ":" not in text:
        fail(
            f"{option} is unknown",
            expected=f"{', '.join(names)}, or {FORM}",
            received=text,
            hint=did_you_mean(text, names),
        )
    return text


def resolved(text: str, option: str) -> Any:
    """Return what ``MODULE:NAME`` names, and any other text as it is."""
    return loaded(text, option) if ":" in text else text


def extended(recipe: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """Return a recipe function whose recipes have the losses, too, that ``--add-loss`` names.

    The names are the default of a parameter ``add_loss``, by which a batch knows them.

    Raises
    ------
    InputError
        If one cannot be loaded.
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
    parameters.sort(key=lambda one: one.kind)  # further options are the last
    more.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return more


def own_loss(value: Any, recipe: Any, told_by: str) -> Any:
    """Return the `Loss` that ``--add-loss`` names.

    Parameters
    ----------
    value : Loss or callable
        A class or function is called with those of ``content``, ``style`` and ``styles`` that it
        has as parameters: the content, the first style and all styles of the recipe, as arrays. A
        parameter ``reference`` is given the first style, too.
    recipe : Recipe
    told_by : str
        What messages call it.

    Raises
    ------
    InputError
        If it has other parameters without a default, or returns something else.
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
            expected="parameters of the names content, style, styles or reference, or with a "
            "default",
            hint="name a function that calls it, and returns the loss",
        )
    with naming(f"in {told_by}"):
        loss = value(**arguments)
    if not isinstance(loss, Loss):
        _refuse(told_by, type(loss).__name__)
    return loss


def _refuse(told_by: str, received: str) -> NoReturn:
    fail(
        f"{told_by} gives no loss",
        expected="an object of a class derived from stylekit.losses.Loss, or a class or function "
        "that returns one",
        received=received,
    )


def _module(name: str) -> Any:
    if not name.endswith(".py"):
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        return importlib.import_module(name)
    stem = os.path.splitext(os.path.basename(name))[0]
    spec = importlib.util.spec_from_file_location(stem, name)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} cannot be loaded as a module")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(stem, module)
    spec.loader.exec_module(module)
    return module
