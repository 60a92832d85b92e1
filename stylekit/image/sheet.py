"""A contact sheet: several pictures in one, each whole, with its label below."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stylekit import _checks
from stylekit.image._formats.picture import existing_file
from stylekit.image.arrays import fit_shape, resample_values
from stylekit.image.read import PictureLike, as_image, is_file

_FINER = 4  # Letters are drawn as much larger: at their own size they would stand unevenly.


def contact_sheet(
    pictures: Iterable[PictureLike | Any] | Mapping[str, PictureLike | Any],
    labels: Iterable[str | Sequence[str]] | None = None,
    columns: int | None = None,
    *,
    size: int = 320,
    gap: int = 12,
    background: float = 1.0,
    font: str | os.PathLike[str] | None = None,
) -> np.ndarray:
    """Lay pictures out in rows on one sheet.

    Parameters
    ----------
    pictures : iterable or mapping of labels to path, PIL image, array or result
        One or more, as `as_image` takes them, or a batch [B, H, W, 3]; of what has an `image`,
        such as a `Result`, that. Each is brought to a longer side of `size`, with its aspect kept.
    labels : iterable of str or of sequences of str, optional
        One a picture, written below it: on one line, or a sequence's strings on a line each. What
        is too long for its column ends in an ellipsis; "" is no label. Default: the keys of a
        mapping, or none.
    columns : int, optional
        Pictures in a row, at least 1. Default: the root of their number, rounded up.
    size : int
        The longer side of each picture, in pixels, at least 16.
    gap : int
        Between pictures and around them, in pixels, at least 0.
    background : float
        Its grey, from 0, black, to 1, white. Labels are black, or white where it is below 0.5.
    font : path, optional
        A TrueType or OpenType file. Default: Pillow's own font, which has no letters but those of
        ASCII.

    Returns
    -------
    numpy.ndarray, float32 [H, W, 3]
        In [0, 1]. A column is as wide as its widest picture and a row as high as its highest;
        pictures lie in the middle of their cells.

    Raises
    ------
    InputError, InputTypeError, FileError
        If a picture, the font or another argument cannot be used, or there is not one label a
        picture.

    Examples
    --------
    >>> wide, high = np.zeros((20, 40)), np.ones((40, 20))
    >>> contact_sheet([wide, high, wide], columns=2, size=40, gap=5).shape
    (75, 75, 3)
    """
    size = _checks.integer(size, "size", low=16)
    gap = _checks.integer(gap, "gap", low=0)
    background = _checks.number(background, "background", low=0, high=1)
    if isinstance(pictures, Mapping):
        labels = pictures.keys() if labels is None else labels
        pictures = pictures.values()
    images = [
        as_image(getattr(one, "image", one), f"pictures[{index}]")
        for index, one in enumerate(_several(pictures))
    ]
    if not images:
        _checks.fail(
            "there is nothing for the sheet", expected="at least one picture", argument="pictures"
        )
    images = [resample_values(one, fit_shape(one.shape, size)) for one in images]
    texts = _texts(labels, len(images))
    if columns is None:
        columns = math.ceil(math.sqrt(len(images)))
    columns = min(_checks.integer(columns, "columns", low=1), len(images))

    letters = _letters(font, _FINER * max(10, size / 20))
    line = math.ceil(sum(letters.getmetrics()) / _FINER)
    widths = [max(one.shape[1] for one in images[k::columns]) for k in range(columns)]
    starts = range(0, len(images), columns)
    heights = [max(one.shape[0] for one in images[k : k + columns]) for k in starts]
    lines = [max(map(len, texts[k : k + columns])) for k in starts]
    below = [gap // 2 + count * line if count else 0 for count in lines]
    lefts = gap + np.cumsum([0, *(width + gap for width in widths)])
    tops = gap + np.cumsum([0, *(sum(parts) + gap for parts in zip(heights, below, strict=True))])

    sheet = np.full((tops[-1], lefts[-1], 3), background, np.float32)
    ink = np.float32(background < 0.5)
    for index, (image, label) in enumerate(zip(images, texts, strict=True)):
        row, column = divmod(index, columns)
        height, width = image.shape[:2]
        top = tops[row] + (heights[row] - height) // 2
        left = lefts[column] + (widths[column] - width) // 2
        sheet[top : top + height, left : left + width] = image
        left, top = lefts[column], tops[row] + heights[row] + gap // 2
        for k, text in enumerate(label):
            place = sheet[top + k * line :, left:][:line, : widths[column]]
            place += _written(text, letters, place.shape[:2]) * (ink - place)
    return sheet


def _several(pictures):
    """Return an iterable of pictures as it is; a single picture is an error."""
    single = is_file(pictures) or getattr(pictures, "ndim", 4) < 4
    if single or not isinstance(pictures, Iterable):
        raise _checks.InputTypeError(
            _checks.explain(
                "pictures is not several",
                expected="a list of pictures, or a batch [B, H, W, 3]",
                received=type(pictures).__name__,
                hint="put a single picture into a list",
            ),
            argument="pictures",
        )
    return pictures


def _texts(labels, count: int) -> list[list[str]]:
    """Return the lines of text below each picture; none for an empty label."""
    if labels is None:
        return [[] for _ in range(count)]
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise _checks.InputTypeError(
            _checks.explain(
                "labels is not a list",
                expected="one string a picture",
                received=type(labels).__name__,
            ),
            argument="labels",
        )
    labels = list(labels)
    if len(labels) != count:
        _checks.fail(
            "the number of labels differs from the number of pictures",
            expected=f"{count}",
            received=len(labels),
            argument="labels",
        )
    lines = [label if isinstance(label, list | tuple) else [label] for label in labels]
    texts = [[" ".join(str(text).split()) for text in label] for label in lines]
    return [label if any(label) else [] for label in texts]


def _letters(font, size: float) -> Any:
    """Return a font of a size in pixels, from a file or Pillow's own."""
    if font is None:
        return ImageFont.load_default(size)
    with _checks.caused_by("font"):
        path = existing_file(font)
    try:
        return ImageFont.truetype(path, size)
    except OSError as error:
        raise _checks.FileError(
            _checks.explain(
                f"{path} is no font",
                expected="a TrueType or OpenType file",
                received=str(error),
            ),
            argument="font",
        ) from error


def _written(text: str, font, shape: tuple[int, int]) -> np.ndarray:
    """Return the ink of a line of text, in its middle, in [0, 1]: [h, w, 1]."""
    height, width = (_FINER * side for side in shape)
    image = Image.new("L", (width, height))
    middle = width / 2, float(font.getmetrics()[0])
    ImageDraw.Draw(image).text(middle, _fitted(text, font, width), 255, font, anchor="ms")
    return np.asarray(image.reduce(_FINER), np.float32)[..., np.newaxis] / 255


def _fitted(text: str, font, width: int) -> str:
    """Return as much of a text as a width holds."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1].rstrip()
    return text + "…"
