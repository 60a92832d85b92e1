"""``stylekit evaluate``: metrics of results."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import caused_by, check_place, fail, naming
from stylekit.cli._app import load_tensorflow
from stylekit.cli._declared import WeightsFile
from stylekit.cli._help import Panel
from stylekit.cli._network import ExtractorName, check_weights_file, network


def evaluate(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT", help="Pictures to evaluate, one row each.")
    ],
    *,
    content: Annotated[
        Path,
        typer.Option(
            metavar="FILE", rich_help_panel=Panel.picture, help="Photograph that was painted."
        ),
    ],
    style: Annotated[
        Path,
        typer.Option(
            metavar="FILE", rich_help_panel=Panel.picture, help="Style picture of the results."
        ),
    ],
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=Panel.picture,
            help="Mask of the photograph, white where it was painted. With a mask, the seam and "
            "the changes outside the mask are also measured.",
        ),
    ] = None,
    extractor: Annotated[
        ExtractorName,
        typer.Option(
            rich_help_panel=Panel.network,
            help="Network for the features. Values of different networks are not comparable; "
            "published values use VGG19.",
        ),
    ] = ExtractorName.compact,
    weights: WeightsFile = None,
    csv_file: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            metavar="FILE",
            rich_help_panel=Panel.files,
            help="Write the table to a .csv file, with all digits.",
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            rich_help_panel=Panel.files,
            help="Write the rows to a .json file, as a list of objects.",
        ),
    ] = None,
) -> None:
    """Measure how close results are to their style and content.

    Lower values are closer, except for ssim. Values of results of different sizes are not
    comparable. The page "Judge a result by numbers" of the documentation explains each metric.

    \b
    near     how far details of the result are from the nearest of the style
    cover    how far details of the style are from the nearest of the result
    gram     difference of texture and colours: correlations of features
    sliced   difference of the whole distributions of features
    color    difference of the palettes
    content  difference from the features of the photograph at each place
    self     whether places that were similar to each other still are
    cfsd     as self, with more weight on similar places and strong features
    ssim     whether brightness and contrast are kept; 1 means equal
    chroma   change of colours from pixel to pixel; compare with the style's
    frame    contrast of the border; compare with the photograph's own row
    seam     with --mask: visibility of its border; 1 is as in the photograph
    leakage  with --mask: how much changed outside the mask
    """  # noqa: D301 (the parser takes the control character as "do not wrap")
    check_weights_file(weights, extractor)
    _check_table(csv_file, "csv")
    _check_table(json_file, "json")
    from stylekit._write import replacing
    from stylekit.image import as_image
    from stylekit.masks import as_mask

    for result in results:
        as_image(result, "result")
    photo = as_image(content, "content")
    as_image(style, "style")
    if mask:
        as_mask(mask, photo.shape[:2])
    load_tensorflow()
    from stylekit import metrics

    judge = network(extractor, weights, "max")
    rows: list[dict[str, Any]] = []
    for result in results:
        with naming(f"by {result}"):
            found = metrics.evaluate(
                result, content=content, style=style, extractor=judge, mask=mask
            )
        rows.append({"result": str(result), "network": type(judge).__name__, **found})
        _tell(rows[-1], max(len(str(one)) for one in results), first=len(rows) == 1)
    if csv_file:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        with caused_by("csv_file"), replacing(csv_file) as file:
            file.write(text.getvalue().encode())
    if json_file:
        with caused_by("json_file"), replacing(json_file) as file:
            file.write(json.dumps([_finite(row) for row in rows], indent=2).encode() + b"\n")


def _check_table(path: Path | None, suffix: str) -> None:
    """Raise an error if a table's suffix is not `suffix`, or its folder does not exist."""
    if path is None:
        return
    if path.suffix.lower() != f".{suffix}":
        fail(
            f"--{suffix} {path} has the wrong suffix",
            expected=f"a name that ends in .{suffix}",
            hint=f"name it {path.with_suffix(f'.{suffix}')}",
        )
    check_place(path, f"{suffix}_file")


def _tell(row: dict[str, Any], width: int, *, first: bool) -> None:
    """Print a row of the table; before the first one, a header with the network."""
    result, judge, *_ = row.values()
    width = max(width, len(judge))
    columns = {name: max(len(name), 5) for name in list(row)[2:]}
    if first:
        heads = [f"{name:>{length}}" for name, length in columns.items()]
        typer.echo("  ".join([f"{judge:{width}}", *heads]))
    cells = [f"{row[name]:{length}.3f}" for name, length in columns.items()]
    typer.echo("  ".join([f"{result:{width}}", *cells]))


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for JSON, which has no infinity: infinite values become null."""
    return {
        name: None if isinstance(value, float) and math.isinf(value) else value
        for name, value in row.items()
    }
