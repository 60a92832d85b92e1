"""Read variables of MATLAB files of level 5: arrays, texts, cells and structs.

SciPy's reader is not used, because some damaged files crash it together with the process.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

# Codes of the types of elements ("MAT-File Format", table 1-1).
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}
_NUMBERS |= {12: "i8", 13: "u8"}
_TEXTS = {1: "latin1", 2: "latin1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15

# Codes of the classes of arrays (table 1-3).
_CELL, _STRUCT, _CHAR = 1, 2, 4
_CLASSES = dict(enumerate(("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"), 6))

_LEAST, _MOST = 10**7, 20
"""Upper limits of the size of a decompressed variable: in bytes, and as a multiple of its
compressed size. Weights hardly compress."""


def variables(file: BinaryIO, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the variables `names` of a file by name. The whole file is read.

    Cells are returned as lists, structs as dicts, arrays of structs as lists of dicts, texts as
    str, and numbers as numpy.ndarray.

    Raises
    ------
    ValueError
        If the file is not of level 5 or is damaged, or a variable has an unsupported type.
    Exception
        Any exception of the modules struct and zlib for a damaged file.
    """
    content = file.read()
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("it is not a MATLAB file of a version before 7.3")
    found = {}
    for kind, inside in _elements(memoryview(content)[128:], order):
        if kind == _COMPRESSED:
            unpacked = zlib.decompressobj().decompress(inside, _LEAST + _MOST * len(inside))
            kind, inside = next(_elements(memoryview(unpacked), order))
        if kind != _MATRIX:
            raise ValueError(f"it holds an element of the unsupported type {kind}")
        name, value = _matrix(inside, order, names)
        if name in names:
            found[name] = value
    return found


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield the type and the content of each element."""
    place = 0
    while place < len(content):
        (word,) = struct.unpack_from(f"{order}I", content, place)
        if word >> 16:  # the short format
            kind, size, start, after = word & 0xFFFF, word >> 16, place + 4, place + 8
        else:
            kind, size = struct.unpack_from(f"{order}II", content, place)
            start = place + 8
            after = start + size + (0 if kind == _COMPRESSED else -size % 8)
        if start + size > min(after, len(content)):
            raise ValueError("an element is longer than the file")
        yield kind, content[start : start + size]
        place = after


def _matrix(
    content: memoryview, order: str, names: tuple[str, ...] | None = None
) -> tuple[str, Any]:
    """Return the name and the value of an array. The value is None if `names` lacks the name."""
    if not content:
        return "", np.zeros((0, 0))
    parts = _elements(content, order)
    kind = struct.unpack(f"{order}I", next(parts)[1][:4])[0] & 0xFF
    shape = [int(side) for side in _numbers(*next(parts), order)]
    name = str(next(parts)[1], "latin1")
    if names is not None and name not in names:
        return name, None
    count = math.prod(shape)
    if min(shape) < 0 or (count > 1 and count > len(content)):
        raise ValueError("an array is larger than the file")

    def inner() -> Any:
        return _matrix(next(parts)[1], order)[1]

    if kind == _CELL:
        return name, [inner() for _ in range(count)]
    if kind == _STRUCT:
        length = int(_numbers(*next(parts), order)[0])
        told = bytes(next(parts)[1])
        cut = [told[place : place + length] for place in range(0, len(told), length)]
        fields = [text.partition(b"\0")[0].decode("latin1") for text in cut]
        structs = [{field: inner() for field in fields} for _ in range(count)]
        return name, structs[0] if count == 1 else structs
    if kind == _CHAR:
        coded, text = next(parts, (16, memoryview(b"")))
        ending = {"<": "-le", ">": "-be"}[order] if _TEXTS[coded][-2:] in ("16", "32") else ""
        return name, str(text, _TEXTS[coded] + ending)
    values = _numbers(*next(parts), order).astype(_CLASSES[kind], copy=False)
    return name, values.reshape(shape, order="F")


def _numbers(kind: int, content: memoryview, order: str) -> np.ndarray:
    return np.frombuffer(content, f"{order}{_NUMBERS[kind]}")
