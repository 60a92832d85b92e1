"""Colour profiles: from whatever a file embeds to sRGB."""

from __future__ import annotations

import functools
import io
import struct
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from stylekit.image.arrays import quantise

# The header's name of a profile's colour space, and the Pillow mode that it describes.
_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}


@functools.cache
def srgb_profile() -> bytes:
    """Return an sRGB profile, the same bytes every time."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # The header's date is the moment of creation: fixed, so that equal pictures are equal files.
    data[24:36] = np.array([2000, 1, 1, 0, 0, 0], ">u2").tobytes()
    return bytes(data)


def to_srgb(im: Image.Image, icc: bytes | None, name: str) -> Image.Image:
    """Return an 8-bit image of mode L, RGB, CMYK or LAB as RGB, its colours in sRGB.

    Parameters
    ----------
    im : PIL.Image.Image
        The image.
    icc : bytes or None
        Its embedded profile. A broken one gives a warning and is left aside.
    name : str
        What the warning calls it.
    """
    convert = _converter(im.mode, icc, name)
    return convert(im) if convert else im.convert("RGB")


def values_to_srgb(values: np.ndarray, icc: bytes | None, name: str) -> np.ndarray:
    """Return deep values as RGB, their colours in sRGB.

    Pillow transforms 8 bits only. Profiles made of curves and a matrix, which nearly all deep
    pictures have, are therefore computed here; pictures with other ones go through 8 bits.

    Parameters
    ----------
    values : numpy.ndarray, float32 [H, W, C], C = 1 or 3, in [0, 1]
        Grey or RGB values.
    icc, name
        As in `to_srgb`.

    Returns
    -------
    numpy.ndarray, float32 [H, W, 3]
    """
    grey = values.shape[-1] == 1
    convert = _converter("L" if grey else "RGB", icc, name)
    rgb = np.repeat(values, 3, axis=-1) if grey else values
    if convert is None or icc is None:
        return rgb
    try:
        curves = _tone_curves(icc)
        if curves is not None:
            with np.errstate(all="ignore"):
                result = _from_curves(rgb, curves, icc)
            if not np.isfinite(result).all():
                raise ValueError("its curves end in no number")
            return result
    except (ValueError, LookupError, struct.error) as error:  # LinAlgError is a ValueError
        _left_aside(name, error)
        return rgb
    levels = quantise(values, 8)
    im = Image.fromarray(levels[..., 0] if grey else levels)
    return np.divide(np.asarray(convert(im)), 255, dtype=np.float32)


def _from_curves(
    rgb: np.ndarray, curves: list[Callable[[np.ndarray], np.ndarray]], icc: bytes
) -> np.ndarray:
    """Return RGB by a profile's curves and matrix as RGB in sRGB."""
    # A grey profile has one curve: its light is neutral, so that no matrix is due.
    matrix = (
        np.eye(3) if len(curves) == 1 else np.linalg.solve(_matrix(srgb_profile()), _matrix(icc))
    )
    if len(curves) == 1:
        curves = curves * 3
    result = np.empty_like(rgb)
    for row, line in enumerate(rgb):  # by rows: the steps of a whole picture would fill memory
        light = np.stack([curve(line[:, k]) for k, curve in enumerate(curves)], axis=-1)
        result[row] = _encode(np.clip(light @ matrix.T, 0, 1))
    return result


def _encode(light: np.ndarray) -> np.ndarray:
    """Return linear light in [0, 1] in sRGB's encoding (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _matrix(icc: bytes) -> np.ndarray:
    """Return the matrix from a profile's linear RGB to XYZ (D50)."""
    core: Any = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile
    colorants = (core.red_colorant, core.green_colorant, core.blue_colorant)
    return np.array([xyz for xyz, _ in colorants]).T


def _tone_curves(icc: bytes) -> list[Callable[[np.ndarray], np.ndarray]] | None:
    """Return a profile's curves to linear light, one or three; None if they are not all of it.

    The layout is that of ICC.1:2022, sections 7.3, 10.6 (curv) and 10.18 (para).
    """
    (count,) = struct.unpack_from(">I", icc, 128)
    tags = {}
    for entry in range(count):
        tag, offset, size = struct.unpack_from(">4sII", icc, 132 + 12 * entry)
        tags[tag] = icc[offset : offset + size]
    names = [b"kTRC"] if icc[16:20] == b"GRAY" else [b"rTRC", b"gTRC", b"bTRC"]
    tables = any(tag[:3] in (b"A2B", b"D2B") for tag in tags)  # these would take precedence
    if tables or icc[20:24] != b"XYZ " or not all(name in tags for name in names):
        return None
    return [_tone_curve(tags[name]) for name in names]


def _tone_curve(data: bytes) -> Callable[[np.ndarray], np.ndarray]:
    if data[:4] == b"curv":
        (count,) = struct.unpack_from(">I", data, 8)
        if count > 1:
            table = np.frombuffer(data, ">u2", count, 12) / 65535
            return lambda x: np.interp(x, np.linspace(0, 1, count), table)
        gamma = struct.unpack_from(">H", data, 12)[0] / 256 if count else 1.0
        return lambda x: x.astype(float) ** gamma
    kind = struct.unpack_from(">H", data, 8)[0]
    values = np.frombuffer(data, ">i4", (1, 3, 4, 5, 7)[kind], 12) / 65536
    g, a, b = values[:3] if kind else (values[0], 1.0, 0.0)
    # All kinds are (a x + b)^g + e from d on, and c x + f below it.
    c, d = values[3:5] if kind > 2 else (0.0, -b / a)
    e, f = {2: (values[-1], values[-1]), 4: tuple(values[5:])}.get(kind, (0.0, 0.0))
    return lambda x: np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)


def _converter(
    mode: str, icc: bytes | None, name: str
) -> Callable[[Image.Image], Image.Image] | None:
    """Return what takes an image of `mode` to sRGB, or None where there is nothing to do."""
    if not icc and mode != "LAB":
        return None
    try:
        profile = (
            ImageCms.ImageCmsProfile(io.BytesIO(icc)) if icc else ImageCms.createProfile("LAB")
        )
        core = getattr(profile, "profile", profile)
        source: Any = _MODES.get(core.xcolor_space.strip())
        # A grey picture may carry an RGB profile: its three channels are then equal.
        if source != mode and (mode, source) != ("L", "RGB"):
            raise ImageCms.PyCMSError(f"it describes {core.xcolor_space.strip()}, not {mode}")
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
        if source == "L":  # the engine's short cut for grey is ten levels off near black
            flags |= ImageCms.Flags.NOOPTIMIZE
        transform = ImageCms.buildTransform(
            profile,
            ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())),
            source,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        _left_aside(name, error)
        return None
    if source == "RGB":
        # Many profiles are sRGB under some other name. Leaving their pictures alone is exact.
        probe = _colour_grid(9)
        change = np.asarray(transform.apply(Image.fromarray(probe))).astype(int) - probe
        if np.abs(change).max() <= 1:
            return None
    return lambda im: transform.apply(im.convert(source))


def _left_aside(name: str, error: Exception) -> None:
    warnings.warn(
        f"The colour profile of {name} cannot be used ({error}). Its colours are taken as sRGB "
        "where it is grey or RGB.",
        stacklevel=3,
    )


def _colour_grid(nodes: int) -> np.ndarray:
    """Return every colour of a grid with `nodes` levels a channel, uint8 [nodes**2, nodes, 3]."""
    levels = np.round(np.linspace(0, 255, nodes)).astype(np.uint8)
    red, green, blue = np.meshgrid(levels, levels, levels, indexing="ij")
    return np.stack([red, green, blue], axis=-1).reshape(nodes**2, nodes, 3)
