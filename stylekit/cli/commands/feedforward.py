"""``stylekit train-style`` and ``apply``: train and use a network that paints one style."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import StylekitError, caused_by, check_place, is_folder, renamed, status
from stylekit._defaults import BATCH_NAME, SIZE, STRENGTH, TRAINING_SIZE, TRAINING_STEPS
from stylekit.cli import _declared as declared
from stylekit.cli._app import in_options, load_tensorflow
from stylekit.cli._help import Panel
from stylekit.cli._interrupt import finish, on_interrupt, once
from stylekit.cli._network import ExtractorName, check_weights_file, network
from stylekit.cli._plugin import checked, resolved
from stylekit.cli._values import check_out, default_out, within
from stylekit.cli.commands.batch import FAILED


def train_style(
    style: declared.Style,
    photographs: Annotated[
        list[Path],
        typer.Argument(
            metavar="PHOTOS",
            help="Hundreds of photographs or more: folders, files, or patterns in quotes such as "
            "'photos/*.jpg'.",
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
            help="Network to write, a .keras file. The same command, run again, resumes "
            "the training.",
        ),
    ],
    strength: declared.Strength = STRENGTH,
    style_size: Annotated[
        int,
        within(
            low=32,
            high=declared.LARGEST,
            whole=True,
            metavar="PIXELS",
            rich_help_panel=Panel.picture,
            example="512",
            help="Longer side of STYLE, which sets the size of the brush strokes.",
        ),
    ] = SIZE,
    style_loss: Annotated[
        str,
        typer.Option(
            metavar="METHOD",
            rich_help_panel=Panel.picture,
            help="Style loss: gram, or MODULE:NAME, a loss of your own.",
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
            example="4000",
            metavar="STEPS",
            help="Training steps in total. To train a finished network further, give a larger "
            "number.",
        ),
    ] = TRAINING_STEPS,
    size: Annotated[
        int,
        within(
            low=32,
            whole=True,
            metavar="PIXELS",
            rich_help_panel=Panel.run,
            example="192",
            help="Side of the square crops of PHOTOS.",
        ),
    ] = TRAINING_SIZE,
    batch: Annotated[
        int,
        within(low=1, whole=True, example="4", rich_help_panel=Panel.run, help="Batch size."),
    ] = 4,
    learning_rate: Annotated[
        float,
        within(
            low=0,
            open_low=True,
            example="0.001",
            rich_help_panel=Panel.run,
            help="Learning rate of Adam.",
        ),
    ] = 1e-3,
    seed: declared.Seed = 0,
    preview: Annotated[
        Path | None,
        typer.Option(
            metavar="PHOTO",
            rich_help_panel=Panel.files,
            help=f"Photograph to paint at {SIZE} pixels at each checkpoint; the picture is written "
            "as OUT-00100.png.",
        ),
    ] = None,
    losses_csv: declared.LossesCsv = None,
    checkpoint_every: Annotated[int, declared.every("the network")] = 100,
    progress: declared.Progress = True,
) -> None:
    """Train a network that paints one style in a single pass.

    Training is much faster on a GPU. After an interruption, the network can be used, and the same
    command resumes its training.
    """
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
    finish(told, interrupted=done < steps, resumes=True)


def apply(
    model: Annotated[Path, typer.Argument(metavar="NETWORK", help=".keras file from train-style.")],
    contents: Annotated[
        Path,
        typer.Argument(
            metavar="PHOTO", help="Picture, folder, or pattern in quotes such as 'photos/*'."
        ),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE|FOLDER",
            rich_help_panel=Panel.picture,
            show_default="made of the input names; stylekit-apply for several pictures",
            help="Picture to write, or the folder for several pictures.",
        ),
    ] = None,
    size: declared.Size = SIZE,
    name: Annotated[
        str,
        typer.Option(
            metavar="PATTERN",
            rich_help_panel=Panel.files,
            help="Pattern of the names of several pictures. {content} and {style} are the names of "
            "PHOTO and NETWORK; {index} is a number, as in {index:04d}.jpg.",
        ),
    ] = BATCH_NAME,
    bits: declared.Bits = 8,
    metadata: declared.Metadata = True,
) -> None:
    """Paint photographs in a single pass with a trained network."""
    from stylekit.batch.listing import Job, jobs, prepared
    from stylekit.feedforward.file import about

    with caused_by("model"):
        about(model)
    single = status(contents, argument="contents") is not None
    if single and not is_folder(contents, argument="contents"):
        out = out or default_out(contents, model, suffix=".tif" if bits == 16 else ".png")
        check_out(out, [contents], bits)
        todo = [Job(contents, model, out)]
    else:
        single, todo = False, jobs(contents, model, out or "stylekit-apply", name=name)
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
