"""Weights files as other programs write them, made by hand."""

import io
import json
import pickle
import struct
import zipfile

import numpy as np
from scipy.io import savemat

MAGIC = 0x1950A86A20F9469CFC6C


class Raw(bytes):
    """Opcodes of a pickle."""


def named(module, name):
    return Raw(f"c{module}\n{name}\n".encode())


def called(function, *arguments):
    return Raw(function + rendered(arguments) + b"R")


def rendered(value):
    """The opcodes of a value."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, tuple):
        return b"(" + b"".join(map(rendered, value)) + b"t"
    raise TypeError(value)


ORDERED = named("collections", "OrderedDict")
KINDS = {"float32": "Float", "float16": "Half", "float64": "Double", "int64": "Long"}


def state_dict(arrays, legacy=False, extra=b""):
    """The pickle that torch.save writes of tensors."""
    content = Raw(b"\x80\x02" + called(ORDERED) + b"(")
    for key, (name, array) in enumerate(arrays.items()):
        storage = ("storage", named("torch", f"{KINDS[array.dtype.name]}Storage"), str(key), "cpu")
        persistent = Raw(rendered((*storage, array.size, *((Raw(b"N"),) * legacy))) + b"Q")
        strides = tuple(stride // array.itemsize for stride in array.strides)
        rebuild = named("torch._utils", "_rebuild_tensor_v2")
        content += rendered(name)
        content += called(rebuild, persistent, 0, array.shape, strides, False, called(ORDERED))
    return content + b"u}" + rendered("_metadata") + called(ORDERED) + b"sb" + extra + b"."


def write_zip(path, arrays, **options):
    """As torch.save writes since PyTorch 1.6."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("vgg19/data.pkl", state_dict(arrays, **options))
        archive.writestr("vgg19/byteorder", "little")
        for key, array in enumerate(arrays.values()):
            archive.writestr(f"vgg19/data/{key}", array.tobytes())
    return path


def write_stream(path, arrays):
    """As torch.save wrote before, and torchvision's published weights are."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    parts = [pickle.dumps(one, 2) for one in (MAGIC, 1001, system)]
    parts += [state_dict(arrays, legacy=True)]
    parts += [pickle.dumps([str(key) for key in range(len(arrays))], 2)]
    for array in arrays.values():
        parts += [struct.pack("<q", array.size), array.tobytes()]
    path.write_bytes(b"".join(parts))
    return path


def write_safetensors(path, arrays, kinds=("F32", "F64", "F16")):
    header, content = {"__metadata__": {"format": "pt"}}, b""
    for name, array in arrays.items():
        kind = next(kind for kind in kinds if int(kind[-2:]) == 8 * array.itemsize)
        places = [len(content), len(content) + array.nbytes]
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": places}
        content += array.tobytes()
    told = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(told)) + told + content)
    return path


def write_npy(path, layers, protocol=4, module=None):
    """As numpy.save writes a dict; of protocol 2 as Python 2 reads it, too."""
    value, buffer = np.array(layers, dtype=object), io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(buffer, header)
    content = pickle.dumps(value, protocol)
    if module:
        content = content.replace(np._core.multiarray.__name__.encode(), module.encode())
    path.write_bytes(buffer.getvalue() + content)
    return path


def write_mat(path, layers, average=None, older=False, **options):
    """As MatConvNet keeps a network."""
    cells = np.empty((1, len(layers)), object)
    for n, (name, (kernel, bias)) in enumerate(layers.items()):
        pair = np.empty((1, 2), object)
        pair[0, 0], pair[0, 1] = kernel, bias[np.newaxis]
        weights = {"filters": kernel, "biases": bias[np.newaxis]} if older else {"weights": pair}
        cells[0, n] = {"name": name, "type": "conv", **weights}
    told = {} if average is None else {"averageImage": average}
    about = {"normalization": told} if older else {"meta": {"normalization": told}}
    savemat(path, {"layers": cells, "classes": "cat", **about}, **options)
    return path
