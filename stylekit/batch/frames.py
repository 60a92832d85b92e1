"""Paint the frames of a video without flicker, each from the previous stylised frame."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stylekit._checks import (
    InputTypeError,
    as_path,
    caused_by,
    check_options,
    explain,
    fail,
    integer,
    name_of,
    naming,
    number,
    renamed,
    unwritable,
)
from stylekit._defaults import SCENE_CUT, SIZE, TEMPORAL_WEIGHT
from stylekit.features import FeatureExtractor
from stylekit.image import (
    PictureLike,
    as_image,
    optical_flow,
    read_flow,
    unoccluded,
    warp,
    write_image,
)
from stylekit.image.arrays import quantise, unit_values
from stylekit.image.flow import as_flow
from stylekit.losses import ContentLoss, NeighborStyleLoss, TemporalLoss
from stylekit.recipes import Recipe, basic
from stylekit.recipes.recipe import RUN, divided
from stylekit.transfer import Mix, Plan, Pyramid, Result, Reuse
from stylekit.transfer.style_transfer import as_extractor

SHARE = 6
"""A frame that starts from its neighbour takes 1/6 of the steps of a first frame. With fewer steps,
the edges of moving objects become ragged."""

FOLLOW = 1 / 3
"""Exponent of `NeighborStyleLoss.alpha`. The power is the share of the current image in the picture
that is matched with the style. With an exponent of 0, the current image alone is matched, and the
photograph is lost after about 40 frames. With 1/2, the style is weaker than in the first frame."""

BLEND = 0.5
"""Share of the warped neighbour in the initial image of a frame in a further pass, in pixels that
are not occluded: the delta of Ruder et al."""

KEPT = 12
"""Number of traces to keep; see `stylekit.batch.run`."""

BEGIN = ("finish", "initial", "pyramid")
"""Options of `Recipe.run` for the first frame of a scene."""

NEAREST, MOST = 4, 50_000
"""Number of pixels whose mean colour fills a pixel that was not visible before, and maximum number
of pixels among which they are searched."""

PLACE = 0.5
"""Colour difference, in [0, 1], that is equivalent to a distance of the longer side of the
frame."""

FlowLike = Callable[[np.ndarray, np.ndarray], Any] | str
"""An optical flow: a function of two frames, or a pattern of file names."""


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """A stylised frame of a video.

    Attributes
    ----------
    number : int
        Number of the frame in the video, from 1.
    image : ndarray [H, W, 3]
        The stylised frame, float32 in [0, 1], rounded to 8 bits.
    begins : bool
        Whether a scene begins with this frame, in the direction of the pass.
    kept : float
        Share of the pixels of the frame that are visible in the frames that were painted before; 0
        if a scene begins.
    seconds : float
        Time to paint the frame, including the optical flow.
    result : Result or None
        The result of the run. None if the frame was not painted in this call, because it was found
        in `folder`, equals its neighbour, or is the first frame of a scene in a further pass.
    of_pass : int
        The pass in which the frame was painted, from 1.
    found : bool
        Whether the frame was read from `folder`, where an earlier call had written it.
    """

    number: int
    image: np.ndarray
    begins: bool = False
    kept: float = 1.0
    seconds: float = 0.0
    result: Result | None = None
    of_pass: int = 1
    found: bool = False


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
    passes: int = 1,
    folder: str | os.PathLike[str] | None = None,
    on_frame: Callable[[Frame], Any] | None = None,
    extractor: FeatureExtractor | None = None,
    plan: Plan | None = None,
    **options: Any,
) -> Iterator[Frame]:
    """Yield the stylised frames of a video, without flicker.

    The first frame is painted as a single picture. Each later frame starts from the previous
    stylised frame, warped by the optical flow, and a `TemporalLoss` keeps it close to this warped
    frame. A pixel that was not visible before starts from the stylised colours of similar pixels of
    the photograph, and the temporal loss does not apply to it. A frame that equals the previous
    frame is not painted again. After a cut, the first frame of the next scene is again painted as a
    single picture.

    Parameters
    ----------
    frames : iterable of path, PIL image or array
        Frames of equal height and width, such as a `stylekit.image.Video` or a list of files. They
        are read one at a time.
    style : path, PIL image or array, or a list of them
    recipe : callable
        Returns a `Recipe` for a frame and a style; see `stylekit.batch.run`. Default:
        `recipes.basic`.
    size : int, optional
        Longer side of the result in pixels. None keeps the size of the frames.
    steps : int, optional
        Number of steps of the first frame of a scene. Default: that of the recipe.
    next_steps : int, optional
        Number of steps of each other frame, all at full size, and of each frame in a further pass.
        Default: a sixth of `steps`.
    temporal_weight : float
        Weight of the `TemporalLoss`, at least 0. Larger values reduce the flicker, but make errors
        of the optical flow more visible.
    earlier : sequence of int
        Distances to the earlier frames that are used, each at least 1. With ``(1, 4)``, a region
        that was occluded for up to three frames looks the same as before when it reappears. Each
        distance requires two additional flows per frame. A pixel is taken from the nearest of these
        frames that shows it.
    flow : callable or str
        A function of two frames, float32 ``[H, W, 3]`` at the size of the result, that returns an
        optical flow ``[H, W, 2]`` as `stylekit.image.optical_flow` does. Alternatively a pattern of
        .flo or .npy files, such as ``"flows/{frame:04d}-{other:04d}.flo"``, with the numbers of the
        frames from 1. Flows in both directions are needed.
    cut : float
        Threshold in [0, 1]. A new scene begins at a frame if less than this share of its pixels is
        visible in the previous frame. With 0, no cuts are detected.
    passes : int
        Number of passes over the video, at least 1, in alternating directions; the last pass goes
        forwards. In each further pass, a frame starts from the mean of its last stylised version
        and its warped neighbour, and takes `next_steps` steps. Each pass takes as long as the
        first.
    folder : path, optional
        Folder in which finished frames are kept as PNG files, with all frames of the video if there
        are several passes. An interrupted call continues after the last finished frame. The result
        is the same if the other arguments are the same, which is not checked. Default: no folder,
        or a temporary folder if there are several passes.
    on_frame : callable, optional
        Called with each `Frame` of every pass when it is finished.
    extractor, plan
        See `Recipe.run`. The network is loaded once. All frames share a trace. The coarser sizes of
        the first frames of scenes also share traces.
    **options
        Options of the recipe and of `Recipe.run`, except checkpoint. `initial`, `pyramid` and
        `finish` apply to the first frame of a scene; if `finish` is given, its network paints the
        other frames.

    Yields
    ------
    Frame
        The frames of the last pass, in order.

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument, a frame or a flow cannot be used, the frames differ in size, or there are no
        frames.
    TransferError
        If a run fails.
    KeyboardInterrupt
        If a run is interrupted.

    References
    ----------
    Ruder, Dosovitskiy, Brox: Artistic Style Transfer for Videos, 2016: the initial image, the
    temporal loss, the occlusions, the earlier frames, and the passes. In regions that come into
    view, the paper starts from the photograph; here the initial image has similar colours. The
    passes differ from the paper (section 4.4) as follows. The first pass already paints each frame
    from its neighbour and not from noise, so that a few passes suffice, whereas the paper uses 10
    or more. The temporal loss is used in all passes; the paper disables it in the first passes. The
    first frame of each direction, and of each scene, is not painted again in further passes.

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
    integer(passes, "passes", low=1)
    plan = Plan() if plan is None else plan
    if "size" in names:
        options["size"] = None  # the frame already has the final size
    begin = {name: options.pop(name) for name in BEGIN if name in options}
    technique, how = divided(recipe, options)
    how["plan"] = plan if isinstance(plan, Reuse) else Reuse(plan, most=KEPT)
    networks: list[FeatureExtractor] = [] if extractor is None else [as_extractor(extractor)]

    def run(frame: np.ndarray, temporal: TemporalLoss, start: np.ndarray | None = None) -> Result:
        made = recipe(frame, read, **technique)
        if not isinstance(made, Recipe):
            raise InputTypeError(
                explain(
                    "the recipe of a video must return a Recipe",
                    expected="a Recipe, which has not been run",
                    received=type(made).__name__,
                    hint="return the recipe without calling its run",
                ),
                argument="recipe",
            )
        if not networks:
            networks.append(as_extractor(made.extractor))
        # With the content loss alone, a recipe returns the frame itself, and needs no temporal
        # loss.
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
            # The frame is painted in a further round at full size: neighbours are matched once,
            # from the image painted before. Coarse levels would arrange the strokes differently.
            longer = max(frame.shape[:2])
            last = Pyramid([longer, longer], [0, 1])
            for loss in made.losses.values():
                if isinstance(loss, NeighborStyleLoss) and loss.round_alpha == 1:
                    loss.round_alpha = loss.alpha**FOLLOW
            begun = Mix(start, frame, share=0)  # so that the content of the run is the frame
            result = made.run(count, extractor=network, initial=begun, pyramid=last, **how)
        if result.stopped_by == "interrupted":
            raise KeyboardInterrupt
        return result

    def paint(index: int, frame: np.ndarray, own: np.ndarray | None, seen: deque[_Seen]) -> Frame:
        """Paint a frame; `own` is its stylised version from the previous pass."""
        started = time.perf_counter()
        before = _moved(frame, index, seen, back, between)
        share = 0.0 if before is None else float(before[1].mean())
        result = None
        if before is None or share < cut:
            seen.clear()
            begins, share = True, 0.0
            if own is None:
                nothing = np.zeros(frame.shape[:2], np.float32)
                result = run(frame, TemporalLoss(frame, nothing, weight=temporal_weight))
        else:
            begins, (moved, weights) = False, before
            if own is None:
                start = _filled(moved, weights, frame)
            else:
                start = own + BLEND * weights[..., np.newaxis] * (moved - own)
            result = run(frame, TemporalLoss(moved, weights, weight=temporal_weight), start)
        image = own
        if result is not None:  # rounded as if it had been read from a file
            image = unit_values(quantise(result.image, 8), "image")
        assert image is not None
        return Frame(index, image, begins, share, time.perf_counter() - started, result)

    with contextlib.ExitStack() as stack:
        if folder is None and passes > 1:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
        store = _Store(folder)
        count = store.keep(_sized(frames, size)) if passes > 1 else 0
        for turn in range(store.reached(passes), passes + 1):
            store.forget(turn - 2)
            backwards = (passes - turn) % 2 == 1
            numbered = store.frames(count, backwards) if passes > 1 else _sized(frames, size)
            seen: deque[_Seen] = deque(maxlen=max(back))
            for index, frame in numbered:
                found = store.picture(turn, index)
                if found is not None:
                    made = Frame(index, found, found=True)
                elif seen and np.array_equal(frame, seen[-1].frame):
                    made = Frame(index, seen[-1].image)
                else:
                    made = paint(index, frame, store.picture(turn - 1, index), seen)
                made = dataclasses.replace(made, of_pass=turn)
                if found is None:
                    store.add(made)
                seen.append(_Seen(index, frame, made.image))
                if on_frame is not None:
                    on_frame(made)
                if turn == passes:
                    yield made


def kept_picture(folder: Path, of_pass: int, number: int) -> Path:
    """Return the file in which `stylize_frames` keeps a stylised frame."""
    return folder / f"{of_pass}-{number:06d}.png"


class _Store:
    """The frames of a video, and the stylised frames of the last two passes, as PNG files.

    If there is no folder, nothing is kept.
    """

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        self._folder = None if folder is None else as_path(folder, "folder")
        if self._folder is not None:
            try:
                self._folder.mkdir(exist_ok=True)
            except OSError as error:
                what = f"the folder {self._folder}"
                raise unwritable(what, self._folder, error, "folder") from error

    def keep(self, frames: Iterable[tuple[int, np.ndarray]]) -> int:
        """Write the frames of a video; return the number of frames."""
        index = 0
        for index, frame in frames:
            self._write(self._frame(index), frame)
        return index

    def frames(self, count: int, backwards: bool) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the numbers and the frames in the direction of a pass."""
        numbers = range(1, count + 1)
        for index in reversed(numbers) if backwards else numbers:
            yield index, as_image(self._frame(index), "folder")

    def add(self, made: Frame) -> None:
        """Write a stylised frame, if there is a folder."""
        if self._folder is not None:
            self._write(kept_picture(self._folder, made.of_pass, made.number), made.image)

    def picture(self, of_pass: int, number: int) -> np.ndarray | None:
        """Return a stylised frame, or None if it is not in the folder."""
        if self._folder is None or not kept_picture(self._folder, of_pass, number).exists():
            return None
        return as_image(kept_picture(self._folder, of_pass, number), "folder")

    def reached(self, passes: int) -> int:
        """Return the number of the last pass that has stylised frames, or 1."""
        return max((turn for turn in range(2, passes + 1) if self._pictures(turn)), default=1)

    def forget(self, of_pass: int) -> None:
        """Remove the stylised frames of a pass."""
        for path in self._pictures(of_pass):
            path.unlink()

    def _pictures(self, of_pass: int) -> list[Path]:
        return [] if self._folder is None else [*self._folder.glob(f"{of_pass}-*.png")]

    def _frame(self, number: int) -> Path:
        assert self._folder is not None  # several passes need a folder
        return self._folder / f"frame-{number:06d}.png"

    @staticmethod
    def _write(path: Path, image: np.ndarray) -> None:
        with renamed(path="folder"):
            write_image(path, image)


def _sized(frames: Iterable[PictureLike], size: int | None) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the numbers and the frames at the size of the result; refuse frames that differ."""
    shape = None
    for index, picture in enumerate(frames, 1):
        frame = as_image(picture, "frames", size)
        shape = shape or frame.shape
        if frame.shape != shape:
            fail(
                f"frame {index} differs in size from the first frame",
                expected=f"{shape[1]}x{shape[0]} pixels",
                received=f"{frame.shape[1]}x{frame.shape[0]}",
                argument="frames",
            )
        yield index, frame
    if shape is None:
        fail("there are no frames", expected="at least one", argument="frames")


def check_names(recipe: Callable[..., Recipe], options: Iterable[str]) -> list[str]:
    """Return the option names of a recipe and its run; raise an error for any other name."""
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
        fail("`earlier` is empty", expected="at least one integer", argument="earlier")
    return back


def _between(flow: FlowLike) -> Callable[[_Seen, _Seen], np.ndarray]:
    """Return a function of two frames that returns the checked optical flow between them."""
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
                expected="a function of two frames, or a pattern of file names",
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
    """Return the warped earlier stylised frames, combined, and their visibility; or None."""
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
    """Return a warped frame whose occluded pixels have the colours of similar pixels.

    Pixels are similar if they are close in position and in colour in the photograph.
    """
    from scipy.ndimage import minimum_filter
    from scipy.spatial import cKDTree

    known = weights.ravel() > 0
    # Pixels next to an occluded region are mixed with the colours of the object that hid the
    # region. As sources of colours, they would leave a ghost of the object.
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
