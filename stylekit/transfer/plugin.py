"""Common parts of optimizers and parametrisations: settings, and errors that name the object."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Container, Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf

from stylekit._checks import settings_of

SETTINGS = (bool, int, float, str, tuple, type(None))
"""Types of attributes that are settings."""


class Plugin:
    """Base class of objects whose settings are saved in the manifest and checkpoint of a run."""

    _kind = "plug-in"

    def get_config(self) -> dict[str, Any]:
        """Return the settings by name. A run is only resumed if the settings have not changed.

        Default: the public attributes that are numbers, strings, tuples or None.
        """
        attributes = vars(self).items()
        return {k: v for k, v in attributes if k[0] != "_" and isinstance(v, SETTINGS)}

    def __repr__(self) -> str:
        settings = (
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value!r}"
            for name, value in settings_of(self, named(self)).items()
        )
        return f"{type(self).__name__}({', '.join(settings)})"


def named(plugin: Plugin) -> str:
    """Return the name of an object in errors: its kind and its class, such as "optimizer Adam"."""
    return f"{plugin._kind} {type(plugin).__name__}"


def described(value) -> str:
    """Return a description of a value for an error: its type, or a hint to call a class."""
    if isinstance(value, type):
        return f"the class {value.__name__} itself; write {value.__name__}(...)"
    return f"{type(value).__name__} {value!r}" if isinstance(value, str) else type(value).__name__


@contextlib.contextmanager
def tracing(
    plugin: Plugin, method: str, advice: str, known: Container[Exception] = ()
) -> Iterator[None]:
    """Name a plug-in in errors of a traced method, and warn if the method loses state.

    Parameters
    ----------
    plugin : Plugin
    method : str
    advice : str
        A sentence that says where to keep state instead.
    known : container of Exception
        Errors of other objects that the method calls. The name is not added to these errors.

    Warns
    -----
    UserWarning
        If the method changes an attribute while it is traced.
    """
    before = _attributes(plugin)
    try:
        yield
    except Exception as error:
        if error not in known:
            error.add_note(f"in {named(plugin)}, method {method}")
        raise
    if tf.executing_eagerly():  # for example with `tf.config.run_functions_eagerly`
        return
    after = _attributes(plugin)
    changed = [k for k, v in after.items() if k not in before or not _equal(v, before[k])]
    if changed:
        warnings.warn(
            f"The {named(plugin)} changed {', '.join(f'self.{k}' for k in changed)} in {method}. "
            f"`{method}` is traced: its Python code runs once for each size, and the attribute is "
            f"a constant in all steps. {advice}",
            stacklevel=2,
        )


def _attributes(plugin: Plugin) -> dict[str, Any]:
    """Return the attributes, with copies of those that may be changed in place."""
    kinds = (list, dict, set, np.ndarray)
    return {k: v.copy() if isinstance(v, kinds) else v for k, v in vars(plugin).items()}


def _equal(one, other) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other)
    if isinstance(one, list | set | dict) and type(one) is type(other) and len(one) == len(other):
        pairs: Iterable[tuple[Any, Any]] = zip(one, other, strict=True)
        if isinstance(one, dict) and isinstance(other, dict):
            pairs = chain(pairs, zip(one.values(), other.values(), strict=True))
        return all(a is b for a, b in pairs)
    return one is other
