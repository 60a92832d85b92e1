"""A mask of a subject, however it is told: by classes, by a mask, or by a function."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stylekit._checks import (
    InputTypeError,
    caused_by,
    explain,
    fail,
    is_folder,
    name_of,
    naming,
    status,
)
from stylekit.masks.operations import as_mask, made_of, resize
from stylekit.masks.refine.crf import crf
from stylekit.masks.segmentation import Segmentation, Segmenter
from stylekit.masks.segmenters.deeplab import DeepLab

Refinement = Callable[[np.ndarray, Any], np.ndarray]
"""From a picture and a mask to a better mask, such as `guided`, `crf` or `matte`."""


def find_subject(
    picture: np.ndarray,
    subject: Any,
    segmenter: Segmenter | None = None,
    refine: Refinement | None = None,
    *,
    name: str = "subject",
) -> np.ndarray:
    """Return the mask of a subject.

    Parameters
    ----------
    picture : ndarray [H, W, 3]
    subject : str, list of str, or mask
        A class or several, such as ``"person"``; or an array, a PIL image, the path of an existing
        file, or a callable that is given the picture.
    segmenter : callable, optional
        What finds classes. Default: `DeepLab()`.
    refine : callable, optional
        Default: `crf` on the segmentation for classes, so that its scores count; a mask that is
        given stays as it is.
    name : str
        What messages call the subject.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1].

    Raises
    ------
    InputError, InputTypeError, FileError, SetupError
        If a class is not in the picture or unknown, a mask is unfit, a path is of no file, or the
        segmenter gives no `Segmentation` or cannot be had.
    """
    argument = name.replace(" ", "_")
    with caused_by(argument):
        classes = _classes(subject, name)
    if not classes:
        found = fitted(subject, picture, name, argument)
        if refine is None:
            return found
    else:
        with caused_by("segmenter"):
            seen = segmented(segmenter or DeepLab(), picture)
        with caused_by(argument):
            found = seen.mask(classes)
        if refine is None:
            better: Any = crf(picture, seen)
            # What little there was of a class may be gone: then what the segmenter said stands.
            return better.mask(classes) if {*classes} & {*better.names_present} else found
    with caused_by("refine"), naming(f"in refine {name_of(refine)!r}"):
        return as_mask(refine(picture, found), picture.shape[:2], name=f"the refined {name}")


def segmented(segmenter: Segmenter, picture: np.ndarray) -> Segmentation:
    """Return what a segmenter makes of a picture, checked; its errors name it in a note."""
    name = name_of(segmenter)
    with naming(f"in segmenter {name!r}"):
        seen = segmenter(picture)
    if not isinstance(seen, Segmentation):
        raise InputTypeError(
            explain(
                f"the segmenter {name!r} gives no segmentation",
                expected="a stylekit.masks.Segmentation",
                received=type(seen).__name__,
                hint="give a function that returns a mask as the subject itself",
            ),
            argument="segmenter",
        )
    return seen


def fitted(
    mask: Any, picture: np.ndarray, name: str = "mask", argument: str | None = None
) -> np.ndarray:
    """Return a mask, or what a callable makes of the picture, at the picture's size.

    `name` is what messages call it, and `argument` (by default `name`) what it was given as.

    Raises
    ------
    InputError
        If the aspect ratios differ by more than rounding to whole pixels does.
    """
    with caused_by(argument or name):
        values = as_mask(made_of(mask, picture), name=name)
    (height, width), (rows, columns) = picture.shape[:2], values.shape
    # Rounding moves each side by half a pixel at most, in either shape.
    if abs(rows * width - columns * height) > (rows + columns + height + width) / 2:
        fail(
            f"the {name} has another aspect ratio than its picture",
            expected=f"that of {width}x{height} pixels",
            received=f"{columns}x{rows}",
            hint="draw it over the picture itself, or resize it",
            argument=argument or name,
        )
    return resize(values, (height, width))


def _classes(subject: Any, name: str) -> list[str]:
    """Return the classes that a subject names; none if it is a mask."""
    if isinstance(subject, (list, tuple)) and all(isinstance(one, str) for one in subject):
        if not subject:
            fail(
                f"the {name} names no class",
                expected="a class, such as 'person', or a mask",
                argument=name,
            )
        return list(subject)
    if not isinstance(subject, str):
        return []
    if status(Path(subject)) is not None and not is_folder(Path(subject)):
        return []
    if os.sep in subject or Path(subject).suffix:
        fail(
            f"the {name} is neither a file nor a class",
            expected="the path of a mask, or a name such as 'person'",
            received=repr(subject),
            argument=name,
        )
    return [subject]
