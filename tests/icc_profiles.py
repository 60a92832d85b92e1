"""Colour profiles made by hand, with the exact conversion that they stand for."""

import struct

import numpy as np

D50 = (0.9642, 1.0, 0.8249)
ADOBE = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
ADOBE_GAMMA = 563 / 256


def _fixed(*values):
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _xyz(values):
    return b"XYZ \0\0\0\0" + _fixed(*values)


def _curve(gamma):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def _profile(device, space, pcs, tags):
    text = b"made by a test\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0" + text,
        b"wtpt": _xyz(D50),
        **tags,
    }
    offset = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += struct.pack(">4sII", name, offset + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    header = struct.pack(
        ">I4sI4s4s4s6H4s",
        offset + len(data),
        bytes(4),
        0x02100000,
        device,
        space,
        pcs,
        2000,
        1,
        1,
        0,
        0,
        0,
        b"acsp",
    )
    header += bytes(28) + _fixed(*D50)
    return header.ljust(128, b"\0") + table + data


def adobe_rgb():
    columns = {b"rXYZ": 0, b"gXYZ": 1, b"bXYZ": 2}
    tags = {name: _xyz(ADOBE[:, k]) for name, k in columns.items()}
    tags |= {name: _curve(ADOBE_GAMMA) for name in (b"rTRC", b"gTRC", b"bTRC")}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def linear_grey():
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _curve(1.0)})


def red_ink_cmyk():
    """Paper is white, and any ink makes it the Lab colour (50, 70, 50), a red."""
    corners = [(255, 128, 128)] + [(128, 198, 178)] * 15
    identity = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut += identity * 4 + bytes(np.array(corners, np.uint8).ravel()) + identity * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": lut})


def encode_srgb(linear):
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def adobe_to_srgb(values):
    """The exact conversion of [..., 3] values, out of gamut clipped."""
    return encode_srgb(np.asarray(values, float) ** ADOBE_GAMMA @ (np.linalg.inv(SRGB) @ ADOBE).T)


def grey_with(curve):
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve})
