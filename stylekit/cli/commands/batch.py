"""``stylekit batch``: paint many pictures."""

from __future__ import annotations

import dataclasses
import enum
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._defaults import BATCH_NAME, BATCH_SHEET, BATCH_TABLE
from stylekit.cli import _declared as declared
from stylekit.cli._app import in_options
from stylekit.cli._cluster import check_cluster, connected, shared_memory
from stylekit.cli._help import Panel
from stylekit.cli._interrupt import finish, on_interrupt, once
from stylekit.cli._options import ContentOptions, with_options
from stylekit.cli._plugin import extended
from stylekit.cli._preset import PresetOption

SAMPLE = 64
"""Side in pixels of a placeholder picture."""

FAILED = 1
"""Exit status if a picture failed."""


class Pairs(enum.StrEnum):
    """Ways to pair contents and styles."""

    all = "all"
    lines = "lines"


@dataclasses.dataclass(kw_only=True)
class BatchOptions(PresetOption, ContentOptions):
    """Options of the command that paints many content pictures."""

    out: declared.OutFolder = Path("stylekit-batch")
    tile: declared.Tile = None
    bits: declared.Bits = 8
    metadata: declared.Metadata = True
    checkpoint_every: Annotated[int, declared.every("the state of a run")] = 20
    progress: declared.Progress = True

    def recipe(self) -> tuple[Callable[..., Any], dict[str, Any]]:
        """Load TensorFlow, and return the recipe of all pictures and its options."""
        options = self.arguments() | {"tile": self.tile and self.tile.value}
        import numpy as np

        from stylekit.recipes import basic
        from stylekit.recipes.recipe import divided

        recipe: Callable[..., Any] = basic
        if self.preset:
            recipe, options = self.settled(basic, options)
            # All pictures share the network, which does not depend on them.
            grey = np.full((SAMPLE, SAMPLE, 3), 0.5, "float32")
            technique = divided(recipe, options)[0] | {"size": SAMPLE}
            own = recipe(grey, grey, **technique).extractor
            options["extractor"] = self.pooled(options["extractor"], own)
        return extended(recipe, self.add_loss or ()), options


@with_options
def batch(
    contents: Annotated[
        Path,
        typer.Argument(
            metavar="CONTENTS",
            help="Folder, picture, or pattern in quotes such as 'photos/*.jpg'; or a .csv table "
            "with the columns content, style, output, and options such as strength.",
        ),
    ],
    styles: Annotated[
        list[Path] | None,
        typer.Argument(metavar="STYLE", help="One or more styles, unless they are in the table."),
    ] = None,
    *,
    pairs: Annotated[
        Pairs,
        typer.Option(
            rich_help_panel=Panel.picture,
            help="Pairs of CONTENTS and STYLE: all paints every content in every style; lines "
            "paints the first content in the first style, the second in the second, and so on.",
        ),
    ] = Pairs.all,
    name: Annotated[
        str,
        typer.Option(
            metavar="PATTERN",
            rich_help_panel=Panel.files,
            help="Pattern of the output names. {content} and {style} are the input names; {index} "
            "is a number, as in {index:04d}.jpg.",
        ),
    ] = BATCH_NAME,
    sheet: Annotated[
        bool,
        typer.Option(rich_help_panel=Panel.files, help=f"Write a contact sheet, {BATCH_SHEET}."),
    ] = True,
    workers: declared.Workers = None,
    dask: declared.Dask = None,
    run: BatchOptions,
) -> None:
    """Paint many pictures: each content in each style.

    The output folder receives the pictures, a table and a contact sheet. The same command, run
    again, keeps finished pictures and resumes where it was interrupted.
    """
    from stylekit.batch.listing import jobs, prepared
    from stylekit.image import as_image

    check_cluster(dask, workers)
    todo = jobs(contents, styles or None, run.out, pairs=pairs.value, name=name)
    for style in dict.fromkeys(job.style for job in todo) if styles else ():
        as_image(style, "styles")
    prepared(todo, run.bits)
    recipe, options = run.recipe()
    import stylekit as sk

    if run.progress:
        typer.echo(_counted(todo), err=True)
    options["plan"] = shared_memory(options["plan"], workers)
    with on_interrupt(once), connected(dask, workers) as client:
        done = sk.batch.run(
            todo,
            recipe=recipe,
            checkpoint_every=run.checkpoint_every,
            bits=run.bits,
            metadata=run.metadata,
            sheet=sheet,
            on_picture=_tell,
            progress=run.progress,
            client=client,
            **options,
        )
    _end(done, sheet)


def _counted(todo: list[Any]) -> str:
    counts = {"picture": len(todo)}
    counts |= {"content": len({job.content for job in todo})}
    counts |= {"style": len({job.style for job in todo})}
    return ", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items())


def _tell(row: Any) -> None:
    """Print why a picture failed, above the progress bar."""
    from stylekit.transfer.callbacks import tqdm

    if row.error:
        message = in_options(row.error, row.argument)
        tqdm.write(f"{row.job.output.name}: {message}", file=sys.stderr)


def _end(done: Any, sheet: bool) -> None:
    """Print a summary of a batch, and exit with its status."""
    painted = len(done.rows) - len(done.failed)
    told = f"{done.folder}: {painted} of {done.planned} pictures"
    if done.found:
        told += f", {done.found} of them in an earlier run"
    if done.failed:
        told += f", {len(done.failed)} failed"
    if not done.interrupted:
        told += f"; {BATCH_TABLE}{f', {BATCH_SHEET}' if sheet and painted else ''}"
    finish(told, interrupted=done.interrupted, resumes=True)
    if done.failed:
        raise typer.Exit(FAILED)
