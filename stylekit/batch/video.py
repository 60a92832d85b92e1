"""A video file in, a video file out; what is finished is kept when it is cut off."""

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
    unwritable,
)
from stylekit._write import replacing
from stylekit.batch.frames import Frame, check_names, stylize_frames
from stylekit.batch.listing import Job
from stylekit.batch.runner import alone
from stylekit.batch.work import HIDDEN, Work
from stylekit.image import Video, check_video, write_image, write_video
from stylekit.recipes import Recipe, basic
from stylekit.transfer import Plan, Step
from stylekit.transfer.callbacks import as_callbacks, tqdm
from stylekit.transfer.style_transfer import as_extractor

OWN = ("size", "steps", "next_steps", "temporal_weight", "earlier", "flow", "cut")
"""Options of `stylize_frames` that say what is painted."""


@dataclasses.dataclass(frozen=True)
class StylizedVideo:
    """What became of a video.

    Attributes
    ----------
    path : pathlib.Path
        The video; it is not there if it was cut off.
    frames : int
        That are painted.
    found : int
        That were painted before.
    interrupted : bool
        Whether it was cut off; the same call goes on.
    """

    path: Path
    frames: int
    found: int
    interrupted: bool


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
    """Paint a video in a style, with its sound.

    Parameters
    ----------
    video, style : path
        The video, as of `stylekit.image.Video`, and the style picture.
    out : path
        The video to write, as of `stylekit.image.write_video`. Its manifest goes beside it.
    fps : float, optional
        Frames a second. Default: those of the video.
    sound : bool
        Whether the sound is taken over.
    quality : int
        See `write_video`.
    recipe
        See `stylize_frames`.
    on_frame : callable, optional
        Given each `Frame`.
    progress : bool
        Whether a bar is shown.
    **options
        Of `stylize_frames`, but for `painted`.

    Returns
    -------
    StylizedVideo
        Also when it is interrupted (Ctrl-C, the notebook's stop button).

    Raises
    ------
    FileError, InputError, InputTypeError, SetupError
        If a file or an argument cannot be used, or another run writes the same video.
    TransferError
        If a run fails.

    Notes
    -----
    Finished frames are written as PNG to ``.stylekit`` beside the video, and removed when that is
    written. Started again, it goes on after the last of them, with the same result, if the video,
    the style and all options are the same; else it begins anew. A video that is finished is left as
    it is. What cannot be compared is code, and files of flows.

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
                f"`out` names the video that is read, {out}",
                expected="another file to write",
                hint="choose another name: the video would be lost",
            ),
            argument="out",
        )
    check_names(recipe, options.keys() - {*OWN, "extractor", "plan"})
    callbacks = as_callbacks(options.pop("callbacks", ()))
    extractor, plan = options.pop("extractor", None), options.pop("plan", None) or Plan()
    extractor = None if extractor is None else as_extractor(extractor)
    signature = inspect.signature(stylize_frames).parameters
    settings = {name: signature[name].default for name in OWN} | options
    about = _About(
        Work(recipe, extractor, plan, settings, 1, 8, False),
        Job(source.path, as_path(style, "style"), out),
        {"fps": str(source.fps), "sound": bool(sound), "quality": quality},
    )
    if out.exists() and (held := about.same(beside)):
        return StylizedVideo(out, held["frames"], held["frames"], False)
    folder = out.parent / HIDDEN / out.name
    owner = f"{out} is being written by another run"
    with contextlib.ExitStack() as stack:
        stack.enter_context(alone(folder.parent, f"{out.name}.lock", owner, "out"))
        manifest = folder / "manifest.json"
        if not about.same(manifest):
            shutil.rmtree(folder, ignore_errors=True)
        bar = stack.enter_context(_bar(source.count, progress))

        def picture(number: int) -> Path:
            return folder / f"{number:06d}.png"

        def before(number: int) -> Path | None:
            return picture(number) if picture(number).exists() else None

        def tell(step: Step) -> None:
            bar.set_postfix_str(f"step {step.index} of {step.steps}", refresh=False)
            bar.update(0)

        painted = found = 0
        frames = stylize_frames(
            source, style, recipe=recipe, painted=before, extractor=extractor, plan=plan,
            callbacks=[tell, *callbacks], **options,
        )  # fmt: skip
        try:
            with renamed(path="video", frames="video"):
                for frame in frames:
                    if before(frame.number):
                        found += 1
                    else:
                        if not folder.exists():
                            about.begin(manifest, frame)
                        with renamed(path="out"):
                            write_image(picture(frame.number), frame.image)
                    painted += 1
                    bar.update()
                    if on_frame is not None:
                        on_frame(frame)
        except KeyboardInterrupt:
            return StylizedVideo(out, painted, found, True)
        with renamed(path="out"):
            track = source.path if sound else None
            paths = (picture(number) for number in range(1, painted + 1))
            write_video(out, paths, source.fps, sound=track, quality=quality)
            about.end(manifest, beside, painted)
        shutil.rmtree(folder)
    return StylizedVideo(out, painted, found, False)


@dataclasses.dataclass(frozen=True)
class _About:
    """What a video is made from, for its manifest."""

    work: Work
    job: Job
    saved: dict[str, Any]

    def same(self, path: Path) -> dict[str, Any] | None:
        """Return a manifest that is of the same video, style and options, or None."""
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            about = held["video"]
            same = about["made_from"] == self._made_from
            same = same and about["weights"] == self.work.weights(about["layers"])
            return held if same else None
        except (OSError, ValueError, KeyError, TypeError):  # none, or another's
            return None

    def begin(self, path: Path, frame: Frame) -> None:
        """Make the folder of the frames, and write what they are made from."""
        assert frame.result is not None  # the first is painted
        manifest = frame.result.manifest
        terms = manifest.get("before", manifest)["terms"].values()
        layers = list(dict.fromkeys(layer for term in terms for layer in term.get("layers", ())))
        about = {"made_from": self._made_from, "layers": layers}
        about["weights"] = self.work.weights(layers)
        try:
            path.parent.mkdir()
        except OSError as error:
            raise unwritable(f"the folder {path.parent}", path.parent, error, "out") from error
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
    # The file's own length may be wrong: then the bar has no end.
    return tqdm(total=count or None, unit="frame", disable=not shown, miniters=0)
