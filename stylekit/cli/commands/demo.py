"""``stylekit demo``: an example that needs no files and no internet connection."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._defaults import NEIGHBOR_STEPS
from stylekit.cli._app import load_tensorflow
from stylekit.cli._declared import OutFolder, Progress
from stylekit.cli._declared import steps as steps_option
from stylekit.cli._help import Panel, called
from stylekit.cli._interrupt import finish, on_interrupt, once
from stylekit.cli._values import within

BOX = (0.03, 0.02, 0.97, 1.0)
"""Box around the astronaut: left, top, right and bottom as fractions of the picture."""

ASTRONAUT = (
    (0.33, 0.08, 0.56, 0.20),
    (0.38, 0.15, 0.49, 0.34),
    (0.26, 0.38, 0.56, 0.52),
    (0.18, 0.55, 0.66, 0.98),
    (0.60, 0.72, 0.90, 0.95),
)
"""Strokes on the astronaut, as boxes in the form of `BOX`. Her face needs a stroke, because it has
the colours of the wall behind it."""

BEHIND = ((0.74, 0.00, 1.00, 0.52), (0.72, 0.54, 0.97, 0.66))
"""Strokes on the background, within the box."""

LABELS = {
    "astronaut": "content: photograph",
    "night": "style: night",
    "meadow": "style: meadow",
    "astronaut_night": "in the style of night",
    "astronaut_meadow": "in the style of meadow",
    "background_night": "night in the background only",
}
"""Labels of the pictures on the sheet, by the names of their files."""

SHEET = "sheet.png"


def demo(
    *,
    out: OutFolder = Path("stylekit-demo"),
    size: Annotated[
        int,
        within(
            low=64,
            high=4096,
            whole=True,
            example="320",
            metavar="PIXELS",
            rich_help_panel=Panel.picture,
            help="Longer side of the pictures.",
        ),
    ] = 320,
    steps: Annotated[int, steps_option()] = NEIGHBOR_STEPS,
    progress: Progress = True,
) -> None:
    """Paint an example photograph in two styles; needs no files.

    The demo takes about a minute. It writes six pictures, and a sheet that shows all of them. The
    photograph and the styles are part of the installed packages: no internet connection is needed.
    """
    from stylekit.image.write import prepare_folder

    prepare_folder(out, (*(f"{name}.png" for name in LABELS), SHEET))
    began = time.perf_counter()
    load_tensorflow()
    import stylekit as sk

    if progress:
        device = sk.transfer.device()
        typer.echo(f"{size} pixels, {steps} steps per picture on {device}", err=True)
    with on_interrupt(once):
        done, stopped = written(pictures(size, steps, progress), out)
        labels = [LABELS[name] for name in done]
        sheet = sk.image.contact_sheet(done.values(), labels, columns=3, size=size)
        saved = sk.write_image(out / SHEET, sheet)
    seconds = time.perf_counter() - began
    count = f"{len(done)} picture{'s' if len(done) > 1 else ''}"
    finish(f"{saved}: {count} in {seconds:.0f} s", interrupted=stopped)
    if progress:
        line = shlex.join(["transfer", "photo.jpg", str(out / "night.png")])
        typer.echo(f"Next, try your own: {called()} {line}", err=True)


def written(made: Iterator[tuple[str, Any]], folder: Path) -> tuple[dict[str, Any], bool]:
    """Write pictures as they are made; return them by name, and whether Ctrl-C ended the run.

    Raises
    ------
    KeyboardInterrupt
        If no picture has been made.
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
    """Yield the names and pictures of the demo: arrays, and results of runs.

    Raises
    ------
    KeyboardInterrupt
        After the picture of an interrupted run.
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
    """Return the photograph of the astronaut and her mask, made from a box and a few strokes."""
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
