"""Values of options: numbers in a range, layers, masks, output files and completions."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from stylekit._checks import caused_by, did_you_mean, fail, integer, number, span, status
from stylekit._defaults import VGG19_BLOCKS
from stylekit.cli._help import NAMES

if TYPE_CHECKING:
    import numpy as np

LAYERS = tuple(
    f"conv{block}_{k}"
    for block, (_, count) in enumerate(VGG19_BLOCKS, 1)
    for k in range(1, count + 1)
)
"""Names of the convolutions, as in the literature."""

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
    or_zero: bool = False,
    example: str = "",
    **options: Any,
) -> Any:
    """Return an option for a number, whose help text states its range.

    Parameters
    ----------
    *names : str
        Names for `typer.Option`, which also receives `options`.
    help : str
        Help text that ends with a full stop.
    low, high, open_low
        Range, as for `stylekit._checks.number`.
    whole : bool
        Whether only integers are valid.
    or_zero : bool
        Whether 0 is valid although it is below `low`.
    example : str
        Valid value, for the error message about text that is not a number.
    """

    def check(param: typer.CallbackParam, value: Any) -> Any:
        name = max(param.opts, key=len)
        if isinstance(value, (list, tuple)):
            return [read(one, name) for one in value]
        if value is None:
            return [] if param.multiple else None
        return read(value, name)

    def read(value: Any, name: str) -> Any:
        if isinstance(value, str):
            value = _parsed(value, name, whole, example)
        if or_zero and value == 0:
            return value
        if or_zero and not low <= value <= high:
            fail(f"{name} is out of range", expected=f"0, or {limits}", received=value)
        if whole:
            return integer(value, name, low=int(low), high=high)
        return number(value, name, low=low, high=high, open_low=open_low)

    limits = span(low, high, open_low=open_low)
    return typer.Option(
        *names,
        help=f"{help} {f'Otherwise {limits}' if or_zero else limits[0].upper() + limits[1:]}.",
        parser=_as_written,
        callback=check,
        **{"metavar": "NUMBER", **options},
    )


def _as_written(text: Any) -> Any:
    """Return a value unchanged; `within` checks it later, where the option's name is known."""
    return text


def _parsed(text: str, name: str, whole: bool, example: str = "") -> int | float:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        expected = f"{kind} such as {example}" if example else kind
        fail(f"{name} is not {kind}", expected=expected, received=text)


def whole_numbers(given: str, option: str) -> tuple[int, ...]:
    """Return the integers of a comma-separated list, each at least 1."""
    numbers = [int(_parsed(part.strip(), option, whole=True)) for part in given.split(",")]
    return tuple(integer(one, option, low=1) for one in numbers)


def layer_names(given: str, option: str) -> tuple[str, ...] | dict[str, float]:
    """Return the layers of a comma-separated list, or a mapping to weights as in conv1_1:2.

    Raises
    ------
    InputError
        If no network has a layer of the name, or a weight is not a number of at least 0.
    """
    parts = [layer.strip().partition(":") for layer in given.split(",")]
    for name, colon, weight in parts:
        if re.sub("^relu", "conv", name) not in (*LAYERS, *_KERAS_NAMES):
            fail(
                f"{option} has an unknown layer {name}",
                expected=f"comma-separated names from {LAYERS[0]} to {LAYERS[-1]}",
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
    """Return the path of a mask, and the label of ``FILE:LABEL`` or None."""
    name, _, label = str(path).rpartition(":")
    if name and label.isdecimal() and status(path) is None:
        return Path(name), int(label)
    return path, None


def read_mask(path: Path, shape: tuple[int, int] | None = None, name: str = "mask") -> np.ndarray:
    """Read a mask from ``FILE`` or ``FILE:LABEL`` with `masks.as_mask`."""
    from stylekit.masks import as_mask

    NAMES.set(NAMES.get({}) | {"label": ":LABEL", "as_mask": "its name"})
    path, label = mask_file(path)
    return as_mask(path, shape, name=name, label=label)


ANIMATIONS = (".gif", ".mp4", ".mov", ".mkv", ".avi", ".webm", ".apng")
"""Suffixes of animations and videos, as which a picture cannot be written."""


def default_out(*pictures: Path, suffix: str = ".png") -> Path:
    """Return an unused file name in the current folder, joined from the input files' names.

    Examples
    --------
    >>> str(default_out(Path("photos/cat.jpg"), Path("starry.jpg")))
    'cat-starry.png'
    """
    stem = "-".join(mask_file(one)[0].stem[:40] for one in pictures)[:160]
    names = (f"{stem}{f'-{n}' if n > 1 else ''}{suffix}" for n in itertools.count(1))
    return next(path for path in map(Path, names) if not os.path.lexists(path))


def check_out(out: Path, read: Iterable[Any], bits: int = 8) -> None:
    """Check that a picture can be written to `out` and that `out` is not an input file.

    Parameters
    ----------
    out : pathlib.Path
    read : iterable
        Input files, and lists of them; other objects are ignored.
    bits : {8, 16}

    Raises
    ------
    FileError, InputError
        If `out` is an animation, an input file, in a folder that is missing or not writable, or
        of a format that does not suit `bits`.
    """
    from stylekit.image import check_writable

    if out.suffix.lower() in ANIMATIONS:
        timelapse = "--timelapse" in NAMES.get({}).values()
        fail(
            f"--out {out} is not a picture format",
            expected=".png, .jpg, .webp, .avif or .tif",
            received=out.suffix,
            hint=f"to write the run as an animation, give --timelapse {out}" if timelapse else "",
        )
    keep_apart(out, read)
    with caused_by("out"):
        check_writable(out, bits=bits)


def keep_apart(out: Path, read: Iterable[Any]) -> None:
    """Raise `InputError` if an output file is one of the input files.

    Parameters
    ----------
    out : pathlib.Path
    read : iterable
        Input files, and lists of them; other objects are ignored.
    """
    for path in read:
        if isinstance(path, list):
            keep_apart(out, path)
        elif isinstance(path, Path) and _is_same(mask_file(path)[0], out):
            fail(
                f"--out would overwrite the input file {path}",
                expected="another file",
                received=out,
                hint="choose another name",
            )


def _is_same(path: Path, out: Path) -> bool:
    one, other = status(path), status(out, "written")
    return one is not None and other is not None and os.path.samestat(one, other)


def complete_layers(incomplete: str) -> list[str]:
    """Complete the last name of a comma-separated list of layers."""
    before, comma, last = incomplete.rpartition(",")
    taken = before.split(",")
    return [f"{before}{comma}{name}" for name in _begun(LAYERS, last) if name not in taken]


def one_of(*values: str) -> Callable[[str], list[str]]:
    """Return a completion function for a fixed set of values."""

    def complete(incomplete: str) -> list[str]:
        return _begun(values, incomplete)

    return complete


def complete_classes(incomplete: str) -> list[str]:
    """Complete a class of PASCAL VOC, the default classes of a model."""
    from stylekit.masks.segmenters.deeplab import VOC_NAMES

    return _begun(VOC_NAMES[1:], incomplete)


def _begun(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
