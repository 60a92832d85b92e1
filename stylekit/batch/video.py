"""Paint a video file. An interrupted run continues after the last finished frame."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stylekit._checks import (
    FileError,
    as_path,
    explain,
    integer,
    manifest_beside,
    renamed,
)
from stylekit._write import replacing
from stylekit.batch.frames import Frame, check_names, kept_picture, stylize_frames
from stylekit.batch.listing import Job
from stylekit.batch.runner import alone
from stylekit.batch.work import HIDDEN, Work
from stylekit.image import Video, check_video, write_video
from stylekit.recipes import Recipe, basic
from stylekit.transfer import Plan, Step
from stylekit.transfer.callbacks import as_callbacks, tqdm
from stylekit.transfer.style_transfer import as_extractor

OWN = ("size", "steps", "next_steps", "temporal_weight", "earlier", "flow", "cut", "passes")
"""Options of `stylize_frames` that affect the result."""


@dataclasses.dataclass(frozen=True)
class StylizedVideo:
    """The outcome of `stylize_video`.

    Attributes
    ----------
    path : pathlib.Path
        The path of the video. The file does not exist if the run was interrupted.
    frames : int
        Number of frames that are finished in the pass `of_pass`.
    found : int
        Number of these frames that were finished by an earlier call.
    interrupted : bool
        Whether the run was interrupted. Calling the function with the same arguments continues it.
    of_pass : int
        The pass that was reached, from 1.
    """

    path: Path
    frames: int
    found: int
    interrupted: bool
    of_pass: int = 1


def stylize_video(
    video: str | os.PathLike[str],
    style: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    fps: float | None = None,
    sound: bool = True,
    quality: int = 17,
    recipe: Callable[..., Recipe] = basic,
    on_frame: Callable[[Frame], Any] | None = None,
    progress: bool = True,
    **options: Any,
) -> StylizedVideo:
    """Paint a video in a style and keep its sound.

    Parameters
    ----------
    video, style : path
        The video, in a format that `stylekit.image.Video` can read, and the style picture.
    out : path
        The video to write, in a format of `stylekit.image.write_video`. The manifest is written to
        a file beside the video.
    fps : float, optional
        Number of frames per second. Default: that of the video.
    sound : bool
        Whether the sound of the video is copied.
    quality : int
        See `write_video`.
    recipe
        See `stylize_frames`.
    on_frame : callable, optional
        Called with each `Frame` of every pass when it is finished.
    progress : bool
        Whether a progress bar is shown.
    **options
        Options of `stylize_frames`, except `folder`.

    Returns
    -------
    StylizedVideo
        The outcome, which is also returned if the run is interrupted (Ctrl-C, or the stop button of
        a notebook).

    Raises
    ------
    FileError, InputError, InputTypeError, SetupError
        If a file or an argument cannot be used, or another run writes the same video.
    TransferError
        If a run fails.

    Notes
    -----
    Until the video is written, finished frames are kept as PNG files in the folder ``.stylekit``
    beside it. If the video, the style and all options are the same, the next call continues after
    the last finished frame, with the same result. Otherwise it starts again with the first frame. A
    finished video is not painted again. Changes to code and to files of optical flows are not
    detected.

    Examples
    --------
    >>> import stylekit as sk
    >>> sk.batch.stylize_video("in.mp4", "starry.jpg", "out.mp4", size=640)  # doctest: +SKIP
    """
    with renamed(path="video"):
        source = Video(video, fps=fps)
    out = as_path(out, "out")
    with renamed(path="out"):
        check_video(out)
        beside = manifest_beside(out)
    integer(quality, "quality", low=0, high=51)
    if out.exists() and os.path.samefile(source.path, out):
        raise FileError(
            explain(
                f"`out` names the input video, {out}",
                expected="another file to write",
                hint="choose another name, because the input video would be overwritten",
            ),
            argument="out",
        )
    check_names(recipe, options.keys() - {*OWN, "extractor", "plan"})
    callbacks = as_callbacks(options.pop("callbacks", ()))
    extractor, plan = options.pop("extractor", None), options.pop("plan", None) or Plan()
    extractor = None if extractor is None else as_extractor(extractor)
    signature = inspect.signature(stylize_frames).parameters
    settings = {name: signature[name].default for name in OWN} | options
    passes = integer(settings["passes"], "passes", low=1)
    about = _About(
        Work(recipe, extractor, plan, settings, 1, 8, False),
        Job(source.path, as_path(style, "style"), out),
        {"fps": str(source.fps), "sound": bool(sound), "quality": quality},
    )
    if out.exists() and (held := about.same(beside)):
        return StylizedVideo(out, held["frames"], held["frames"], False, passes)
    folder = out.parent / HIDDEN / out.name
    owner = f"{out} is being written by another run"
    with contextlib.ExitStack() as stack:
        stack.enter_context(alone(folder.parent, f"{out.name}.lock", owner, "out"))
        manifest = folder / "manifest.json"
        if not about.same(manifest):
            shutil.rmtree(folder, ignore_errors=True)

        def clear() -> None:
            """Remove the files of a run that ends before its first frame."""
            if not manifest.exists():
                shutil.rmtree(folder, ignore_errors=True)

        stack.callback(clear)
        bar = stack.enter_context(_bar(source.count * passes, progress))
        state = StylizedVideo(out, 0, 0, True)

        def tell(step: Step) -> None:
            bar.set_postfix_str(f"step {step.index} of {step.steps}", refresh=False)
            bar.update(0)

        def finished(frame: Frame) -> None:
            nonlocal state
            if frame.of_pass > state.of_pass:
                state = StylizedVideo(out, 0, 0, True, frame.of_pass)
            frames, found = state.frames + 1, state.found + frame.found
            state = dataclasses.replace(state, frames=frames, found=found)
            if not manifest.exists():
                about.begin(manifest, frame)
            bar.update((state.of_pass - 1) * source.count + frames - bar.n)
            if on_frame is not None:
                on_frame(frame)

        painted = stylize_frames(
            source, style, recipe=recipe, folder=folder, on_frame=finished, extractor=extractor,
            plan=plan, callbacks=[tell, *callbacks], **options,
        )  # fmt: skip
        try:
            with renamed(path="video", frames="video", folder="out"):
                for _ in painted:
                    pass
        except KeyboardInterrupt:
            return state
        with renamed(path="out"):
            track = source.path if sound else None
            paths = (kept_picture(folder, passes, k) for k in range(1, state.frames + 1))
            write_video(out, paths, source.fps, sound=track, quality=quality)
            about.end(manifest, beside, state.frames)
        shutil.rmtree(folder)
    return dataclasses.replace(state, interrupted=False)


@dataclasses.dataclass(frozen=True)
class _About:
    """The inputs of a video, for its manifest."""

    work: Work
    job: Job
    saved: dict[str, Any]

    def same(self, path: Path) -> dict[str, Any] | None:
        """Return a manifest of the same video, style and options, or None."""
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            about = held["video"]
            same = about["made_from"] == self._made_from
            same = same and about["weights"] == self.work.weights(about["layers"])
            return held if same else None
        except (OSError, ValueError, KeyError, TypeError):  # missing, or written by another program
            return None

    def begin(self, path: Path, frame: Frame) -> None:
        """Write the inputs of the frames, when the first frame is painted."""
        assert frame.result is not None  # the first frame is painted
        manifest = frame.result.manifest
        terms = manifest.get("before", manifest)["terms"].values()
        layers = list(dict.fromkeys(layer for term in terms for layer in term.get("layers", ())))
        about = {"made_from": self._made_from, "layers": layers}
        about["weights"] = self.work.weights(layers)
        self._write(path, manifest | {"video": about})

    def end(self, path: Path, beside: Path, frames: int) -> None:
        """Write the manifest of a video that is finished."""
        self._write(beside, json.loads(path.read_text(encoding="utf-8")) | {"frames": frames})

    @functools.cached_property
    def _made_from(self) -> dict[str, Any]:
        return json.loads(json.dumps(self.work.made_from(self.job) | {"saved": self.saved}))

    @staticmethod
    def _write(path: Path, manifest: dict[str, Any]) -> None:
        with replacing(path) as file:
            file.write(f"{json.dumps(manifest, indent=1, default=str)}\n".encode())


def _bar(count: int, shown: bool) -> Any:
    # The number of frames in the file may be wrong or missing. If it is missing, the bar has no
    # total.
    return tqdm(total=count or None, unit="frame", disable=not shown, miniters=0)
