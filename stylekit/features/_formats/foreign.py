"""VGG19 weights of other programs: file layouts, layer names and preprocessing.

The input y of stylekit's network is ``255 * picture - MEAN`` in the order blue, green, red, as in
the networks of the authors and of Keras. If another network has the input ``a * y + b``, its first
convolution is converted: the kernel K becomes a * K, and the sum of b * K is added to the bias.
Both networks pad with zeros. A zero in the input of the other network corresponds to
``y = -b / a``. The conversion is therefore exact, except in the outermost row and column of conv1_1
if b is not zero. b is not zero for torchvision, which uses a different mean. The difference is at
most the sum of ``|b * K|`` over the padded cells, where b is below 0.009 and the input has a
standard deviation of 1.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from stylekit._checks import FileError, explain
from stylekit._defaults import VGG19_BLOCKS, VGG19_MEAN
from stylekit.features._formats.matlab import variables
from stylekit.features._formats.unpickle import (
    Stored,
    UnknownObjectError,
    numpy_layers,
    torch_arrays,
)

Pair = tuple[Stored, Stored]
"""The kernel and the bias of a convolution."""

CONVENTIONS = ("auto", "torchvision", "caffe", "matconvnet")
"""Kinds of preprocessing, named after the programs that trained the networks; see `opened`."""

_CONVOLUTIONS = [
    (block, k) for block, (_, count) in enumerate(VGG19_BLOCKS, 1) for k in range(1, count + 1)
]

LAYERS = tuple(f"block{block}_conv{k}" for block, k in _CONVOLUTIONS)
"""Stylekit's names of the convolutions."""

# torchvision's numbers also count the activations after convolutions and the pooling after blocks.
_NAMES = {
    "torchvision": [f"features.{2 * n + block - 1}" for n, (block, _) in enumerate(_CONVOLUTIONS)],
    "caffe": [f"conv{block}_{k}" for block, k in _CONVOLUTIONS],
}
_NAME = re.compile(r"(?:.*\.)?(features\.\d+|conv\d+_\d+)")

_TORCH_MEAN, _TORCH_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_LONGEST_HEADER = 10**8  # bytes: the limit of the safetensors format


class _Seen(NamedTuple):
    """Input of the first convolution in terms of stylekit's input y: ``a * y + b``."""

    rgb: bool
    a: np.ndarray  # [3], red first
    b: np.ndarray


def _seen(convention: str, mean: np.ndarray | None) -> _Seen:
    ours, ones, zeros = np.array(VGG19_MEAN), np.ones(3), np.zeros(3)
    if convention == "caffe":
        return _Seen(False, ones, zeros)
    if convention == "matconvnet":
        return _Seen(True, ones, zeros if mean is None else ours - mean)
    deviation = np.array(_TORCH_DEVIATION)
    return _Seen(True, 1 / (255 * deviation), (ours / 255 - _TORCH_MEAN) / deviation)


@contextmanager
def opened(path: Path, convention: str = "auto") -> Iterator[dict[str, Pair]]:
    """Open a file and yield its convolutions, with stylekit's names and preprocessing.

    Parameters
    ----------
    path : Path
        ``.pth``, ``.pt`` or ``.safetensors``: a state dict of PyTorch. ``.npy``: a dict from layer
        names to kernels and biases, as converters of Caffe models write it. ``.mat``: a file of
        MatConvNet. The convolutions must be named ``features.0`` and so on, as in torchvision, or
        ``conv1_1`` and so on.
    convention : str
        Preprocessing of the network. "torchvision": RGB in [0, 1] minus a mean, divided by a
        standard deviation. "caffe": BGR in [0, 255] minus the mean colour of ImageNet.
        "matconvnet": RGB in [0, 255] minus the mean in the file. "auto": chosen by the suffix of
        the file, or else by the names of its layers.

    Yields
    ------
    dict of str to (kernel, bias)

    Raises
    ------
    FileError
        If the file does not contain VGG19, or contains objects that are not arrays.
    Exception
        Any exception that reading a damaged file raises.
    """
    with path.open("rb") as file:
        try:
            found, mean = _FORMATS[path.suffix.lower()](file)
        except UnknownObjectError as error:
            raise FileError(
                explain(
                    f"the weights file {path} contains objects that are not arrays",
                    expected="named arrays, such as a state_dict",
                    received=f"an object {error}, which would run code",
                    hint="write the arrays with torch.save(model.state_dict(), path) or numpy.save",
                ),
                argument="weights",
            ) from error
        names = sorted(found, key=lambda name: [int(digits) for digits in re.findall(r"\d+", name)])
        kind = "torchvision" if names and names[0].startswith("features") else "caffe"
        _check_names(path, names, _NAMES[kind])
        if convention == "auto":
            convention = "matconvnet" if path.suffix.lower() == ".mat" else kind
        pairs = {layer: found[name] for layer, name in zip(LAYERS, names, strict=False)}
        if names:
            pairs[LAYERS[0]] = _first(*pairs[LAYERS[0]], _seen(convention, mean))
        yield pairs


def _check_names(path: Path, names: list[str], known: list[str]) -> None:
    """Raise `FileError` unless `names` are the names of VGG19's first convolutions, in order."""
    for name, own, layer in zip(names, known, LAYERS, strict=False):
        if name != own:
            problem, expected = f"layer {layer}", f"a convolution {own}"
            break
    else:
        if len(names) <= len(known):
            return
        name, problem, expected = names[len(known)], "too deep", f"{len(known)} convolutions"
    raise FileError(
        explain(
            f"the weights file {path} does not match VGG19: {problem}",
            expected=expected,
            received=name,
            hint="use a file of VGG19 without batch normalization",
        ),
        argument="weights",
    )


def _first(kernel: Stored, bias: Stored, seen: _Seen) -> Pair:
    """Return the first convolution, converted to stylekit's preprocessing."""
    a, b = (values if seen.rgb else values[::-1] for values in (seen.a, seen.b))

    def read_kernel() -> np.ndarray:
        values = kernel.read() * a[:, np.newaxis]
        return values[:, :, ::-1] if seen.rgb else values

    def read_bias() -> np.ndarray:
        return bias.read() + np.einsum("hwio,i->o", kernel.read().astype("float64"), b)

    return Stored(kernel.shape, read_kernel), Stored(bias.shape, read_bias)


def _torch(file: BinaryIO) -> tuple[dict[str, Pair], None]:
    return _grouped(torch_arrays(file)), None


def _safetensors(file: BinaryIO) -> tuple[dict[str, Pair], None]:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _LONGEST_HEADER:
        raise ValueError("its header is too long")
    header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    types = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}

    def stored(name: str, told: Mapping[str, Any]) -> Stored:
        shape, (begin, end) = tuple(told["shape"]), told["data_offsets"]

        def read() -> np.ndarray:
            if told["dtype"] not in types:
                raise ValueError(f"{name} has the dtype {told['dtype']}, not float")
            dtype = np.dtype(types[told["dtype"]])
            if begin < 0 or end - begin != math.prod(shape) * dtype.itemsize:
                raise ValueError(f"{name} does not have the size that the header declares")
            file.seek(8 + length + begin)
            return np.frombuffer(file.read(end - begin), dtype).reshape(shape)

        return Stored(shape, read)

    return _grouped({name: stored(name, told) for name, told in header.items()}), None


def _grouped(arrays: Mapping[str, Stored]) -> dict[str, Pair]:
    """Return the kernels ``[height, width, in, out]`` and biases of PyTorch's arrays, by layer."""
    pairs = {}
    for full, kernel in arrays.items():
        layer, _, part = full.rpartition(".")
        named = _NAME.fullmatch(layer)
        if part == "weight" and named and len(kernel.shape) == 4:
            pairs[named[1]] = _turned(kernel), arrays[f"{layer}.bias"]
    return pairs


def _turned(kernel: Stored) -> Stored:
    out, into, height, width = kernel.shape
    return Stored((height, width, into, out), lambda: kernel.read().transpose(2, 3, 1, 0))


def _npy(file: BinaryIO) -> tuple[dict[str, Pair], None]:
    found: dict[str, Pair] = {}
    for name, arrays in numpy_layers(file).items():
        _add(found, name, {np.ndim(array): array for array in arrays})
    return found, None


def _mat(file: BinaryIO) -> tuple[dict[str, Pair], np.ndarray | None]:
    held = variables(file, ("layers", "meta", "normalization"))
    found: dict[str, Pair] = {}
    for layer in held["layers"]:
        values = layer.get("weights") or [layer.get("filters"), layer.get("biases")]
        _add(found, layer["name"], {np.ndim(one): one for one in map(np.squeeze, values)})
    told = held.get("meta", held).get("normalization", {}).get("averageImage", [])
    mean = np.squeeze(np.asarray(told, "float64"))
    if mean.ndim == 3:  # a picture
        mean = mean.mean((0, 1))
    return found, mean if mean.shape == (3,) else None


def _add(found: dict[str, Pair], name: Any, by_rank: Mapping[int, np.ndarray]) -> None:
    """Add a convolution to `found` if its name is the name of a convolution in a block."""
    if not _NAME.fullmatch(str(name)):
        return
    kernel, bias = by_rank[4], by_rank[1]
    if {kernel.dtype.kind, bias.dtype.kind} != {"f"}:
        raise ValueError(f"{name} has the dtype {kernel.dtype}, not float")
    found[str(name)] = Stored(kernel.shape, lambda: kernel), Stored(bias.shape, lambda: bias)


_FORMATS = {
    ".pth": _torch,
    ".pt": _torch,
    ".safetensors": _safetensors,
    ".npy": _npy,
    ".mat": _mat,
}
