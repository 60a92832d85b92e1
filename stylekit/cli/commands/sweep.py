"""``stylekit sweep``: compare settings side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import caused_by, fail, grid_size, number
from stylekit._defaults import (
    MOST_CELLS,
    PREVIEW_SIZE,
    PREVIEW_STEPS,
    STYLE_LOSS,
    SWEPT_STRENGTHS,
)
from stylekit.cli import _declared as declared
from stylekit.cli._app import load_tensorflow
from stylekit.cli._cluster import check_cluster, executor
from stylekit.cli._help import Panel
from stylekit.cli._interrupt import finish
from stylekit.cli._network import ExtractorName, check_pooling, check_weights_file, network
from stylekit.cli._plugin import checked, resolved
from stylekit.cli._values import layer_names, within


def sweep(
    content: declared.Content,
    styles: declared.Styles,
    *,
    out: declared.OutFolder = Path("stylekit-sweep"),
    strength: Annotated[
        str,
        typer.Option(
            metavar="NUMBERS",
            rich_help_panel=Panel.picture,
            help="Amounts of style, comma-separated: 0 returns CONTENT, 1 is style only.",
        ),
    ] = ",".join(map(str, SWEPT_STRENGTHS)),
    variation: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            rich_help_panel=Panel.look,
            show_default="depends on the style loss",
            help="Total variation weights, comma-separated.",
        ),
    ] = None,
    style_scale: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            rich_help_panel=Panel.look,
            help="Scales of the brush strokes, comma-separated, such as 1,1.5.",
        ),
    ] = None,
    keep_colors: declared.KeepColors = None,
    style_loss: declared.StyleLoss = STYLE_LOSS,
    size: declared.Size = PREVIEW_SIZE,
    tile: declared.Tile = None,
    steps: declared.SweepSteps = PREVIEW_STEPS,
    style_layers: Annotated[
        str | None,
        typer.Option(
            metavar="SETS",
            rich_help_panel=Panel.network,
            show_default="depends on the network",
            help="Sets of style layers, separated by semicolons, such as "
            "'conv1_1,conv2_1;conv3_1,conv4_1'; with weights: 'conv1_1:2,conv2_1:1'.",
        ),
    ] = None,
    content_layers: Annotated[
        str | None,
        typer.Option(
            metavar="SETS",
            rich_help_panel=Panel.network,
            show_default="depends on the network",
            help="Sets of content layers, separated by semicolons, such as 'conv3_1;conv4_1'.",
        ),
    ] = None,
    extractor: declared.Extractor = ExtractorName.auto,
    weights: declared.WeightsFile = None,
    pooling: declared.Pooling = declared.PoolingName.max,
    seed: declared.Seed = 0,
    max_cells: Annotated[
        int,
        within(
            low=1,
            whole=True,
            example="64",
            rich_help_panel=Panel.run,
            help="Largest number of pictures.",
        ),
    ] = MOST_CELLS,
    workers: declared.Workers = None,
    dask: declared.Dask = None,
    progress: declared.Progress = True,
) -> None:
    """Compare many settings on small versions of CONTENT.

    Every combination of the values is painted. The output folder receives a contact sheet, a plot
    of style against content with the best trade-offs marked, a table, and the pictures.
    """
    check_cluster(dask, workers)
    check_weights_file(weights, extractor)
    check_pooling(pooling.value, extractor)
    checked(style_loss, "--style-loss", declared.STYLE_LOSSES)
    grid: dict[str, Any] = {
        "style": styles,
        "style_layers": _layers(style_layers, "--style-layers"),
        "content_layers": _layers(content_layers, "--content-layers"),
        "style_scale": _values(style_scale, _number("--style-scale", open_low=True)),
        "variation": _values(variation, _number("--variation")),
        "strength": _values(strength, _number("--strength", high=1)),
    }
    grid = {name: values for name, values in grid.items() if values}
    grid_size({name: len(values) for name, values in grid.items()}, max_cells, "--max-cells")
    _check_files(content, styles, out)
    load_tensorflow()
    import stylekit as sk

    with executor(dask, workers) as elsewhere:
        swept = sk.sweep(
            content,
            None,
            grid,
            size=size or None,
            steps=steps,
            extractor=network(extractor, weights, pooling.value),
            keep_colors=keep_colors and keep_colors.value,
            style_loss=resolved(style_loss, "--style-loss"),
            seed=seed,
            max_cells=max_cells,
            tile=tile and tile.value,
            progress=progress,
            executor=elsewhere,
        )
    _tell(swept, swept.save(out))


def _check_files(content: Path, styles: list[Path], out: Path) -> None:
    """Check that the pictures can be read and the folder can be written."""
    from stylekit.image import as_image
    from stylekit.image.write import prepare_folder

    as_image(content, "content")
    for style in styles:
        as_image(style, "style")
    with caused_by("out"):
        prepare_folder(out, ["sheet.png", "curve.png"])


def _values(given: str | None, read: Callable[[str], Any], separator: str = ",") -> list[Any]:
    return [] if given is None else [read(part.strip()) for part in given.split(separator)]


def _layers(given: str | None, option: str) -> list[Any]:
    return _values(given, lambda one: layer_names(one, option), ";")


def _number(option: str, **limits: Any) -> Callable[[str], float]:
    """Return a function that parses one number of an option."""

    def read(part: str) -> float:
        try:
            value = float(part)
        except ValueError:
            fail(
                f"{option} cannot be read",
                expected="comma-separated numbers, such as 0.3,0.6",
                received=repr(part),
            )
        return number(value, option, **{"low": 0, **limits})

    return read


def _tell(swept: Any, folder: Path) -> None:
    """Print what was painted and which pictures are the best trade-offs."""
    for cell in swept.cells:
        if cell.problem:
            typer.echo(f"cell {cell.number}: {cell.problem}", err=True)
    for cell in swept.pareto:
        judged = f"style {cell.style:.2f}, content {cell.content:.2f}"
        typer.echo(f"{cell.number:4}: {judged}: {', '.join(swept.described(cell.labels))}")
    count = f"{len(swept.cells)} of {swept.planned}"
    told = f"{folder}: {count} pictures, the best trade-offs above, sheet.png"
    finish(told, interrupted=swept.interrupted)
