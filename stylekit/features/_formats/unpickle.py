"""Read arrays from pickles of PyTorch and NumPy without running code of the file.

A pickle contains the names of functions that build its objects, and a reader calls these functions.
Here only listed names are accepted. They are mapped to functions and classes of this module, which
only store their arguments.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np


class Stored(NamedTuple):
    """An array in a file. Only its shape has been read so far."""

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


Order = Literal["<", ">"]
"""Byte order: little-endian or big-endian."""


class _Storage(NamedTuple):
    """A one-dimensional array in a PyTorch file."""

    dtype: str
    key: str
    length: int

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.length * np.dtype(self.dtype).itemsize


class _Tensor(NamedTuple):
    """A tensor in a PyTorch file. It is a view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, content: bytes, order: Order) -> np.ndarray:
        """Return the array from the bytes of its storage."""
        if not self.storage.dtype.startswith("f"):
            raise ValueError(f"a tensor has the dtype {self.storage.dtype}, not float")
        count, strides = 1, []
        for side in reversed(self.shape):
            strides.append(count)
            count *= side
        if tuple(reversed(strides)) != tuple(self.strides):
            raise ValueError("a tensor is not contiguous")
        dtype = np.dtype(self.storage.dtype).newbyteorder(order)
        values = np.frombuffer(content, dtype, count, self.offset * dtype.itemsize)
        return values.reshape(self.shape)


_STORAGES = {"Half": "f2", "Float": "f4", "Double": "f8", "Long": "i8", "Int": "i4"}
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_LONGEST = 10**7  # bytes of the pickle in a zip file of PyTorch. The pickle of VGG19 has 3000


class UnknownObjectError(ValueError):
    """Raised if a pickle contains an object that is built by a function that is not listed."""


class _Unpickler(pickle.Unpickler):
    """An unpickler that accepts listed names only."""

    def __init__(self, file: BinaryIO, known: Mapping[str, Any]) -> None:
        super().__init__(file, encoding="latin1")
        self._known = known
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return the replacement of a name, or raise `UnknownObjectError`."""
        if f"{module}.{name}" not in self._known:
            raise UnknownObjectError(f"{module}.{name}")
        return self._known[f"{module}.{name}"]

    def persistent_load(self, told: Any) -> _Storage:
        """Return the storage to which a PyTorch pickle refers."""
        kind, dtype, key, _, count, *_ = told
        if kind != "storage" or dtype not in _STORAGES.values() or count < 0:
            raise ValueError(f"it holds an unsupported {kind}")
        storage = _Storage(dtype, str(key), int(count))
        return self.storages.setdefault(storage.key, storage)


def _load(file: BinaryIO, known: Mapping[str, Any]) -> tuple[Any, dict[str, _Storage]]:
    """Return the object in the next pickle of a file, and its storages."""
    start = file.tell()
    for code, value, place in pickletools.genops(file):
        # The memo table of the unpickler grows to its largest index.
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(value or 0) > (place or 0):
            raise ValueError("its table of objects is larger than the file")
    file.seek(start)
    unpickler = _Unpickler(file, known)
    return unpickler.load(), unpickler.storages


def _torch_names() -> dict[str, Any]:
    def rebuilt(storage: Any, offset: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
        if not isinstance(storage, _Storage) or min((offset, *shape), default=0) < 0:
            raise ValueError("a tensor is damaged")
        return _Tensor(storage, offset, tuple(shape), tuple(strides))

    class Named(dict):
        """A dict that can have attributes, in which PyTorch stores versions."""

    return {
        "collections.OrderedDict": Named,
        "torch._utils._rebuild_tensor_v2": rebuilt,
        "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
        **{f"torch.{name}Storage": dtype for name, dtype in _STORAGES.items()},
    }


def torch_arrays(file: BinaryIO) -> dict[str, Stored]:
    """Return the tensors of a file that ``torch.save(model.state_dict(), ...)`` wrote.

    Parameters
    ----------
    file : binary file
        A zip file, or a file with the layout that PyTorch used before version 1.6, such as
        torchvision's published weights. The file must stay open, because the arrays are read later.

    Returns
    -------
    dict of str to Stored

    Raises
    ------
    UnknownObjectError
        If the file contains objects that are not tensors.
    ValueError
        If the file has a different format.
    Exception
        Any exception of the modules pickle and zipfile for a damaged file.
    """
    tensors, content = _of_zip(file) if zipfile.is_zipfile(file) else _of_stream(file)
    if not isinstance(tensors, dict):
        raise ValueError("it does not hold a dict of tensors")

    def stored(tensor: _Tensor) -> Stored:
        return Stored(tensor.shape, lambda: tensor.of(*content(tensor.storage)))

    return {str(k): stored(v) for k, v in tensors.items() if isinstance(v, _Tensor)}


def _of_zip(file: BinaryIO) -> tuple[Any, Callable[[_Storage], tuple[bytes, Order]]]:
    archive = zipfile.ZipFile(file)
    names = set(archive.namelist())
    root = next(name for name in names if name.split("/")[-1] == "data.pkl").removesuffix(
        "data.pkl"
    )
    if archive.getinfo(f"{root}data.pkl").file_size > _LONGEST:
        raise ValueError("its list of tensors is too long")
    told = f"{root}byteorder"
    order: Order = ">" if told in names and archive.read(told) == b"big" else "<"
    tensors, _ = _load(io.BytesIO(archive.read(f"{root}data.pkl")), _torch_names())

    def content(storage: _Storage) -> tuple[bytes, Order]:
        entry = archive.getinfo(f"{root}data/{storage.key}")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != storage.size:
            raise ValueError(
                f"{entry.filename} is compressed, or its size does not match its tensor"
            )
        return archive.read(entry), order

    return tensors, content


def _of_stream(file: BinaryIO) -> tuple[Any, Callable[[_Storage], tuple[bytes, Order]]]:
    file.seek(0)
    names = _torch_names()
    magic, protocol, system = (_load(file, names)[0] for _ in range(3))
    if (magic, protocol) != (_MAGIC, _PROTOCOL):
        raise ValueError("torch.save did not write it")
    order: Order = "<" if system["little_endian"] else ">"
    tensors, storages = _load(file, names)
    keys, _ = _load(file, names)
    places: dict[str, int] = {}
    for key in keys:
        count = int.from_bytes(file.read(8), "little" if order == "<" else "big", signed=True)
        if count != storages[str(key)].length:
            raise ValueError("the size of a storage does not match its tensor")
        places[str(key)] = file.tell()
        file.seek(storages[str(key)].size, io.SEEK_CUR)

    def content(storage: _Storage) -> tuple[bytes, Order]:
        file.seek(places[storage.key])
        return file.read(storage.size), order

    return tensors, content


class _Kind:
    """The dtype of an array in a NumPy pickle."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code, self.order = code, "<"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]


class _Array:
    """An array in a NumPy pickle. It contains floats or a single object."""

    value: Any = None

    def __setstate__(self, state: Any) -> None:
        *_, shape, kind, by_columns, content = state
        if kind.code.startswith("O"):
            (self.value,) = content
        elif kind.code in ("f2", "f4", "f8") and kind.order in "<>":
            content = content.encode("latin1") if isinstance(content, str) else content
            values = np.frombuffer(content, kind.order + kind.code)
            if min(shape, default=0) < 0 or math.prod(shape) != values.size:
                raise ValueError("an array is damaged")
            self.value = values.reshape(shape, order="F" if by_columns else "C")
        else:
            raise ValueError(f"it holds an array of the dtype {kind.order}{kind.code}")


def numpy_layers(file: BinaryIO) -> dict[str, list[np.ndarray]]:
    """Return the arrays of a dict that ``numpy.save`` wrote, by key. The whole file is read.

    The values of the dict must be lists or dicts of float arrays.

    Raises
    ------
    UnknownObjectError
        If the file contains objects of other types.
    ValueError
        If the file has a different format.
    Exception
        Any exception of the module pickle for a damaged file.
    """
    versions = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, _, dtype = versions[np.lib.format.read_magic(file)](file)
    if shape or not dtype.hasobject:
        raise ValueError("it is an array, not a dict of layers")
    names: dict[str, Any] = {
        f"{module}._reconstruct": lambda *_: _Array()
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    }
    names |= {"numpy.dtype": _Kind, "numpy.ndarray": "", "_codecs.encode": _encoded}
    layers = _load(file, names)[0].value
    if not isinstance(layers, dict):
        raise ValueError("it is not a dict of layers")
    return {
        str(name): [one.value for one in (pair.values() if isinstance(pair, dict) else pair)]
        for name, pair in layers.items()
    }


def _encoded(text: str, _: str) -> bytes:
    return text.encode("latin1")  # Python 3 writes bytes for Python 2 in this way
