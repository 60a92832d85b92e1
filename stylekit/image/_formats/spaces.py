"""Colour spaces that a file declares without an embedded profile: in PNG chunks or EXIF data."""

from __future__ import annotations

import functools
import os
import struct
import warnings
from typing import Any

import numpy as np
from PIL import Image

from stylekit.image._formats import heif as _heif

# Chromaticities (x, y) of white, red, green and blue of each colour space.
_D65 = (0.3127, 0.3290)
_BT709 = (_D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_ADOBE = (_D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06))

# Transfer functions to linear values, as parameters of ICC's parametric curves: a power g, or
# (g, a, b, c, d) for (a x + b)^g where x >= d and c x where x < d.
_SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_ADOBE_GAMMA = (563 / 256,)

# Code points of ITU-T H.273 (tables 2 and 3) in the cICP chunk. The perceptual quantizer (16) and
# hybrid log-gamma (18) are not supported, because they encode values brighter than white, which
# sRGB cannot represent.
_PRIMARIES = {
    1: _BT709,
    4: ((0.310, 0.316), (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: (_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: (_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: (_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: (_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: (_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_VIDEO = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_TRANSFERS = {4: (2.2,), 5: (2.8,), 8: (1.0,), 13: _SRGB, **dict.fromkeys((1, 6, 14, 15), _VIDEO)}


def code_points(im: Image.Image) -> bytes | None:
    """Return the colour code points of a PNG, AVIF or HEIC file. Pillow does not read them.

    The format is the format of a PNG cICP chunk. The image must not be loaded yet, because this
    function reads from the open file.
    """
    if "nclx_profile" in im.info:  # set by pillow-heif
        told = im.info["nclx_profile"]
        return _heif.made_points(told["color_primaries"], told["transfer_characteristics"])
    file = getattr(im, "fp", None)
    if im.format not in ("PNG", "AVIF") or file is None:
        return None
    place = file.tell()
    if im.format == "AVIF":
        file.seek(0)
        codes = None if im.info.get("icc_profile") else _heif.code_points(file.read())
        file.seek(place)
        return codes
    file.seek(8)
    try:
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"cICP":
                return file.read(4)
            if kind == b"IDAT":
                break
            file.seek(length + 4, os.SEEK_CUR)
        return None
    finally:
        file.seek(place)


def profile_of(
    info: dict[Any, Any], codes: bytes | None, exif_space: str | None, name: str
) -> bytes | None:
    """Return the embedded or a generated ICC profile of a picture, or None for sRGB.

    In PNG files the order of precedence is cICP, iCCP, sRGB, then gAMA and cHRM (Portable Network
    Graphics, third edition, section 4.3).

    Parameters
    ----------
    info : dict
        Pillow's ``info`` of the image.
    codes : bytes or None
        Code points, from `code_points`.
    exif_space : {"adobe", "unknown", None}
        Colour space that the EXIF data declares, as returned by `exif.read`.
    name : str
        Name of the picture in a warning.

    Returns
    -------
    bytes or None
    """
    if codes is not None:
        primaries, transfer, matrix, full_range = (*codes, 0, 0, 0, 0)[:4]
        if primaries in _PRIMARIES and transfer in _TRANSFERS and (matrix, full_range) == (0, 1):
            return _made(_PRIMARIES[primaries], _TRANSFERS[transfer])
        _warn(name, f"colour code points (cICP) {tuple(codes)} that cannot be converted")
    if info.get("icc_profile"):
        return info["icc_profile"]
    if "srgb" in info:
        return None
    if "gamma" in info or "chromaticity" in info:
        return _of_chunks(info.get("gamma"), info.get("chromaticity"), name)
    if exif_space == "unknown":
        _warn(name, "EXIF data that declare another colour space, and no profile")
    return _made(_ADOBE, _ADOBE_GAMMA) if exif_space == "adobe" else None


def _of_chunks(gamma: float | None, places: tuple[float, ...] | None, name: str) -> bytes | None:
    """Return the profile for the values of the PNG chunks gAMA and cHRM."""
    chromaticities: Any = _BT709
    if places is not None:
        pairs = [(places[k], places[k + 1]) for k in range(0, len(places) - 1, 2)]
        chromaticities = tuple(pairs)
    # Values near sRGB's values stand for sRGB's curve, not for the power function that approximates
    # it.
    near = _is_srgb(chromaticities) and gamma is not None and abs(gamma - 1 / 2.2) < 0.005
    curve = _SRGB if gamma is None or near else (1 / max(gamma, 1e-9),)
    try:
        if not 0.1 <= curve[0] <= 10:
            raise ValueError(f"gamma {gamma}")
        return _made(chromaticities, curve)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        _warn(name, f"colour chunks that cannot be used ({error})")
        return None


def _warn(name: str, cause: str) -> None:
    warnings.warn(
        f"The colours of {name} are treated as sRGB, because it has {cause}.", stacklevel=2
    )


@functools.cache
def _made(places: tuple[tuple[float, float], ...], curve: tuple[float, ...]) -> bytes | None:
    """Return the ICC profile of an RGB space, or None for sRGB.

    Parameters
    ----------
    places : tuple
        Chromaticities of white, red, green and blue.
    curve : tuple
        One or five parameters of the curve that maps encoded values to linear values.
    """
    if _is_srgb(places) and curve == _SRGB:
        return None
    white, *primaries = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in places)
    matrix = np.stack(primaries, axis=1)
    matrix = matrix * np.linalg.solve(matrix, white)
    d50 = np.array([0.9642, 1, 0.8249])
    # The Bradford transform adapts the colours to D50, the white of profiles (ICC.1:2022, annex E).
    cones = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    scales = (cones @ d50) / (cones @ white)
    matrix = np.linalg.inv(cones) @ (scales[:, np.newaxis] * cones) @ matrix
    if not (np.isfinite(matrix).all() and np.abs(matrix).max() < 100):
        raise ValueError(f"chromaticities {places}")
    kind = {1: 0, 5: 3}[len(curve)]
    trc = b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + _fixed(curve)
    tags = {b"wtpt": b"XYZ \0\0\0\0" + _fixed(d50)}
    for letter, column in zip("rgb", matrix.T, strict=True):
        tags[f"{letter}XYZ".encode()] = b"XYZ \0\0\0\0" + _fixed(column)
        tags[f"{letter}TRC".encode()] = trc
    table, content, offset = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for tag, data in tags.items():
        table += struct.pack(">4sII", tag, offset + len(content), len(data))
        content += data
    header = struct.pack(">I4xI", offset + len(content), 0x04200000) + b"mntrRGB XYZ "
    header += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(d50)
    return header.ljust(128, b"\0") + table + content


def _is_srgb(places: Any) -> bool:
    return np.shape(places) == (4, 2) and np.allclose(places, _BT709, atol=1e-3)


def _fixed(values: Any) -> bytes:
    """Return numbers in ICC's s15Fixed16 format."""
    return struct.pack(f">{len(values)}i", *(round(float(value) * 65536) for value in values))
