"""``stylekit demo``: what the library does, on its own pictures, without a connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import integer
from stylekit.cli._app import load_tensorflow, plain_errors

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
        Path, typer.Option("--out", "-o", help="Folder for the pictures; made if it is not there.")
    ] = Path("stylekit-demo"),
    size: Annotated[int, typer.Option(help="Longer side of the pictures in pixels.")] = 320,
    steps: Annotated[int, typer.Option(help="Evaluations of the gradient, a picture.")] = 60,
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True,
) -> None:
    """Paint an astronaut in two styles, and behind her alone: no files and no connection needed."""
    with plain_errors():
        integer(size, "--size", low=64)
        integer(steps, "--steps", low=0)
        from stylekit.image.write import prepare_folder

        prepare_folder(out, (*(f"{name}.png" for name in LABELS), SHEET))
        began = time.perf_counter()
        load_tensorflow()
        import stylekit as sk

        if progress:
            device = sk.transfer.device()
            typer.echo(f"{size} pixels, {steps} steps a picture on {device}", err=True)
        done: dict[str, Any] = {}
        interrupted = ""
        try:
            for name, picture in pictures(size, steps, progress):
                path = out / f"{name}.png"
                if isinstance(picture, sk.Result):
                    picture.save(path)
                    picture = picture.image
                else:
                    sk.write_image(path, picture)
                done[name] = picture
        except KeyboardInterrupt:
            if not done:
                raise
            interrupted = " (interrupted)"
        labels = [LABELS[name] for name in done]
        sheet = sk.image.contact_sheet(done.values(), labels, columns=3, size=size)
        saved = sk.write_image(out / SHEET, sheet)
        seconds = time.perf_counter() - began
        typer.echo(f"{saved}: {len(done)} pictures in {seconds:.0f} s{interrupted}")


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

    options: dict[str, Any] = {
        "size": size,
        "steps": steps,
        "strength": 0.9,
        "pyramid": 2,
        "extractor": sk.CompactVGG(),
        "callbacks": [sk.ProgressBar()] if progress else [],
    }
    runs = {
        "astronaut_night": lambda: sk.stylize(photo, styles["night"], **options),
        "astronaut_meadow": lambda: sk.stylize(photo, styles["meadow"], **options),
        "background_night": lambda: sk.recipes.localized(
            photo, styles["night"], astronaut, keep="subject", **options
        ),
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
