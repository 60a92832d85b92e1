"""A grid of parameters, and the labels of its values."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from stylekit._checks import InputTypeError, did_you_mean, explain, fail, settings_of
from stylekit.recipes.recipe import RUN
from stylekit.transfer.plugin import SETTINGS

KEPT = ("content", "size", "extractor", "finish", "plan", "callbacks", "checkpoint")
"""Parameters that a grid cannot have, because they are the same for all cells or are set by the
sweep."""


@dataclasses.dataclass(frozen=True)
class Axis:
    """One parameter of a grid.

    Attributes
    ----------
    name : str
    values : tuple
    labels : tuple of str
        Short names of the values, which are used in sheets and tables.
    """

    name: str
    values: tuple[Any, ...]
    labels: tuple[str, ...]


def axes_of(
    grid: Mapping[str, Iterable[Any]], recipe: Callable, fixed: Iterable[str]
) -> list[Axis]:
    """Return the axes of a grid.

    Parameters
    ----------
    grid : mapping of str to iterable, or to mapping of str to a value
        The keys of a mapping are the labels of its values.
    recipe : callable
        The recipe function, whose parameters the grid varies.
    fixed : iterable of str
        Names of the parameters that are given outside of the grid.

    Raises
    ------
    InputError, InputTypeError
        If the grid is empty or not a mapping, or a parameter is unknown, given twice or has no
        values.
    """
    if not isinstance(grid, Mapping):
        raise InputTypeError(
            explain(
                "`grid` must be a mapping",
                expected="parameters and their values, such as {'strength': [0.3, 0.6]}",
                received=type(grid).__name__,
            ),
            argument="grid",
        )
    if not grid:
        fail(
            "`grid` is empty",
            expected="at least one parameter and its values, such as {'strength': [0.3, 0.6]}",
            argument="grid",
        )
    for name in grid:
        _check_name(name, recipe)
        if name in fixed:
            fail(
                f"{name} is given twice",
                expected="the parameter in the grid, or as an option of all cells",
                received="both",
                argument="grid",
            )
    return [_axis(name, values) for name, values in grid.items()]


def points(axes: Iterable[Axis]) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Yield the parameters of each cell and their labels. The last axis varies fastest."""
    axes = list(axes)
    names = [axis.name for axis in axes]
    values = itertools.product(*(axis.values for axis in axes))
    labels = itertools.product(*(axis.labels for axis in axes))
    for value, label in zip(values, labels, strict=True):
        yield dict(zip(names, value, strict=True)), dict(zip(names, label, strict=True))


def label_of(value: Any, number: int = 1) -> str:
    """Return a short name of a value, or `number`, its position in the list, if it has no name."""
    if value is None:
        return "default"
    if isinstance(value, bool | str):
        return _short(str(value))
    if isinstance(value, os.PathLike):
        return Path(value).stem
    if isinstance(value, Real):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return " ".join(f"{label_of(key)}:{label_of(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return " ".join(label_of(one, k) for k, one in enumerate(value, 1))
    name = getattr(value, "__name__", "<")  # of a function or a class
    return str(number) if name.startswith("<") else name


def _with_settings(values: Sequence[Any]) -> dict[int, str]:
    """Return the labels of objects that have `get_config`, by their index among the values.

    A label is the class and the settings that differ among the values of that class, such as
    ``"LBFGS(history=5)"``.
    """
    kinds: dict[type, dict[int, dict[str, Any]]] = {}
    for place, value in enumerate(values):
        if not isinstance(value, type) and hasattr(value, "get_config"):
            settings = settings_of(value, type(value).__name__)
            kinds.setdefault(type(value), {})[place] = settings
    labels = {}
    for kind, configs in kinds.items():
        told = [config.items() for config in configs.values()]
        names = dict.fromkeys(name for config in configs.values() for name in config)
        for place, config in configs.items():
            differing = [
                f"{name}={label_of(config[name])}"
                for name in names
                if name in config and not all((name, config[name]) in items for items in told)
                # The name is dropped, because Keras numbers optimizers in their names.
                if name != "name" and isinstance(config[name], SETTINGS)
            ]
            labels[place] = kind.__name__ + (f"({', '.join(differing)})" if differing else "")
    return labels


def _short(text: str) -> str:
    """Return the numbers in the name of a layer, such as "4_1", and any other text unchanged."""
    return re.sub(r"^(?:block(\d+)_conv|conv(\d+)_|relu(\d+)_)(\d+)$", _numbers, text)


def _numbers(match: re.Match) -> str:
    return "_".join(filter(None, match.groups()))


def _check_name(name: Any, recipe: Callable) -> None:
    parameters = inspect.signature(recipe).parameters
    known = [key for key in (*parameters, *sorted(RUN - {*parameters})) if key not in KEPT]
    anything = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    if name in KEPT:
        fail(
            f"`{name}` cannot be varied in a grid",
            expected="one of " + ", ".join(known),
            hint="pass it to the sweep, for all cells",
            argument="grid",
        )
    if name not in known and not anything:
        fail(
            f"unknown parameter {name!r} in the grid",
            expected="one of " + ", ".join(known),
            hint=did_you_mean(str(name), known),
            argument="grid",
        )


def _axis(name: str, values: Any) -> Axis:
    if isinstance(values, Mapping):
        return _not_empty(Axis(name, tuple(values.values()), tuple(map(str, values))))
    if isinstance(values, str | bytes | os.PathLike) or not isinstance(values, Iterable):
        raise InputTypeError(
            explain(
                f"the values of {name!r} in the grid must be a list",
                expected="a list of values",
                received=repr(values),
                hint="put a single value into a list",
            ),
            argument="grid",
        )
    values = tuple(values)
    if name == "style":  # strings are paths
        shown = [Path(value) if isinstance(value, str) else value for value in values]
    else:
        shown = list(values)
    objects = _with_settings(shown)
    labels = [objects.get(k, label_of(value, k + 1)) for k, value in enumerate(shown)]
    if len(set(labels)) < len(labels):
        labels = [f"{label} ({number})" for number, label in enumerate(labels, 1)]
    return _not_empty(Axis(name, values, tuple(labels)))


def _not_empty(axis: Axis) -> Axis:
    if not axis.values:
        fail(f"{axis.name!r} in the grid has no values", expected="at least one", argument="grid")
    return axis
