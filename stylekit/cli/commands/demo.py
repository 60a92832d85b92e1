"""``stylekit demo``: what the library does, on its own pictures, without a connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._defaults import NEIGHBOR_STEPS
from stylekit.cli._app import load_tensorflow, plain_errors
from stylekit.cli._interrupt import INTERRUPTED, on_interrupt, once
from stylekit.cli._values import within

BOX = (0.03, 0.02, 0.97, 1.0)
"""Around the astronaut: left, top, right and bottom, as shares of the picture."""

ASTRONAUT = (
    (0.33, 0.08, 0.56, 0.20),
    (0.38, 0.15, 0.49, 0.34),
    (0.26, 0.38, 0.56, 0.52),
    (0.18, 0.55, 0.66, 0.98),
    (0.60, 0.72, 0.90, 0.95),
)
"""Strokes on her, in the order of the box: her face has the colours of the wall behind it."""

BEHIND = ((0.74, 0.00, 1.00, 0.52), (0.72, 0.54, 0.97, 0.66))
"""Strokes on what is behind her, within the box."""

LABELS = {
    "astronaut": "the photograph",
    "night": "night, drawn by code",
    "meadow": "meadow, drawn by code",
    "astronaut_night": "in the style of the night",
    "astronaut_meadow": "in the style of the meadow",
    "background_night": "the night behind her alone",
}
"""The pictures, by the names of their files, in their order."""

SHEET = "sheet.png"


def demo(
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Where the pictures go; the folder is made if it is not there.",
        ),
    ] = Path("stylekit-demo"),
    size: Annotated[
        int,
        within(
            low=64,
            high=4096,
            whole=True,
            metavar="PIXELS",
            help="Longer side of the pictures.",
        ),
    ] = 320,
    steps: Annotated[
        int, within(low=0, whole=True, help="How often each picture is improved.")
    ] = NEIGHBOR_STEPS,
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True,
) -> None:
    """Paint an astronaut in two styles: needs no files and no connection.

    It takes about a minute, and writes six pictures and a sheet of them all.
    """
    with plain_errors():
        from stylekit.image.write import prepare_folder

        prepare_folder(out, (*(f"{name}.png" for name in LABELS), SHEET))
        began = time.perf_counter()
        load_tensorflow()
        import stylekit as sk

        if progress:
            device = sk.transfer.device()
            typer.echo(f"{size} pixels, {steps} steps a picture on {device}", err=True)
        with on_interrupt(once):
            done, stopped = written(pictures(size, steps, progress), out)
            labels = [LABELS[name] for name in done]
            sheet = sk.image.contact_sheet(done.values(), labels, columns=3, size=size)
            saved = sk.write_image(out / SHEET, sheet)
        seconds = time.perf_counter() - began
        count = f"{len(done)} picture{'s' if len(done) > 1 else ''}"
        typer.echo(f"{saved}: {count} in {seconds:.0f} s{' (interrupted)' if stopped else ''}")
        if stopped:
            raise typer.Exit(INTERRUPTED)
        if progress:
            typer.echo(
                f"Next: stylekit transfer photo.jpg {out / 'night.png'} -o out.png", err=True
            )


def written(made: Iterator[tuple[str, Any]], folder: Path) -> tuple[dict[str, Any], bool]:
    """Write pictures as they are made; return them by name, and whether Ctrl-C cut them short.

    Raises
    ------
    KeyboardInterrupt
        If there is none yet.
    """
    import stylekit as sk

    done: dict[str, Any] = {}
    try:
        for name, picture in made:
            path = folder / f"{name}.png"
            if isinstance(picture, sk.Result):
                picture.save(path)
                picture = picture.image
            else:
                sk.write_image(path, picture)
            done[name] = picture
    except KeyboardInterrupt:
        if not done:
            raise
        return done, True
    return done, False


def pictures(size: int, steps: int, progress: bool) -> Iterator[tuple[str, Any]]:
    """Yield the names and pictures of the demo as they are done: arrays, and results of runs.

    Raises
    ------
    KeyboardInterrupt
        After the image so far of a run that was interrupted.
    """
    import stylekit as sk
    from stylekit.image import drawn

    photo, astronaut = subject(size)
    yield "astronaut", photo
    styles = {}
    for name, draw in {"night": drawn.night, "meadow": drawn.meadow}.items():
        if progress:
            typer.echo(f"drawing {name}.png", err=True)
        styles[name] = draw(size)
        yield name, styles[name]

    how: dict[str, Any] = {
        "steps": steps,
        "extractor": sk.CompactVGG(),
        "callbacks": [sk.ProgressBar()] if progress else [],
    }
    background = sk.recipes.localized(photo, styles["night"], astronaut, size=size)
    runs = {
        "astronaut_night": lambda: sk.stylize(photo, styles["night"], size=size, **how),
        "astronaut_meadow": lambda: sk.stylize(photo, styles["meadow"], size=size, **how),
        "background_night": lambda: background.run(**how),
    }
    for name, run in runs.items():
        if progress:
            typer.echo(f"painting {name}.png", err=True)
        result = run()
        yield name, result
        if result.stopped_by == "interrupted":
            raise KeyboardInterrupt


def subject(size: int) -> tuple[Any, Any]:
    """Return the photograph of the astronaut, and the mask of her: a box and a few strokes."""
    import numpy as np
    from skimage import data

    from stylekit.image import as_image
    from stylekit.masks import subject as cut_out

    photo = as_image(data.astronaut(), size=size)
    height, width = photo.shape[:2]

    def pixels(box):
        return np.rint(np.multiply(box, (width, height, width, height))).astype(int)

    def strokes(boxes):
        mask = np.zeros((height, width))
        for left, top, right, bottom in map(pixels, boxes):
            mask[top:bottom, left:right] = 1
        return mask

    mask = cut_out(photo, pixels(BOX), foreground=strokes(ASTRONAUT), background=strokes(BEHIND))
    return photo, mask
