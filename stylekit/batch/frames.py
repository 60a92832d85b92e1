"""The frames of a video through one recipe, each from the one before: what moves is carried on."""

from __future__ import annotations

import dataclasses
import inspect
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from stylekit._checks import (
    InputTypeError,
    caused_by,
    check_options,
    explain,
    fail,
    integer,
    name_of,
    naming,
    number,
)
from stylekit._defaults import SCENE_CUT, SIZE, TEMPORAL_WEIGHT
from stylekit.features import FeatureExtractor
from stylekit.image import PictureLike, as_image, optical_flow, read_flow, unoccluded, warp
from stylekit.image.arrays import quantise, unit_values
from stylekit.image.flow import as_flow
from stylekit.losses import ContentLoss, TemporalLoss
from stylekit.recipes import Recipe, basic
from stylekit.recipes.recipe import RUN, divided
from stylekit.transfer import Plan, Pyramid, Result, Reuse
from stylekit.transfer.style_transfer import as_extractor

SHARE = 6
"""A frame that begins from the one before takes so many times fewer steps. With fewer, the edges of
what moves get teeth."""

KEPT = 12
"""Traces to keep; see `stylekit.batch.run`."""

BEGIN = ("finish", "initial", "pyramid")
"""Options of `Recipe.run` that are of frames with which a scene begins."""

NEAREST, MOST = 4, 50_000
"""Pixels whose colour fills one that is not seen before, and among how many they are sought."""

PLACE = 0.5
"""Distance in colour, in [0, 1], that weighs as much as the longer side of the frame."""

FlowLike = Callable[[np.ndarray, np.ndarray], Any] | str
"""An optical flow: a function of two frames, or a pattern of the names of files."""


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """A stylised frame of a video.

    Attributes
    ----------
    number : int
        From 1.
    image : ndarray [H, W, 3]
        float32 in [0, 1], rounded to 8 bits.
    begins : bool
        Whether a scene begins: it is painted as a picture of its own.
    kept : float
        Share of its pixels that are seen in the frames before; 0 where a scene begins.
    seconds : float
        That it took, with the optical flow.
    result : Result or None
        None if it was painted before, or is the same picture as the frame before.
    """

    number: int
    image: np.ndarray
    begins: bool = False
    kept: float = 1.0
    seconds: float = 0.0
    result: Result | None = None


class _Seen(NamedTuple):
    number: int
    frame: np.ndarray
    image: np.ndarray


def stylize_frames(
    frames: Iterable[PictureLike],
    style: PictureLike | Sequence[PictureLike],
    *,
    recipe: Callable[..., Recipe] = basic,
    size: int | None = SIZE,
    steps: int | None = None,
    next_steps: int | None = None,
    temporal_weight: float = TEMPORAL_WEIGHT,
    earlier: Sequence[int] = (1,),
    flow: FlowLike = optical_flow,
    cut: float = SCENE_CUT,
    painted: Callable[[int], PictureLike | None] | None = None,
    extractor: FeatureExtractor | None = None,
    plan: Plan | None = None,
    **options: Any,
) -> Iterator[Frame]:
    """Yield the frames of a video in a style, so that they do not flicker.

    The first frame is painted as any picture. Each later one starts from the last stylised frame,
    moved by the optical flow, and a `TemporalLoss` keeps it like that. Where something comes into
    view there is none: there it starts from the stylised colours of the pixels that are alike in
    the photograph, and the loss leaves it free. A frame that equals the one before is not painted
    again. At a cut the next scene begins as the first.

    Parameters
    ----------
    frames : iterable of path, PIL image or array
        Of one size, such as `stylekit.image.Video` or a list of files. Few are held at a time.
    style : path, PIL image or array, or a list of them
    recipe : callable
        From a frame and a style to a `Recipe`; see `stylekit.batch.run`. Default: `recipes.basic`.
    size : int, optional
        Longer side in pixels. None keeps the frames' own.
    steps : int, optional
        Of a frame with which a scene begins. Default: the recipe's own.
    next_steps : int, optional
        Of each other frame, at its full size. Default: a sixth of `steps`.
    temporal_weight : float
        Of the `TemporalLoss`, at least 0: larger values flicker less, and paint over less of what
        the flow gets wrong.
    earlier : sequence of int
        How many frames back to look, at least 1 each: with ``(1, 4)`` what was hidden for up to
        three frames looks as before when it comes back. Each takes two more flows. A pixel is
        taken from the nearest of these frames that shows it.
    flow : callable or str
        From a frame and another, float32 ``[H, W, 3]`` at the size of the result, to an optical
        flow ``[H, W, 2]`` as of `stylekit.image.optical_flow`. Or a pattern of the names of .flo
        or .npy files, such as ``"flows/{frame:04d}-{other:04d}.flo"``, with the numbers of the
        frames from 1. Both directions are needed.
    cut : float
        In [0, 1]: a scene begins where a smaller share of the pixels is seen in the frame before.
        0: never.
    painted : callable, optional
        From a frame's number to its stylised picture, if it has been painted before, or None.
    extractor, plan
        See `Recipe.run`. The network is loaded once, and there is one trace for all frames, and one
        for each coarser size with which a scene begins.
    **options
        Of the recipe and of `Recipe.run`, but for checkpoint. `initial`, `pyramid` and `finish`
        are for the frames with which a scene begins; the network of `finish` paints the others.

    Yields
    ------
    Frame

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument, a frame or a flow cannot be used, the frames differ in size, or there are
        none.
    TransferError
        If a run fails.
    KeyboardInterrupt
        If a run is interrupted.

    References
    ----------
    Ruder, Dosovitskiy, Brox: Artistic Style Transfer for Videos, 2016: the start, the temporal
    loss, what is occluded, and more frames back. We leave out their passes through the video
    forwards and backwards. The start where something comes into view is ours.

    Examples
    --------
    >>> import stylekit as sk
    >>> video = sk.image.Video("in.mp4")  # doctest: +SKIP
    >>> for frame in sk.batch.stylize_frames(video, "starry.jpg", size=640):  # doctest: +SKIP
    ...     sk.write_image(f"{frame.number:05d}.png", frame.image)
    """
    names = check_names(recipe, options)
    if size is not None:
        integer(size, "size", low=1)
    if next_steps is not None:
        integer(next_steps, "next_steps", low=0)
    number(temporal_weight, "temporal_weight", low=0)
    given: Any = style  # read once
    several = isinstance(style, list | tuple)
    read = [as_image(one, "style") for one in given] if several else as_image(given, "style")
    back = _checked(earlier)
    between = _between(flow)
    number(cut, "cut", low=0, high=1)
    plan = Plan() if plan is None else plan
    if "size" in names:
        options["size"] = None  # of the frame, which has it
    begin = {name: options.pop(name) for name in BEGIN if name in options}
    technique, how = divided(recipe, options)
    how["plan"] = plan if isinstance(plan, Reuse) else Reuse(plan, most=KEPT)
    networks: list[FeatureExtractor] = [] if extractor is None else [as_extractor(extractor)]

    def paint(frame: np.ndarray, temporal: TemporalLoss, start: np.ndarray | None = None) -> Result:
        made = recipe(frame, read, **technique)
        if not isinstance(made, Recipe):
            raise InputTypeError(
                explain(
                    "the recipe of a video returned something else",
                    expected="a Recipe",
                    received=type(made).__name__,
                    hint="return the recipe without calling its run",
                ),
                argument="recipe",
            )
        if not networks:
            networks.append(as_extractor(made.extractor))
        # By content alone there is nothing to keep: a recipe then returns the frame as it is.
        idle = not any(
            loss.weight for loss in made.losses.values() if not isinstance(loss, ContentLoss)
        )
        if not idle:
            made.add(temporal)
        if start is None or idle:
            result = made.run(steps, extractor=networks[0], **how, **begin)
        else:
            count = -(-(made.steps if steps is None else steps) // SHARE)
            count = count if next_steps is None else next_steps
            network = begin["finish"][0] if begin.get("finish") else networks[0]
            # As a further round at the full size, by neighbours: they are sought once, and around
            # what was painted before. Coarse levels would lay out the strokes anew.
            longer = max(frame.shape[:2])
            last = Pyramid([longer, longer], [0, 1])
            result = made.run(count, extractor=network, initial=start, pyramid=last, **how)
        if result.stopped_by == "interrupted":
            raise KeyboardInterrupt
        return result

    seen: deque[_Seen] = deque(maxlen=max(back))
    index = 0
    for index, picture in enumerate(frames, 1):
        started = time.perf_counter()
        frame = as_image(picture, "frames", size)
        if seen and frame.shape != seen[-1].frame.shape:
            fail(
                f"frame {index} differs in size from those before",
                expected=f"{seen[-1].frame.shape[1]}x{seen[-1].frame.shape[0]} pixels",
                received=f"{frame.shape[1]}x{frame.shape[0]}",
                argument="frames",
            )
        known = None if painted is None else painted(index)
        if known is not None:
            made = Frame(index, as_image(known, "painted"))
        elif seen and np.array_equal(frame, seen[-1].frame):
            made = Frame(index, seen[-1].image)
        else:
            before = _moved(frame, index, seen, back, between)
            kept = 0.0
            if before is not None and (share := float(before[1].mean())) >= cut:
                moved, weights = before
                temporal, kept = TemporalLoss(moved, weights, weight=temporal_weight), share
                result = paint(frame, temporal, _filled(moved, weights, frame))
            else:
                before = None
                seen.clear()
                nothing = np.zeros(frame.shape[:2], np.float32)
                temporal = TemporalLoss(frame, nothing, weight=temporal_weight)
                result = paint(frame, temporal)
            # Of 8 bits, as it is when it is read again.
            image = unit_values(quantise(result.image, 8), "image")
            seconds = time.perf_counter() - started
            made = Frame(index, image, before is None, kept, seconds, result)
        seen.append(_Seen(index, frame, made.image))
        yield made
    if not index:
        fail("there are no frames", expected="at least one", argument="frames")


def check_names(recipe: Callable[..., Recipe], options: Iterable[str]) -> list[str]:
    """Return the names of the options of a recipe and its run; raise an error for any other."""
    own = inspect.signature(recipe).parameters
    known = [*own, *sorted(RUN - {"checkpoint", *own})]
    if not any(one.kind is one.VAR_KEYWORD for one in own.values()):
        check_options(
            "the video", options, known, expected=f"an option of {name_of(recipe)} or Recipe.run"
        )
    return known


def _checked(earlier: Sequence[int]) -> list[int]:
    back = sorted({integer(one, "earlier", low=1) for one in earlier})
    if not back:
        fail("`earlier` is empty", expected="one whole number or more", argument="earlier")
    return back


def _between(flow: FlowLike) -> Callable[[_Seen, _Seen], np.ndarray]:
    """Return a function from a frame and another to the flow between them, checked."""
    if isinstance(flow, str):
        pattern = flow

        def named(one: int, other: int) -> str:
            return pattern.format(frame=one, other=other)

        try:
            distinct = len({named(1, 2), named(2, 1), named(1, 3), named(3, 2)}) == 4
        except (LookupError, ValueError):
            distinct = False
        if not distinct:
            fail(
                "`flow` must be a pattern of file names",
                expected="the numbers of two frames, as in 'flows/{frame:04d}-{other:04d}.flo'",
                received=repr(flow),
                argument="flow",
            )

        def read(one: _Seen, other: _Seen) -> np.ndarray:
            with caused_by("flow"):
                return as_flow(read_flow(named(one.number, other.number)), one.frame.shape[:2])

        return read
    if not callable(flow):
        raise InputTypeError(
            explain(
                "`flow` cannot be used",
                expected="a function of two frames, or a pattern of the names of files",
                received=type(flow).__name__,
            ),
            argument="flow",
        )

    def computed(one: _Seen, other: _Seen) -> np.ndarray:
        with naming(f"in flow {name_of(flow)}"):
            return as_flow(flow(one.frame, other.frame), one.frame.shape[:2])

    return computed


def _moved(
    frame: np.ndarray, index: int, seen: Sequence[_Seen], back: Sequence[int], between
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the stylised frames before, moved, and where they are seen; None if there are none."""
    own = _Seen(index, frame, frame)
    moved: np.ndarray | None = None
    weights = np.zeros(frame.shape[:2], np.float32)
    for distance in back:
        if distance > len(seen):
            break
        other = seen[-distance]
        there = between(own, other)
        added = np.maximum(unoccluded(there, between(other, own)) - weights, 0)
        image = warp(other.image, there)
        moved = image if moved is None else np.where(added[..., None] > 0, image, moved)
        weights += added
    return None if moved is None else (moved, weights)


def _filled(moved: np.ndarray, weights: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Return a moved frame, and where nothing is seen the colours of similar pixels.

    Pixels are similar by their place and their colour in the photograph.
    """
    from scipy.ndimage import minimum_filter
    from scipy.spatial import cKDTree

    known = weights.ravel() > 0
    # The pixels beside what is not seen are mixed with what hid it: they would leave a ghost.
    source = minimum_filter(weights, 3, mode="nearest").ravel() > 0
    if known.all() or not source.any():
        return moved
    places = np.indices(weights.shape, np.float32) * (PLACE / max(weights.shape))
    points = np.concatenate([frame, np.moveaxis(places, 0, -1)], axis=-1).reshape(-1, 5)
    kept = np.flatnonzero(source)
    kept = kept[:: -(-len(kept) // MOST)]
    count = min(NEAREST, len(kept))
    _, nearest = cKDTree(points[kept]).query(points[~known], k=range(1, count + 1))
    result = moved.reshape(-1, 3).copy()
    result[~known] = result[kept][nearest].mean(axis=1)
    return result.reshape(moved.shape)
