"""Write picture files atomically."""

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
    """Write a picture file with an sRGB profile.

    The file is written to a temporary file in the same folder, which then replaces `path`. If
    writing fails, an existing file at `path` is unchanged.

    Parameters
    ----------
    path : str or os.PathLike
        The suffix selects the format: .png, .jpg, .jpeg, .jfif, .webp, .avif, .tif or .tiff.
    image : array_like, float [H, W, 3] in [0, 1]
        The picture, or anything else that `as_image` accepts.
    like : str, os.PathLike, bytes, binary file or PIL.Image.Image, optional
        A picture whose alpha channel and EXIF data are copied to the file. The alpha channel is
        resized to the shape of `image`. JPEG does not support alpha, so the picture is composited
        over white. In the EXIF data the orientation is set to 1, size and colour space are updated,
        and the thumbnail is removed. If `like` or the written file is a TIFF with more than 8 bits,
        only descriptive texts (artist, copyright, date, ...) are copied.
    bits : {8, 16}
        Bits per channel. 16 is supported for TIFF only.
    quality : int
        Quality of JPEG, WebP and AVIF, from 1 to 100. From 90 upwards, JPEG and AVIF do not
        subsample the colours.
    text : mapping of str to str, optional
        Text chunks to embed. Supported for PNG only.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    FileError
        If the suffix is unknown, if Pillow lacks the codec, if the folder does not exist or is not
        writable, if writing fails, or if `like` cannot be read.
    InputError, InputTypeError
        If another argument is invalid.
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
                "WEBP": {"quality": quality, "exact": True},  # keeps colours of transparent pixels
                "PNG": {"pnginfo": chunks},
                # Pillow's writer of compressed TIFF files fails on the Exif directory. The writer
                # of uncompressed files replaces non-ASCII letters by question marks unless the tags
                # are a dict.
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
    """Check before a long run that `write_image` can write to a path. Creates no file.

    Parameters
    ----------
    path : str or os.PathLike
        Path of the file to be written.
    bits : {8, 16}
        As in `write_image`.

    Raises
    ------
    FileError
        If the suffix is unknown, or the folder does not exist or is not writable.
    InputError, InputTypeError
        If the format does not support `bits`, or `path` is not a path.
    """
    path = _checks.as_path(path)
    _format(path, bits)
    check_room(path)


def prepare_folder(folder: str | os.PathLike[str], names: Iterable[str] = ()) -> Path:
    """Create a folder for pictures if it does not exist, and check that they can be written.

    Parameters
    ----------
    folder : str or os.PathLike
        The folder. Its parent must exist.
    names : iterable of str
        Names of the picture files to be written.

    Returns
    -------
    pathlib.Path
        `folder`.

    Raises
    ------
    FileError
        If the folder cannot be created, is a file, or one of the files cannot be written.
    """
    folder = _checks.as_path(folder, "folder")
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError as error:
        raise _checks.FileError(
            _checks.explain(
                f"{folder} is a file",
                expected="a folder, or the path of a new folder",
                hint="name another",
            ),
            argument="folder",
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _checks.FileError(
            _checks.explain(
                f"the folder {folder} cannot be created",
                expected="a folder, or the path of a new folder",
                received=getattr(error, "strerror", None) or str(error),
                hint="make the folder above it first, or name another",
            ),
            argument="folder",
        ) from error
    for name in names:
        check_writable(folder / name)
    return folder


def _format(path: Path, bits: int) -> str:
    if _checks.is_folder(path, "written"):  # reported before an unknown suffix
        _checks.check_place(path)
    kind = named_format(path, _FORMATS)
    if kind == "AVIF":
        with _checks.caused_by("path"):
            check_avif(str(path))
    _checks.choice(bits, "bits", (8, 16))
    if bits == 16 and kind != "TIFF":
        _checks.fail(
            "16 bits per channel can only be written to TIFF",
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
            hint="write a PNG file, or omit `text`",
            argument="text",
        )
    chunks = PngImagePlugin.PngInfo()
    for key, value in text.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise _checks.InputTypeError(
                _checks.explain(
                    "`text` has an entry that is not a string",
                    expected="a mapping from str to str",
                    received=f"{key!r}: {value!r}",
                ),
                argument="text",
            )
        if not (1 <= len(key) <= 79 and key.isascii() and key.isprintable()):
            _checks.fail(
                "`text` has a key that PNG does not allow",
                expected="1 to 79 printable ASCII characters",
                received=repr(key),
                argument="text",
            )
        chunks.add_itxt(key, value)
    return chunks


def _extras(
    like: Source | Image.Image | None, shape: tuple[int, int]
) -> tuple[np.ndarray | None, dict[int, Any]]:
    """Return the alpha channel of `like`, resized to `shape`, and its EXIF tags."""
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
                "`like` is not a picture",
                expected="a picture file or a PIL image",
                received=type(like).__name__,
            ),
            argument="like",
        )
    return None if source.alpha is None else resize(source.alpha, shape), source.exif
