"""Convert colours from an embedded ICC profile to sRGB."""

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

# Maps the colour spaces that the header of a profile can name to Pillow's modes.
_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}


@functools.cache
def srgb_profile() -> bytes:
    """Return an sRGB profile. The bytes are the same in every process."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # The date of creation in the header is fixed, so that equal pictures give equal files.
    data[24:36] = np.array([2000, 1, 1, 0, 0, 0], ">u2").tobytes()
    return bytes(data)


def to_srgb(im: Image.Image, icc: bytes | None, name: str) -> Image.Image:
    """Return an 8-bit image of mode L, RGB, CMYK or LAB converted to sRGB.

    Parameters
    ----------
    im : PIL.Image.Image
        The image.
    icc : bytes or None
        The profile that is embedded in the image. An invalid profile is ignored with a warning.
    name : str
        Name of the image in the warning.

    Returns
    -------
    PIL.Image.Image
        An image of mode RGB.
    """
    convert = _converter(im.mode, icc, name)
    return convert(im) if convert else im.convert("RGB")


def values_to_srgb(values: np.ndarray, icc: bytes | None, name: str) -> np.ndarray:
    """Return values of more than 8 bits converted to sRGB.

    Pillow transforms 8-bit values only. This function therefore applies profiles that consist of
    curves and a matrix itself. Nearly all pictures of more than 8 bits have such profiles. Pictures
    with other profiles are reduced to 8 bits.

    Parameters
    ----------
    values : numpy.ndarray, float32 [H, W, C], C = 1 or 3, in [0, 1]
        Grey or RGB values.
    icc, name
        As in `to_srgb`.

    Returns
    -------
    numpy.ndarray, float32 [H, W, 3]
        sRGB values in [0, 1].
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
                raise ValueError("its curves give values that are not finite")
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
    """Return RGB values converted to sRGB by the curves and the matrix of a profile."""
    # A grey profile has one curve and needs no matrix.
    matrix = (
        np.eye(3) if len(curves) == 1 else np.linalg.solve(_matrix(srgb_profile()), _matrix(icc))
    )
    if len(curves) == 1:
        curves = curves * 3
    result = np.empty_like(rgb)
    for row, line in enumerate(rgb):  # by rows, to limit the memory of temporary arrays
        light = np.stack([curve(line[:, k]) for k, curve in enumerate(curves)], axis=-1)
        result[row] = _encode(np.clip(light @ matrix.T, 0, 1))
    return result


def _encode(light: np.ndarray) -> np.ndarray:
    """Return linear values in [0, 1] encoded as sRGB (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _matrix(icc: bytes) -> np.ndarray:
    """Return the matrix from a profile's linear RGB to XYZ (D50)."""
    core: Any = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile
    colorants = (core.red_colorant, core.green_colorant, core.blue_colorant)
    return np.array([xyz for xyz, _ in colorants]).T


def _tone_curves(icc: bytes) -> list[Callable[[np.ndarray], np.ndarray]] | None:
    """Return a profile's one or three curves, which map encoded values to linear values.

    Return None if the profile uses lookup tables. The file layout is specified in ICC.1:2022,
    sections 7.3, 10.6 (curv) and 10.18 (para).
    """
    (count,) = struct.unpack_from(">I", icc, 128)
    tags = {}
    for entry in range(count):
        tag, offset, size = struct.unpack_from(">4sII", icc, 132 + 12 * entry)
        tags[tag] = icc[offset : offset + size]
    names = [b"kTRC"] if icc[16:20] == b"GRAY" else [b"rTRC", b"gTRC", b"bTRC"]
    tables = any(tag[:3] in (b"A2B", b"D2B") for tag in tags)  # lookup tables take precedence
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
    # All kinds of curves have the form (a x + b)^g + e for x >= d, and c x + f for x < d.
    c, d = values[3:5] if kind > 2 else (0.0, -b / a)
    e, f = {2: (values[-1], values[-1]), 4: tuple(values[5:])}.get(kind, (0.0, 0.0))
    return lambda x: np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)


def _converter(
    mode: str, icc: bytes | None, name: str
) -> Callable[[Image.Image], Image.Image] | None:
    """Return a function that converts an image of `mode` to sRGB.

    Return None if the image has no usable profile or if the profile is sRGB.
    """
    if not icc and mode != "LAB":
        return None
    try:
        profile = (
            ImageCms.ImageCmsProfile(io.BytesIO(icc)) if icc else ImageCms.createProfile("LAB")
        )
        core = getattr(profile, "profile", profile)
        source: Any = _MODES.get(core.xcolor_space.strip())
        # A grey picture may have an RGB profile, which is applied to three equal channels.
        if source != mode and (mode, source) != ("L", "RGB"):
            raise ImageCms.PyCMSError(f"it describes {core.xcolor_space.strip()}, not {mode}")
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
        if source == "L":  # LittleCMS's optimisation for grey has an error of ten levels near black
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
        # Many profiles are sRGB with another name. Leaving their pictures unchanged is exact.
        probe = _colour_grid(9)
        change = np.asarray(transform.apply(Image.fromarray(probe))).astype(int) - probe
        if np.abs(change).max() <= 1:
            return None
    return lambda im: transform.apply(im.convert(source))


def _left_aside(name: str, error: Exception) -> None:
    warnings.warn(
        f"The colour profile of {name} cannot be used ({error}). Grey and RGB values are used as "
        "sRGB.",
        stacklevel=3,
    )


def _colour_grid(nodes: int) -> np.ndarray:
    """Return a grid of colours with `nodes` levels per channel, uint8 [nodes**2, nodes, 3]."""
    levels = np.round(np.linspace(0, 255, nodes)).astype(np.uint8)
    red, green, blue = np.meshgrid(levels, levels, levels, indexing="ij")
    return np.stack([red, green, blue], axis=-1).reshape(nodes**2, nodes, 3)
