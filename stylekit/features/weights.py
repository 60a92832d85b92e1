"""Where weights come from: found, verified and read, or refused with the file's name."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import keras
import numpy as np

from stylekit._checks import FileError, explain, weights_file

ENVIRONMENT_VARIABLE = "STYLEKIT_WEIGHTS"
"""Names a weights file to use instead of a download."""


@dataclasses.dataclass(frozen=True)
class Download:
    """A published weights file.

    Attributes
    ----------
    name, url, md5 : str
        Its name in Keras's cache, its address, and the MD5 of its content.
    """

    name: str
    url: str
    md5: str

    @property
    def cached(self) -> Path:
        """Where Keras keeps the file once it is downloaded."""
        home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
        return Path(home, "models", self.name)


def locate(download: Download) -> Path:
    """Return the weights file to use in place of, or from, a download.

    Parameters
    ----------
    download : Download
        Fetched by `keras.utils.get_file`, with Keras's cache and checksum, unless the environment
        variable ``STYLEKIT_WEIGHTS`` names a file.

    Returns
    -------
    Path

    Raises
    ------
    FileError
        If neither can be had; the message names the file, the places looked in and the way out.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        return weights_file(named, f"the environment variable {ENVIRONMENT_VARIABLE}")
    with suppress(OSError):
        # A cache that is not there yet Keras would pass over for a temporary folder.
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
    except Exception as error:  # urllib, sockets, disks and hashes all fail in their own way
        raise FileError(
            f"the weights {download.name} cannot be had: {ENVIRONMENT_VARIABLE} is not set, "
            f"{download.cached} is missing or not the published file, and the download from "
            f"{download.url} failed ({error}). Download the file on another machine and give its "
            f"path as `weights`, or in {ENVIRONMENT_VARIABLE}; or take the compact network, which "
            "is part of stylekit, as `extractor`.",
            argument="weights",
        ) from error


def read_convolutions(
    path: Path, shapes: Mapping[str, tuple[int, int, int, int]]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read the kernels and biases of named convolutions.

    Parameters
    ----------
    path : Path
        ``.h5`` as Keras writes a model's weights by layer name, or ``.npz`` with
        ``layer/kernel`` and ``layer/bias``.
    shapes : mapping of str to (height, width, channels in, channels out)
        The layers wanted; the file may hold others.

    Returns
    -------
    dict of str to (kernel, bias)
        float32 ``[height, width, in, out]`` and ``[out]``.

    Raises
    ------
    FileError
        If the file is truncated, corrupt, or not of this network; the message says which layer
        and what is wrong with it.
    """
    opened = _open_npz if path.suffix.lower() == ".npz" else _open_h5
    result = {}
    with _reading(path), opened(path) as arrays:
        for layer, shape in shapes.items():
            kernel, bias = (np.asarray(a, np.float32) for a in arrays(layer))
            if kernel.shape != tuple(shape) or bias.shape != tuple(shape[-1:]):
                raise FileError(
                    explain(
                        f"the weights file {path} is of another network: layer {layer}",
                        expected=f"kernel {tuple(shape)} and bias {tuple(shape[-1:])}",
                        received=f"{kernel.shape} and {bias.shape}",
                    ),
                    argument="weights",
                )
            if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
                raise FileError(
                    f"the weights file {path} is corrupt: layer {layer} holds NaN or infinity. "
                    "Get the file again.",
                    argument="weights",
                )
            result[layer] = kernel, bias
    return result


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileError:
        raise
    except Exception as error:  # HDF5, zip and NumPy's header each fail in many ways
        raise FileError(
            f"the weights file {path} is truncated, corrupt or of another kind ({error}). "
            "Get the file again.",
            argument="weights",
        ) from error


@contextmanager
def _open_npz(path: Path):
    with np.load(path, allow_pickle=False) as archive:
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("not an .npz archive")
        held = sorted({name.rpartition("/")[0] for name in archive.files} - {""})

        def arrays(layer):
            names = f"{layer}/kernel", f"{layer}/bias"
            if not set(names) <= set(archive.files):
                raise _no_layer(path, layer, held)
            return tuple(archive[name] for name in names)

        yield arrays


@contextmanager
def _open_h5(path: Path):
    with h5py.File(path, "r") as file:
        root = file.get("model_weights", file)  # a whole saved model keeps its weights there

        def arrays(layer):
            found: list[h5py.Dataset] = []
            if layer in root:
                root[layer].visititems(
                    lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None
                )
            # Keras versions name the two differently (kernel:0, block1_conv1_W_1:0); ranks agree.
            by_rank = {item.ndim: item for item in found}
            if set(by_rank) != {1, 4}:
                raise _no_layer(path, layer, [name for name in root if len(root[name])])
            return by_rank[4][()], by_rank[1][()]

        yield arrays


def _no_layer(path: Path, layer: str, held: list[str]) -> FileError:
    return FileError(
        explain(
            f"the weights file {path} has no convolution {layer}",
            received="layers " + (", ".join(held) or "none"),
            hint="give a file that holds it, or choose layers that the file reaches",
        ),
        argument="weights",
    )
