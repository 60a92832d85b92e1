"""``stylekit video``: a video."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import caused_by, fail, renamed
from stylekit._defaults import SCENE_CUT, TEMPORAL_WEIGHT
from stylekit.cli import _declared as declared
from stylekit.cli._help import Panel
from stylekit.cli._interrupt import INTERRUPTED, on_interrupt, once
from stylekit.cli._options import ContentOptions, with_options
from stylekit.cli._plugin import extended, resolved
from stylekit.cli._values import whole_numbers, within


@dataclasses.dataclass(kw_only=True)
class VideoOptions(ContentOptions):
    """Options of a command that paints over a video."""

    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            rich_help_panel=Panel.picture,
            help="The video to write: .mp4, .mov or .mkv.",
        ),
    ]
    next_steps: Annotated[
        int | None,
        within(
            low=0,
            whole=True,
            show_default="a sixth of --steps",
            help="Steps of each frame that begins from the one before.",
        ),
    ] = None
    temporal_weight: Annotated[
        float,
        within(
            low=0,
            help="How firmly a frame is kept like the one before: larger values flicker less, "
            "smaller ones paint over more of what the flow gets wrong.",
        ),
    ] = TEMPORAL_WEIGHT
    earlier: Annotated[
        str,
        typer.Option(
            metavar="NUMBERS",
            help="How many frames back to look, such as 1,4: what was hidden for a moment looks "
            "as before when it comes back. Each takes its time.",
        ),
    ] = "1"
    flow: Annotated[
        str | None,
        typer.Option(
            metavar="FLOW",
            show_default="TV-L1",
            help="The optical flow: a function MODULE:NAME of two frames, or files, such as "
            "'flows/{frame:04d}-{other:04d}.flo'.",
        ),
    ] = None
    cut: Annotated[
        float,
        within(
            low=0,
            high=1,
            help="A scene begins where a smaller share of a frame is seen in the one before.",
        ),
    ] = SCENE_CUT
    passes: Annotated[
        int,
        within(
            low=1,
            whole=True,
            help="Passes over the video, in alternating directions. Each takes as long as the "
            "first.",
        ),
    ] = 1
    fps: Annotated[
        float | None,
        within(
            low=0,
            open_low=True,
            show_default="those of CONTENT",
            rich_help_panel=Panel.files,
            help="Frames a second.",
        ),
    ] = None
    sound: Annotated[
        bool, typer.Option(rich_help_panel=Panel.files, help="Take the sound over.")
    ] = True
    progress: declared.Progress = True

    def arguments(self) -> dict[str, Any]:
        """Return the options as `stylize_video` takes them; this loads TensorFlow."""
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
        """Refuse what can be refused before the video is read."""
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
    content: Annotated[Path, typer.Argument(metavar="CONTENT", help="A video that ffmpeg reads.")],
    style: Annotated[Path, typer.Argument(metavar="STYLE", help="The style picture.")],
    *,
    run: VideoOptions,
) -> None:
    """Paint a video, so that it does not flicker, and keep its sound.

    The same command, started again, goes on after the last frame that is finished.
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
        typer.echo(f"{about}, {float(source.fps):g} a second", err=True)
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
        told += f", {done.found} of them before"
    if done.interrupted:
        typer.echo(f"{told} (interrupted); the same command goes on")
        raise typer.Exit(INTERRUPTED)
    typer.echo(told)
