"""Contact sheets: several pictures with labels in one picture."""

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

_FINER = 4  # letters are drawn larger by this factor and then reduced, for even spacing


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
    """Arrange several pictures in rows on one picture, with optional labels.

    Parameters
    ----------
    pictures : iterable, or mapping from labels, of path, PIL image, array or result
        Pictures that `as_image` accepts, objects with an attribute ``image``, such as `Result`, or
        a batch ``[B, H, W, 3]``. At least one.
    labels : iterable of str or of sequences of str, optional
        One label for each picture, which is written below the picture. A sequence of strings is
        written on several lines. Text that is too long for the column ends in an ellipsis. An empty
        string shows no label. Default: the keys of a mapping, or no labels.
    columns : int, optional
        Pictures per row, at least 1. Default: the square root of the number of pictures, rounded
        up.
    size : int
        Longer side in pixels to which each picture is resized, at least 16.
    gap : int
        Space between and around the pictures in pixels, at least 0.
    background : float
        Grey value of the background, from 0 (black) to 1 (white). Labels are black, or white if the
        background is below 0.5.
    font : path, optional
        A TrueType or OpenType file. Default: Pillow's built-in font, which supports ASCII only.

    Returns
    -------
    numpy.ndarray, float32 [H, W, 3]
        Values in [0, 1]. Each column is as wide as its widest picture, and each row as high as its
        highest picture. Pictures are centred in their cells.

    Raises
    ------
    InputError, InputTypeError, FileError
        If a picture, the font or another argument cannot be used, or the number of labels differs
        from the number of pictures.

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
        _checks.fail("there are no pictures", expected="at least one picture", argument="pictures")
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
    """Return an iterable of pictures unchanged; raise `InputTypeError` for a single picture."""
    single = is_file(pictures) or getattr(pictures, "ndim", 4) < 4
    if single or not isinstance(pictures, Iterable):
        raise _checks.InputTypeError(
            _checks.explain(
                "`pictures` is not a list of pictures",
                expected="a list of pictures, or a batch [B, H, W, 3]",
                received=type(pictures).__name__,
                hint="put a single picture into a list",
            ),
            argument="pictures",
        )
    return pictures


def _texts(labels, count: int) -> list[list[str]]:
    """Return the lines of text below each picture, without empty labels."""
    if labels is None:
        return [[] for _ in range(count)]
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise _checks.InputTypeError(
            _checks.explain(
                "`labels` is not a list",
                expected="a string for each picture",
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
    """Return the font in a file, or Pillow's built-in font, at a size in pixels."""
    if font is None:
        return ImageFont.load_default(size)
    with _checks.caused_by("font"):
        path = existing_file(font)
    try:
        return ImageFont.truetype(path, size)
    except OSError as error:
        raise _checks.FileError(
            _checks.explain(
                f"{path} is not a font",
                expected="a TrueType or OpenType file",
                received=str(error),
            ),
            argument="font",
        ) from error


def _written(text: str, font, shape: tuple[int, int]) -> np.ndarray:
    """Return the opacity ``[h, w, 1]`` in [0, 1] of a centred line of text."""
    height, width = (_FINER * side for side in shape)
    image = Image.new("L", (width, height))
    middle = width / 2, float(font.getmetrics()[0])
    ImageDraw.Draw(image).text(middle, _fitted(text, font, width), 255, font, anchor="ms")
    return np.asarray(image.reduce(_FINER), np.float32)[..., np.newaxis] / 255


def _fitted(text: str, font, width: int) -> str:
    """Return a text, shortened with an ellipsis if it is longer than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1].rstrip()
    return text + "…"
