"""``stylekit train-style`` and ``apply``: train a network for one style, and use it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import StylekitError, caused_by, check_place, is_folder, renamed, status
from stylekit._defaults import BATCH_NAME, SIZE, STRENGTH, TRAINING_SIZE, TRAINING_STEPS
from stylekit.cli import _declared as declared
from stylekit.cli._app import in_options, load_tensorflow, plain_errors
from stylekit.cli._help import Panel
from stylekit.cli._interrupt import INTERRUPTED, on_interrupt, once
from stylekit.cli._network import ExtractorName, check_weights_file, network
from stylekit.cli._plugin import checked, resolved
from stylekit.cli._values import keep_apart, within
from stylekit.cli.commands.batch import FAILED


def train_style(
    style: Annotated[Path, typer.Argument(metavar="STYLE", help="The style picture.")],
    photographs: Annotated[
        list[Path],
        typer.Argument(
            metavar="PHOTOS",
            help="Hundreds of photographs or more: folders, patterns in quotes such as "
            "'photos/*.jpg', or files.",
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            rich_help_panel=Panel.picture,
            help="The network to write, a .keras file. The same command, started again, continues "
            "its training.",
        ),
    ],
    strength: Annotated[
        float,
        within(
            low=0,
            high=1,
            rich_help_panel=Panel.picture,
            help="Strength of the style that the network learns, from 0 to 1.",
        ),
    ] = STRENGTH,
    style_size: Annotated[
        int,
        within(
            low=32,
            high=declared.LARGEST,
            whole=True,
            metavar="PIXELS",
            rich_help_panel=Panel.picture,
            help="Longer side of STYLE, which sets the size of the strokes.",
        ),
    ] = SIZE,
    style_loss: Annotated[
        str,
        typer.Option(
            metavar="METHOD",
            rich_help_panel=Panel.picture,
            help="The style loss: gram, or MODULE:NAME for a loss of your own.",
        ),
    ] = "gram",
    variation: declared.Variation = None,
    extractor: declared.Extractor = ExtractorName.compact,
    weights: declared.WeightsFile = None,
    steps: Annotated[
        int,
        within(
            low=1,
            whole=True,
            rich_help_panel=Panel.run,
            help="Total number of training steps. A larger number continues a finished training.",
        ),
    ] = TRAINING_STEPS,
    size: Annotated[
        int,
        within(
            low=32,
            whole=True,
            metavar="PIXELS",
            rich_help_panel=Panel.run,
            help="Side of the square crops of PHOTOS.",
        ),
    ] = TRAINING_SIZE,
    batch: Annotated[
        int, within(low=1, whole=True, rich_help_panel=Panel.run, help="Crops per step.")
    ] = 4,
    learning_rate: Annotated[
        float,
        within(low=0, open_low=True, rich_help_panel=Panel.run, help="Learning rate of Adam."),
    ] = 1e-3,
    seed: declared.Seed = 0,
    preview: Annotated[
        Path | None,
        typer.Option(
            metavar="PHOTO",
            rich_help_panel=Panel.files,
            help=f"Paint this photograph at {SIZE} pixels each time the network is written, as "
            "OUT-00100.png.",
        ),
    ] = None,
    losses_csv: declared.LossesCsv = None,
    checkpoint_every: Annotated[
        int,
        within(
            low=1,
            whole=True,
            metavar="STEPS",
            rich_help_panel=Panel.files,
            help="Steps between writes of the network.",
        ),
    ] = 100,
    progress: declared.Progress = True,
) -> None:
    """Train a network that paints one style in one pass.

    Training takes long and is best done on a GPU. If it is stopped early, apply can use the network
    that was written last.
    """
    with plain_errors():
        from stylekit.batch.listing import pictures
        from stylekit.feedforward.file import about, new_file
        from stylekit.image import as_image

        checked(style_loss, "--style-loss", ("gram",))
        check_weights_file(weights, extractor)
        with renamed(path="out"):
            new_file(out)
            if status(out) is not None:
                about(out)
        if losses_csv:
            check_place(losses_csv, "losses_csv")
        as_image(style, "style")
        photo = None if preview is None else as_image(preview, "preview", SIZE)
        pictures(photographs, "photographs")
        load_tensorflow()
        import stylekit as sk

        def paint(painter: Any) -> None:
            name = f"{out.stem}-{painter.about['steps']:05d}.png"
            sk.write_image(out.with_name(name), painter(photo))

        with on_interrupt(once), renamed(path="out"):
            painter = sk.feedforward.train(
                style,
                photographs,
                out,
                strength=strength,
                style_size=style_size,
                style_loss=resolved(style_loss, "--style-loss"),
                variation=variation,
                extractor=network(extractor, weights, "max"),
                steps=steps,
                size=size,
                batch=batch,
                learning_rate=learning_rate,
                seed=seed,
                losses_csv=losses_csv,
                checkpoint_every=checkpoint_every,
                on_checkpoint=paint if preview else None,
                progress=progress,
            )
        done, seconds = painter.about["steps"], painter.about["seconds"]
        told = f"{out}: {done} step{'s' * (done != 1)} in {seconds:.0f} s"
        if done < steps:
            typer.echo(f"{told} (interrupted); the same command goes on")
            raise typer.Exit(INTERRUPTED)
        typer.echo(told)


def apply(
    model: Annotated[
        Path, typer.Argument(metavar="NETWORK", help="A .keras file that train-style wrote.")
    ],
    contents: Annotated[
        Path,
        typer.Argument(
            metavar="PHOTO", help="A picture, a folder, or a pattern in quotes such as 'photos/*'."
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE|FOLDER",
            rich_help_panel=Panel.picture,
            help="The picture to write; for several pictures, the folder.",
        ),
    ],
    size: declared.Size = SIZE,
    name: Annotated[
        str,
        typer.Option(
            metavar="PATTERN",
            rich_help_panel=Panel.files,
            help="Pattern of the names of several pictures, from the names of PHOTO and NETWORK, "
            "and {index}, which counts from 1, as in {index:04d}.jpg.",
        ),
    ] = BATCH_NAME,
    bits: declared.Bits = 8,
    metadata: declared.Metadata = True,
) -> None:
    """Paint photographs in one pass with a trained network."""
    with plain_errors():
        from stylekit.batch.listing import Job, jobs, prepared
        from stylekit.feedforward.file import about
        from stylekit.image import check_writable

        with caused_by("model"):
            about(model)
        single = status(contents, argument="contents") is not None
        if single and not is_folder(contents, argument="contents"):
            with renamed(path="out"):
                check_writable(out, bits=bits)
            keep_apart(out, [contents])
            todo = [Job(contents, model, out)]
        else:
            single, todo = False, jobs(contents, model, out, name=name)
            prepared(todo, bits)
        load_tensorflow()
        import stylekit as sk

        with caused_by("model"):
            painter = sk.feedforward.load(model)
        failed = 0
        for job in todo:
            try:
                with renamed(picture="contents"):
                    image = painter(job.content, size or None)
                like = job.content if metadata else None
                sk.write_image(job.output, image, like=like, bits=bits)
            except StylekitError as error:
                if single:
                    raise
                failed += 1
                message = in_options(str(error), error.argument)
                typer.echo(f"{job.output.name}: {message}", file=sys.stderr)
            else:
                height, width = image.shape[:2]
                typer.echo(f"{job.output}: {width}x{height} pixels")
        if failed:
            typer.echo(f"{failed} of {len(todo)} pictures failed", err=True)
            raise typer.Exit(FAILED)
