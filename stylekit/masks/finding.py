"""Find the mask of a subject, which is specified by class names, a mask or a function."""

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
"""A callable ``(picture, mask) -> mask`` that refines a mask: `guided`, `crf` or `matte`."""


def find_subject(
    picture: np.ndarray,
    subject: Any,
    segmenter: Segmenter | None = None,
    refine: Refinement | None = None,
    *,
    name: str = "subject",
) -> np.ndarray:
    """Return the mask of a subject in a picture.

    Parameters
    ----------
    picture : ndarray [H, W, 3]
    subject : str, list of str, or mask
        One or more class names, such as ``"person"``, or a mask. A mask is an array, a PIL image,
        the path of an existing file, or a callable that is called with the picture.
    segmenter : callable, optional
        Finds the classes. Default: `DeepLab()`.
    refine : callable, optional
        Function that refines the mask. It is called with the picture and the mask. Default for
        classes: `crf` is applied to the segmentation and uses its scores. Default for a mask: no
        refinement.
    name : str
        Name of the subject in messages.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1].

    Raises
    ------
    InputError, InputTypeError, FileError, SetupError
        If a class is unknown or not in the picture, a mask is invalid, a file does not exist, or
        the segmenter is not available or does not return a `Segmentation`.
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
            # Refinement can remove a small class. In this case the unrefined mask is used.
            return better.mask(classes) if {*classes} & {*better.names_present} else found
    with caused_by("refine"), naming(f"in refine {name_of(refine)!r}"):
        return as_mask(refine(picture, found), picture.shape[:2], name=f"the refined {name}")


def segmented(segmenter: Segmenter, picture: np.ndarray) -> Segmentation:
    """Return a segmenter's `Segmentation` after a check. A note in errors names the segmenter."""
    name = name_of(segmenter)
    with naming(f"in segmenter {name!r}"):
        seen = segmenter(picture)
    if not isinstance(seen, Segmentation):
        raise InputTypeError(
            explain(
                f"the segmenter {name!r} must return a segmentation",
                expected="a stylekit.masks.Segmentation",
                received=type(seen).__name__,
                hint="pass a function that returns a mask as the subject instead",
            ),
            argument="segmenter",
        )
    return seen


def fitted(
    mask: Any, picture: np.ndarray, name: str = "mask", argument: str | None = None
) -> np.ndarray:
    """Return a mask resized to the size of a picture.

    Parameters
    ----------
    mask : array, path, PIL image or callable
    picture : ndarray [H, W, 3]
    name : str
        Name of the mask in messages.
    argument : str, optional
        The argument that is stored in errors. Default: `name`.

    Raises
    ------
    InputError
        If the aspect ratios differ by more than can be explained by rounding to whole pixels.
    """
    with caused_by(argument or name):
        values = as_mask(made_of(mask, picture), name=name)
    (height, width), (rows, columns) = picture.shape[:2], values.shape
    # Rounding changes each side of both shapes by at most half a pixel.
    if abs(rows * width - columns * height) > (rows + columns + height + width) / 2:
        fail(
            f"the {name} must have the aspect ratio of its picture",
            expected=f"the aspect ratio of {width}x{height} pixels",
            received=f"{columns}x{rows}",
            hint="draw it over the picture itself, or resize it",
            argument=argument or name,
        )
    return resize(values, (height, width))


def _classes(subject: Any, name: str) -> list[str]:
    """Return the class names of a subject, or an empty list if the subject is a mask."""
    if isinstance(subject, (list, tuple)) and all(isinstance(one, str) for one in subject):
        if not subject:
            fail(
                f"the {name} must not be an empty list",
                expected="a class name, such as 'person', or a mask",
                argument=name,
            )
        return list(subject)
    if not isinstance(subject, str):
        return []
    if status(Path(subject)) is not None and not is_folder(Path(subject)):
        return []
    if os.sep in subject or Path(subject).suffix:
        fail(
            f"the {name} must be a mask or a class",
            expected="the path of an existing file, or a class name such as 'person'",
            received=repr(subject),
            argument=name,
        )
    return [subject]
