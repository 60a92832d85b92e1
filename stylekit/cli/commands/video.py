"""``stylekit video``: paint a video."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import caused_by, fail, renamed
from stylekit._defaults import SCENE_CUT, TEMPORAL_WEIGHT
from stylekit.cli import _declared as declared
from stylekit.cli._help import Panel
from stylekit.cli._interrupt import finish, on_interrupt, once
from stylekit.cli._options import ContentOptions, with_options
from stylekit.cli._plugin import extended, resolved
from stylekit.cli._values import whole_numbers, within


@dataclasses.dataclass(kw_only=True)
class VideoOptions(ContentOptions):
    """Options of the command that paints a video."""

    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            rich_help_panel=Panel.picture,
            help="Video to write: .mp4, .mov or .mkv.",
        ),
    ]
    next_steps: Annotated[
        int | None,
        within(
            low=0,
            whole=True,
            show_default="a sixth of --steps",
            example="8",
            metavar="STEPS",
            rich_help_panel=Panel.picture,
            help="Optimization steps of each frame that starts from the previous one.",
        ),
    ] = None
    temporal_weight: Annotated[
        float,
        within(
            low=0,
            example="300",
            rich_help_panel=Panel.own,
            help="Weight of temporal consistency; larger values reduce the flicker, smaller "
            "values hide more errors of the optical flow.",
        ),
    ] = TEMPORAL_WEIGHT
    earlier: Annotated[
        str,
        typer.Option(
            metavar="NUMBERS",
            help="Distances to the earlier frames with which a frame is kept consistent, such as "
            "1,4. With 4, a place that is hidden for three frames looks as before when it "
            "reappears. Each number takes additional time.",
        ),
    ] = "1"
    flow: Annotated[
        str | None,
        typer.Option(
            metavar="FLOW",
            show_default="TV-L1",
            help="Optical flow: MODULE:NAME, a function of two frames; or a pattern of files, such "
            "as 'flows/{frame:04d}-{other:04d}.flo'.",
        ),
    ] = None
    cut: Annotated[
        float,
        within(
            low=0,
            high=1,
            example="0.3",
            help="A new scene starts where less than this share of a frame is visible in the "
            "previous frame.",
        ),
    ] = SCENE_CUT
    passes: Annotated[
        int,
        within(
            low=1,
            whole=True,
            example="2",
            help="Passes over the video, in alternating directions. Each takes as long as the "
            "first.",
        ),
    ] = 1
    fps: Annotated[
        float | None,
        within(
            low=0,
            open_low=True,
            example="25",
            show_default="the frame rate of CONTENT",
            rich_help_panel=Panel.files,
            help="Frames per second.",
        ),
    ] = None
    sound: Annotated[
        bool, typer.Option(rich_help_panel=Panel.files, help="Copy the sound of CONTENT.")
    ] = True
    progress: declared.Progress = True

    def arguments(self) -> dict[str, Any]:
        """Load TensorFlow and return the options as arguments of `stylize_video`."""
        given = super().arguments() | {
            "next_steps": self.next_steps,
            "temporal_weight": self.temporal_weight,
            "earlier": whole_numbers(self.earlier, "--earlier"),
            "cut": self.cut,
            "passes": self.passes,
        }
        if self.flow is not None:
            given["flow"] = self.flow if "{" in self.flow else resolved(self.flow, "--flow")
        return given

    def check(self) -> None:
        """Check the options, before the video is read and TensorFlow loads."""
        whole_numbers(self.earlier, "--earlier")
        if self.flow is not None and not {"{", ":"} & {*self.flow}:
            fail(
                "--flow is unknown",
                expected="MODULE:NAME, or a pattern with {frame} and {other}",
                received=self.flow,
            )
        super().check()


@with_options
def video(
    content: Annotated[
        Path, typer.Argument(metavar="CONTENT", help="Video in any format that ffmpeg reads.")
    ],
    style: declared.Style,
    *,
    run: VideoOptions,
) -> None:
    """Paint a video with little flicker, and keep its sound.

    The same command, run again, resumes after the last finished frame.
    """
    from stylekit.image import Video, as_image, check_video

    with renamed(path="video"):
        source = Video(content, fps=run.fps)
    with caused_by("out"):
        check_video(run.out)
    as_image(style, "style")
    options = run.arguments()
    import stylekit as sk

    if run.progress:
        about = f"about {source.count} frames" if source.count else "frames"
        typer.echo(f"{about}, {float(source.fps):g} per second", err=True)
    with on_interrupt(once):
        done = sk.batch.stylize_video(
            content,
            style,
            run.out,
            fps=run.fps,
            sound=run.sound,
            recipe=extended(sk.recipes.basic, run.add_loss or ()),
            progress=run.progress,
            **options,
        )
    told = f"{done.path}: {done.frames} frame{'s' * (done.frames != 1)}"
    if done.interrupted and run.passes > 1:
        told += f" of pass {done.of_pass} of {run.passes}"
    if done.found:
        told += f", {done.found} of them in an earlier run"
    finish(told, interrupted=done.interrupted, resumes=True)
