"""Flicker of a stylised video: the warping error between its frames."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from stylekit._checks import fail
from stylekit.image import PictureLike, as_image, optical_flow, unoccluded, warp
from stylekit.image.flow import as_flow


def warping_error(
    result: PictureLike,
    before: PictureLike,
    flow: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
) -> float:
    """Measure how much a frame of a result differs from the frame before, warped.

    Parameters
    ----------
    result, before : path, PIL image or array
        Two frames of one size.
    flow : array_like [H, W, 2]
        The flow from the frame to the one before; see `stylekit.image.optical_flow`.
    weights : array_like [H, W], optional
        Weights of the pixels, at least 0; see `stylekit.image.unoccluded`. Default: 1.

    Returns
    -------
    float
        The root of the weighted mean square over pixels and channels, in [0, 1]; 0 if all weights
        are 0.

    Raises
    ------
    FileError, InputError, InputTypeError
        If an argument cannot be used.

    References
    ----------
    Lai, Huang, Wang, Shechtman, Yumer, Yang: Learning Blind Video Temporal Consistency, 2018,
    section 4.1. They sum over channels and take no root.
    """
    one, other = as_image(result, "result"), as_image(before, "before")
    if one.shape != other.shape:
        fail(
            "two frames of a result differ in size",
            expected=f"{one.shape[1]}x{one.shape[0]} pixels",
            received=f"{other.shape[1]}x{other.shape[0]}",
            argument="before",
        )
    flow = as_flow(flow, one.shape[:2])
    counts = np.ones(one.shape[:2]) if weights is None else np.asarray(weights, np.float64)
    if counts.shape != one.shape[:2] or not (counts >= 0).all():
        fail(
            "`weights` do not fit the frame",
            expected=f"numbers of at least 0 of shape {one.shape[:2]}",
            received=f"shape {counts.shape}",
            argument="weights",
        )
    squares = np.mean(np.square(one - warp(other, flow), dtype=np.float64), axis=-1)
    return float(np.sqrt(np.sum(counts * squares) / max(np.sum(counts), np.finfo(float).tiny)))


def flicker(
    results: Iterable[PictureLike],
    frames: Iterable[PictureLike],
    *,
    flow: Callable[[np.ndarray, np.ndarray], Any] = optical_flow,
) -> float:
    """Measure how much a stylised video flickers: its mean warping error.

    Parameters
    ----------
    results, frames : iterable of path, PIL image or array
        The stylised frames and those of the video, two or more of each and all of one size. Two of
        each are held at a time.
    flow : callable
        A function of two frames that returns the flow from the first to the second; see
        `stylekit.image.optical_flow`.

    Returns
    -------
    float
        The mean of `warping_error` over all frames but the first, at pixels where the flow is
        consistent. For the video itself it is the error of the flow and of the interpolation, which
        is a lower limit.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a frame cannot be used, or the numbers differ.

    Examples
    --------
    >>> frames = np.random.default_rng(0).random((3, 16, 16, 3))
    >>> still = lambda frame, other: np.zeros((16, 16, 2))
    >>> flicker(frames[[0, 0, 0]], frames, flow=still)
    0.0
    """
    errors = []
    last: tuple[np.ndarray, np.ndarray] | None = None
    for result, frame in itertools.zip_longest(results, frames):
        if result is None or frame is None:
            fail("the numbers of results and frames differ", argument="results")
        pair = as_image(result, "results"), as_image(frame, "frames")
        if last is not None:
            there, back = flow(pair[1], last[1]), flow(last[1], pair[1])
            errors.append(warping_error(pair[0], last[0], there, unoccluded(there, back)))
        last = pair
    if not errors:
        fail("there is nothing to compare", expected="at least two frames", argument="results")
    return float(np.mean(errors))
