"""What an option may be: numbers within limits, which its help tells, and names to complete."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from stylekit._checks import did_you_mean, fail, integer, number, span, status
from stylekit._defaults import VGG19_BLOCKS
from stylekit.cli._app import plain_errors
from stylekit.cli._help import NAMES

if TYPE_CHECKING:
    import numpy as np

LAYERS = tuple(
    f"conv{block}_{k}"
    for block, (_, count) in enumerate(VGG19_BLOCKS, 1)
    for k in range(1, count + 1)
)
"""The convolutions of the networks, by the literature's names."""

_KERAS_NAMES = (
    *(re.sub("^conv(.)_", r"block\1_conv", name) for name in LAYERS),
    *(f"block{block}_pool" for block in range(1, len(VGG19_BLOCKS) + 1)),
)


def within(
    *names: str,
    help: str,
    low: float,
    high: float = math.inf,
    open_low: bool = False,
    whole: bool = False,
    **options: Any,
) -> Any:
    """Return an option for numbers within limits, as of `stylekit._checks.number`.

    The limits are told in its help. A value that is no number, or beyond them, is refused in the
    voice of the library, as a wrong value of a function is.

    Parameters
    ----------
    *names : str
        As of `typer.Option`, which is also given `options`.
    help : str
        Ends with a full stop.
    low, high, open_low
        The limits, as of `stylekit._checks.number`.
    whole : bool
        Whether only whole numbers are.
    """

    def check(param: typer.CallbackParam, value: Any) -> Any:
        name = max(param.opts, key=len)
        with plain_errors():
            if isinstance(value, (list, tuple)):
                return [read(one, name) for one in value]
            if value is None:
                return [] if param.multiple else None
            return read(value, name)

    def read(value: Any, name: str) -> Any:
        if isinstance(value, str):
            value = _parsed(value, name, whole)
        if whole:
            return integer(value, name, low=int(low), high=high)
        return number(value, name, low=low, high=high, open_low=open_low)

    limits = span(low, high, open_low=open_low)
    return typer.Option(
        *names,
        help=f"{help} {limits[0].upper()}{limits[1:]}.",
        parser=_as_written,
        callback=check,
        **{"metavar": "NUMBER", **options},
    )


def _as_written(text: Any) -> Any:
    """Leave a value to the check, which knows the option's name."""
    return text


def _parsed(text: str, name: str, whole: bool) -> int | float:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        fail(f"{name} is not {kind}", expected=f"such as {1 if whole else 0.5}", received=text)


def whole_numbers(given: str, option: str) -> tuple[int, ...]:
    """Return the numbers, at least 1, of a list with commas."""
    numbers = [int(_parsed(part.strip(), option, whole=True)) for part in given.split(",")]
    return tuple(integer(one, option, low=1) for one in numbers)


def layer_names(given: str, option: str) -> tuple[str, ...] | dict[str, float]:
    """Return the layers of a list with commas; with weights, as conv1_1:2, a mapping to them.

    Raises
    ------
    InputError
        If one is of no network, before a network is built, or a weight is no number of at least 0.
    """
    parts = [layer.strip().partition(":") for layer in given.split(",")]
    for name, colon, weight in parts:
        if re.sub("^relu", "conv", name) not in (*LAYERS, *_KERAS_NAMES):
            fail(
                f"{option} names no layer {name!r}",
                expected=f"names with commas, from {LAYERS[0]} to {LAYERS[-1]}",
                received=given,
                hint=did_you_mean(name, LAYERS),
            )
        if colon:
            about = f"the weight of {name} in {option}"
            number(_parsed(weight, about, whole=False), about, low=0)
    if not any(colon for _, colon, _ in parts):
        return tuple(name for name, _, _ in parts)
    return {name: float(weight) if colon else 1.0 for name, colon, weight in parts}


def mask_file(path: Path) -> tuple[Path, int | None]:
    """Return the file of a mask, and the label that is meant by ``FILE:LABEL``, if one is."""
    name, _, label = str(path).rpartition(":")
    if name and label.isdecimal() and status(path) is None:
        return Path(name), int(label)
    return path, None


def read_mask(path: Path, shape: tuple[int, int] | None = None, name: str = "mask") -> np.ndarray:
    """Return a mask from ``FILE`` or ``FILE:LABEL``, checked by `masks.as_mask`."""
    from stylekit.masks import as_mask

    NAMES.set(NAMES.get({}) | {"label": ":LABEL", "as_mask": "its name"})
    path, label = mask_file(path)
    return as_mask(path, shape, name=name, label=label)


def keep_apart(out: Path, read: Iterable[Any]) -> None:
    """Refuse to write a picture over a file that is read; what is no path is passed over.

    Raises
    ------
    InputError
        If `out` is one of the files, or in a list among them.
    """
    for path in read:
        if isinstance(path, list):
            keep_apart(out, path)
        elif isinstance(path, Path) and _is_same(mask_file(path)[0], out):
            fail(
                f"--out names {path}, a picture that is read",
                expected="another file to write",
                received=out,
                hint="choose another name: the picture would be lost",
            )


def _is_same(path: Path, out: Path) -> bool:
    one, other = status(path), status(out, "written")
    return one is not None and other is not None and os.path.samestat(one, other)


def complete_layers(incomplete: str) -> list[str]:
    """Complete the last of a list of layers with commas."""
    before, comma, last = incomplete.rpartition(",")
    taken = before.split(",")
    return [f"{before}{comma}{name}" for name in _begun(LAYERS, last) if name not in taken]


def one_of(*values: str) -> Callable[[str], list[str]]:
    """Return a completion for one of some values."""

    def complete(incomplete: str) -> list[str]:
        return _begun(values, incomplete)

    return complete


def complete_classes(incomplete: str) -> list[str]:
    """Complete a class of PASCAL VOC, which are the ones that a model has unless it is told."""
    from stylekit.masks.segmenters.deeplab import VOC_NAMES

    return _begun(VOC_NAMES[1:], incomplete)


def _begun(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
