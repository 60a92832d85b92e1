"""The table of a batch, with one row per picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from stylekit._checks import FileError, caused_by, explain
from stylekit._write import replacing
from stylekit.batch.work import Row

FIRST = ("content", "style", "output", "seconds", "steps")
LAST = "error"


class Table:
    """Writes rows to a CSV file. Each version replaces the previous one in a single operation.

    Parameters
    ----------
    path : pathlib.Path
        The file. Rows that an earlier batch wrote for other pictures are kept before the new rows.
    outputs : iterable of str
        Names of the pictures of this batch, whose earlier rows are dropped.

    Raises
    ------
    FileError
        If the file exists and is not the table of a batch, or cannot be read.
    """

    def __init__(self, path: Path, outputs: Iterable[str]) -> None:
        self._path = path
        own = set(outputs)
        self._before = [cells for cells in _read(path) if cells["output"] not in own]

    def write(self, rows: Iterable[Row]) -> None:
        """Write the table with the rows so far, or raise `FileError`."""
        every = [*self._before, *(row.cells for row in rows)]
        # The losses differ between methods.
        names = dict.fromkeys(name for cells in every for name in cells)
        losses = [name for name in names if name not in (*FIRST, LAST)]
        text = io.StringIO()
        writer = csv.DictWriter(text, [*FIRST, *losses, LAST], restval="")
        writer.writeheader()
        writer.writerows(every)
        with caused_by("folder"), replacing(self._path) as file:
            file.write(text.getvalue().encode())


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
        columns = list(rows.fieldnames or ())
        if (*columns[: len(FIRST)], *columns[-1:]) == (*FIRST, LAST):
            return [{k: v or "" for k, v in row.items() if k is not None} for row in rows]
        received = ",".join(columns) or "an empty file"
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        received = str(error)
    raise FileError(
        explain(
            f"{path} would be overwritten by the table of the batch",
            expected="no such file, or the table of an earlier batch",
            received=f"{received:.80}",
            hint="move that file, or choose another folder",
        ),
        argument="folder",
    )
