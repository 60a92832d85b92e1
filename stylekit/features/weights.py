"""Find, download, verify and read the weights of networks."""

from __future__ import annotations

import dataclasses
import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from stylekit._checks import FOREIGN_WEIGHTS, FileError, explain, vgg19_file
from stylekit._npz import array_header, read_array
from stylekit.features._formats import foreign
from stylekit.features._formats.unpickle import Stored

ENVIRONMENT_VARIABLE = "STYLEKIT_WEIGHTS"
"""Environment variable with the path of a weights file to use instead of the download."""


@dataclasses.dataclass(frozen=True)
class Download:
    """A published weights file.

    Attributes
    ----------
    name : str
        File name in Keras's cache.
    url : str
        Address of the file.
    md5 : str
        MD5 checksum of the file.
    """

    name: str
    url: str
    md5: str

    @property
    def cached(self) -> Path:
        """Path at which Keras keeps the downloaded file."""
        home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
        return Path(home, "models", self.name)


def locate(download: Download) -> Path:
    """Return the path of a weights file. The file is downloaded if necessary.

    Parameters
    ----------
    download : Download
        The file to download with `keras.utils.get_file`, which uses Keras's cache and verifies the
        checksum. Not used if the environment variable ``STYLEKIT_WEIGHTS`` names a file.

    Returns
    -------
    Path

    Raises
    ------
    FileError
        If the file named by the environment variable does not exist, or the download failed. The
        message names the file, the places that were searched, and what to do.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        return vgg19_file(named, f"the environment variable {ENVIRONMENT_VARIABLE}")
    with suppress(OSError):
        # If the cache folder does not exist, Keras uses a temporary folder instead.
        download.cached.parent.mkdir(parents=True, exist_ok=True)
    try:
        return Path(
            keras.utils.get_file(
                download.name,
                download.url,
                cache_subdir="models",
                file_hash=download.md5,
                cache_dir=str(download.cached.parents[1]),
            )
        )
    except Exception as error:  # raised by urllib, sockets, the file system or the checksum
        raise FileError(
            f"the weights {download.name} could not be downloaded from {download.url} ({error}). "
            f"{ENVIRONMENT_VARIABLE} is not set, and {download.cached} is missing or has a wrong "
            "checksum. Download the file on another machine and give its path as `weights`, or in "
            f"{ENVIRONMENT_VARIABLE}; or use the compact network, which is part of stylekit, as "
            "`extractor`.",
            argument="weights",
        ) from error


def read_convolutions(
    path: Path, shapes: Mapping[str, tuple[int, int, int, int]], convention: str = "auto"
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read the kernels and biases of convolutions from a weights file.

    Parameters
    ----------
    path : Path
        An ``.h5`` file of Keras, or an ``.npz`` file with arrays ``layer/kernel`` and
        ``layer/bias``. For VGG19 also a file that `foreign.opened` reads.
    shapes : mapping of str to (height, width, channels in, channels out)
        The layers to read, and the shapes of their kernels. Other layers in the file are ignored.
    convention : str
        Preprocessing of the network; see `foreign.opened`.

    Returns
    -------
    dict of str to (kernel, bias)
        The kernel is float32 ``[height, width, in, out]``, and the bias float32 ``[out]``.

    Raises
    ------
    FileError
        If the file is truncated or corrupt, or belongs to another network. The message names the
        layer and describes what is wrong with it.
    """
    result = {}
    with _reading(path), _opened(path, convention) as (stored, _):
        for layer, shape in shapes.items():
            found = stored(layer)
            shapes_found = [array.shape for array in found]
            if shapes_found != [tuple(shape), tuple(shape[-1:])]:
                raise FileError(
                    explain(
                        f"the weights file {path} does not match the network: layer {layer}",
                        expected=f"kernel {tuple(shape)} and bias {tuple(shape[-1:])}",
                        received=" and ".join(map(str, shapes_found)),
                    ),
                    argument="weights",
                )
            kernel, bias = (array.read().astype(np.float32, copy=False) for array in found)
            if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
                raise FileError(
                    f"the weights file {path} is corrupt: layer {layer} holds NaN or infinity. "
                    "Get the file again.",
                    argument="weights",
                )
            result[layer] = kernel, bias
    return result


def held_layers(path: Path) -> list[str]:
    """Return the names of the layers whose weights a file holds.

    Raises
    ------
    FileError
        If the file is truncated or corrupt, or is not a weights file.
    """
    with _reading(path), _opened(path) as (_, held):
        return held()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileError:
        raise
    except Exception as error:  # HDF5, zipfile and NumPy raise errors of many types
        raise FileError(
            f"the weights file {path} is truncated or corrupt, or has an unknown format ({error}). "
            "Get the file again.",
            argument="weights",
        ) from error


def _opened(path: Path, convention: str = "auto"):
    """Open a weights file.

    Returns a context manager that yields two functions. The first maps the name of a layer to its
    kernel and bias. The second returns the names of the layers.
    """
    suffix = path.suffix.lower()
    if suffix in FOREIGN_WEIGHTS:
        return _open_foreign(path, convention)
    return _open_npz(path) if suffix == ".npz" else _open_h5(path)


@contextmanager
def _open_foreign(path: Path, convention: str):
    with foreign.opened(path, convention) as pairs:

        def stored(layer: str) -> list[Stored]:
            if layer not in pairs:
                raise _no_layer(path, layer, list(pairs))
            return list(pairs[layer])

        yield stored, lambda: list(pairs)


@contextmanager
def _open_npz(path: Path):
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        held = sorted({name.rpartition("/")[0] for name in names} - {""})

        def array(name: str) -> Stored:
            shape, dtype = array_header(archive, name)
            _check_floats(name, dtype)
            return Stored(shape, lambda: read_array(archive, name))

        def stored(layer: str) -> list[Stored]:
            pair = [f"{layer}/kernel", f"{layer}/bias"]
            if not set(pair) <= set(names):
                raise _no_layer(path, layer, held)
            return [array(name) for name in pair]

        yield stored, lambda: held


@contextmanager
def _open_h5(path: Path):
    with h5py.File(path, "r") as file:
        # A saved model keeps its weights in this group.
        root = _member(file, "model_weights") if "model_weights" in file else file

        def held() -> list[str]:
            return [name for name in root if _datasets(_member(root, name))]

        def stored(layer: str) -> list[Stored]:
            found = _datasets(_member(root, layer)) if layer in root else []
            # The names of kernel and bias depend on the version of Keras (kernel:0,
            # block1_conv1_W_1:0). Their numbers of axes do not.
            by_rank = {item.ndim: item for item in found}
            if set(by_rank) != {1, 4}:
                raise _no_layer(path, layer, held())
            return [_of_dataset(by_rank[rank]) for rank in (4, 1)]

        yield stored, held


def _member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """Return a member of a group. Raise `ValueError` if it is a soft or external link."""
    _check_link(name, group.get(name, getlink=True))
    return group[name]


def _check_link(name: str, link: Any) -> None:
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"{name} is a link to another place or file")


def _datasets(item: h5py.Group | h5py.Dataset) -> list[h5py.Dataset]:
    if isinstance(item, h5py.Dataset):
        return [item]
    found: list[h5py.Dataset] = []
    links: list[tuple[str, Any]] = []
    item.visititems_links(lambda *link: links.append(link))
    for name, link in links:
        _check_link(name, link)
    item.visititems(lambda _, one: found.append(one) if isinstance(one, h5py.Dataset) else None)
    return found


def check_arrays(group: h5py.Group) -> None:
    """Raise `ValueError` unless an HDF5 file contains all its arrays, complete and uncompressed."""
    for item in _datasets(group):
        _check_stored(item)
        if (item.size or 0) * item.dtype.itemsize > item.id.get_storage_size():
            raise ValueError(f"{item.name} declares more data than the file holds")


def _check_stored(item: h5py.Dataset) -> None:
    if item.external or item.is_virtual:
        raise ValueError(f"{item.name} stores its values in another file")
    # Compressed data can expand to any size, and a chunk can be larger than its array.
    filters = item.id.get_create_plist().get_nfilters()
    if filters or math.prod(item.chunks or ()) > (item.size or 0):
        raise ValueError(f"{item.name} is compressed, or its chunks are larger than the array")


def _of_dataset(item: h5py.Dataset) -> Stored:
    _check_stored(item)
    _check_floats(item.name, item.dtype)
    return Stored(item.shape, lambda: item[()])


def _check_floats(name: str, dtype: np.dtype) -> None:
    if dtype.kind != "f":
        raise ValueError(f"{name} has the dtype {dtype}, not float")


def _no_layer(path: Path, layer: str, held: list[str]) -> FileError:
    return FileError(
        explain(
            f"the weights file {path} has no convolution {layer}",
            received="layers " + (", ".join(held) or "none"),
            hint="give a file that holds it, or choose other layers",
        ),
        argument="weights",
    )
