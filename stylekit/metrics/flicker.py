"""Flicker of a stylised video: the warping error between consecutive frames."""

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
    """Measure how much a stylised frame differs from the previous stylised frame after warping.

    Parameters
    ----------
    result, before : path, PIL image or array
        A frame of a stylised video, and the previous frame. Both must have the same size.
    flow : array_like [H, W, 2]
        The flow from the frame to the previous frame; see `stylekit.image.optical_flow`.
    weights : array_like [H, W], optional
        Weights of the pixels, at least 0; see `stylekit.image.unoccluded`. Default: all ones.

    Returns
    -------
    float
        The square root of the weighted mean squared difference over pixels and channels, in [0, 1].
        It is 0 if all weights are 0.

    Raises
    ------
    FileError, InputError, InputTypeError
        If an argument is invalid.

    References
    ----------
    Lai, Huang, Wang, Shechtman, Yumer, Yang: Learning Blind Video Temporal Consistency, 2018,
    section 4.1. The paper sums over channels and does not take the square root.
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
            "`weights` must match the frame",
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
        The stylised frames, and the frames of the original video. Two or more of each, all of the
        same size. Only two of each are kept in memory at a time.
    flow : callable
        A function of two frames that returns the flow from the first frame to the second; see
        `stylekit.image.optical_flow`.

    Returns
    -------
    float
        The mean of `warping_error` over all frames except the first, at pixels where the flow is
        consistent. For the original video, the value is the error of the flow and of the
        interpolation. This is a lower limit for stylised videos.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a frame is invalid, or the numbers of frames differ.

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
        fail("`results` has too few frames", expected="at least two frames", argument="results")
    return float(np.mean(errors))
