"""Pictures to files: whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from stylekit import _checks
from stylekit._write import check_room, named_format, replacing
from stylekit.image._formats import exif as _exif
from stylekit.image._formats import profile as _profile
from stylekit.image._formats import tiff as _tiff
from stylekit.image._formats.decode import decode_file, decode_pil
from stylekit.image._formats.heif import check_avif
from stylekit.image._formats.picture import Source, is_source
from stylekit.image.arrays import quantise, resize
from stylekit.image.read import PictureLike, as_image

_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".avif": "AVIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}


def write_image(
    path: str | os.PathLike[str],
    image: PictureLike,
    *,
    like: Source | Image.Image | None = None,
    bits: int = 8,
    quality: int = 95,
    text: Mapping[str, str] | None = None,
) -> Path:
    """Write a picture file, with an sRGB profile and upright.

    The file appears whole or not at all: it is written beside its place and then moved there, so
    that after a failure an old file of that name is still there.

    Parameters
    ----------
    path : str or os.PathLike
        Its suffix chooses the format: .png, .jpg, .jpeg, .jfif, .webp, .avif, .tif or .tiff.
    image : array_like, float [H, W, 3] in [0, 1]
        The picture, or anything else that `as_image` takes.
    like : str, os.PathLike, bytes, binary file or PIL.Image.Image, optional
        The source whose alpha and EXIF data the file takes over. Alpha is resized to the
        picture's shape if need be; JPEG has none, so there the picture is laid over white. The
        EXIF data gets orientation 1, the new size and sRGB, and loses its thumbnail; of or to a
        TIFF file of more than 8 bits only the descriptive texts (artist, copyright, date, ...)
        are taken.
    bits : {8, 16}
        Bits a channel; 16 for TIFF only.
    quality : int
        Quality of JPEG, WebP and AVIF, 1 to 100. From 90 on, JPEG and AVIF keep colours at full
        resolution.
    text : mapping of str to str, optional
        Text chunks to embed, PNG only.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    FileError
        If the suffix is unknown, Pillow has no codec for it, the folder is missing or cannot be
        written to, writing fails, or `like` cannot be read.
    InputError, InputTypeError
        If another argument cannot be used.
    """
    path = _checks.as_path(path, hint="the path comes first, then the image")
    kind = _format(path, bits)
    quality = _checks.integer(quality, "quality", low=1, high=100)
    chunks = _text_chunks(text, kind)
    pixels = as_image(image, "image")
    alpha, tags = _extras(like, pixels.shape[:2])
    if alpha is not None and kind == "JPEG":
        opacity = alpha[..., np.newaxis]
        pixels, alpha = pixels * opacity + (1 - opacity), None

    with replacing(path) as file:
        if bits == 16:
            _tiff.write_deep(file, pixels, alpha, tags)
        else:
            samples = pixels if alpha is None else np.dstack([pixels, alpha])
            exif = _exif.build(tags, pixels.shape[:2], kind)
            of_kind: dict[str, dict[str, Any]] = {
                "JPEG": {"quality": quality, "subsampling": "4:4:4" if quality >= 90 else "4:2:0"},
                "WEBP": {"quality": quality, "exact": True},  # colours under transparency too
                "PNG": {"pnginfo": chunks},
                # Pillow's compressing TIFF writer fails on the Exif directory, and its own would
                # make question marks of umlauts unless the tags come as a dict.
                "TIFF": {"tiffinfo": dict(exif)} if exif else {"compression": "tiff_adobe_deflate"},
            }
            of_kind["AVIF"] = of_kind["JPEG"]
            options = of_kind[kind]
            if exif and kind != "TIFF":
                options["exif"] = exif
            Image.fromarray(quantise(samples, 8)).save(
                file,
                format=kind,
                icc_profile=_profile.srgb_profile(),
                **options,
            )
    return path


def check_writable(path: str | os.PathLike[str], *, bits: int = 8) -> None:
    """Raise early what `write_image` would raise after a long run; leave nothing behind.

    Parameters
    ----------
    path : str or os.PathLike
        Where a picture is to be written.
    bits : {8, 16}
        As in `write_image`.

    Raises
    ------
    FileError
        If the suffix is unknown, or the folder is missing or cannot be written to.
    InputError, InputTypeError
        If `bits` does not suit the format, or `path` is no path.
    """
    path = _checks.as_path(path)
    _format(path, bits)
    check_room(path)


def prepare_folder(folder: str | os.PathLike[str], names: Iterable[str] = ()) -> Path:
    """Make a folder for pictures, unless it is there, and refuse one they cannot be written to.

    Parameters
    ----------
    folder : str or os.PathLike
        The folder above it must exist.
    names : iterable of str
        Of the files to come, pictures all.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    FileError
        If it cannot be made, is no folder, or a file cannot be written.
    """
    folder = _checks.as_path(folder, "folder")
    try:
        folder.mkdir(exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _checks.FileError(
            _checks.explain(
                f"the folder {folder} cannot be made",
                expected="a folder, or a place for one",
                received=getattr(error, "strerror", None) or str(error),
                hint="make the folder above it first, or name another",
            ),
            argument="folder",
        ) from error
    for name in names:
        check_writable(folder / name)
    return folder


def _format(path: Path, bits: int) -> str:
    if _checks.is_folder(path, "written"):  # which has no suffix to speak of
        _checks.check_place(path)
    kind = named_format(path, _FORMATS)
    if kind == "AVIF":
        with _checks.caused_by("path"):
            check_avif(str(path))
    _checks.choice(bits, "bits", (8, 16))
    if bits == 16 and kind != "TIFF":
        _checks.fail(
            "16 bits a channel can only be written to TIFF",
            expected=f"a path such as {path.with_suffix('.tif')}",
            received=str(path),
            hint="change the suffix, or set `bits` to 8",
            argument="bits",
        )
    return kind


def _text_chunks(text: Mapping[str, str] | None, kind: str) -> PngImagePlugin.PngInfo | None:
    if text is None:
        return None
    if kind != "PNG":
        _checks.fail(
            "text can only be embedded in PNG",
            expected="a path that ends in .png",
            received=kind,
            hint="write a PNG file, or leave text out",
            argument="text",
        )
    chunks = PngImagePlugin.PngInfo()
    for key, value in text.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise _checks.InputTypeError(
                _checks.explain(
                    "text has an entry that is no text",
                    expected="strings for strings",
                    received=f"{key!r}: {value!r}",
                ),
                argument="text",
            )
        if not (1 <= len(key) <= 79 and key.isascii() and key.isprintable()):
            _checks.fail(
                "text has a key that PNG cannot hold",
                expected="1 to 79 printable ASCII characters",
                received=repr(key),
                argument="text",
            )
        chunks.add_itxt(key, value)
    return chunks


def _extras(
    like: Source | Image.Image | None, shape: tuple[int, int]
) -> tuple[np.ndarray | None, dict[int, Any]]:
    """Return the alpha of `like` at `shape`, and its EXIF tags."""
    if like is None:
        return None, {}
    if isinstance(like, Image.Image):
        source = decode_pil(like, "like")
    elif is_source(like):
        with _checks.caused_by("like"):
            source = decode_file(like, "like")
    else:
        raise _checks.InputTypeError(
            _checks.explain(
                "like is no source of alpha and EXIF data",
                expected="a picture file or a PIL image",
                received=type(like).__name__,
            ),
            argument="like",
        )
    return None if source.alpha is None else resize(source.alpha, shape), source.exif
