"""The state of a run in a file, from which the same run goes on after it was cut off."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from stylekit._checks import (
    FileError,
    as_path,
    caused_by,
    explain,
    fail,
    integer,
    unwritable,
)
from stylekit._npz import array_header, read_array
from stylekit._write import replacing, unfinished
from stylekit.transfer.lock import locked

FORMAT = 2
"""Of the file; another one cannot be read."""


@dataclasses.dataclass(frozen=True)
class State:
    """A run between two of its steps.

    Attributes
    ----------
    level : int
        Of the pyramid, from 0.
    taken : int
        Steps of the level so far.
    used, weights : list of float
        The terms' weights of the last step, and those of the next.
    settled : dict
        The optimizer and the plan of each level that were settled on, by their `repr`.
    notes : list of str
        See `Canvas.notes`.
    seconds : float
        Since the run began, but for the time between its parts.
    setup : dict of str
        What the last bits depend on beside the run: versions, device, threads.
    image : array [B, H, W, 3]
        Where the level started.
    carry : list of arrays
        The level's values, its optimizer's state and the rest that goes from step to step.
    rows : dict of arrays
        The losses so far, a row a step: ``total`` ``[N, B]``, ``terms`` ``[N, T, B]``,
        ``gradient_finite``, ``image_finite``, ``level`` and ``seconds`` ``[N]``.
    """

    level: int
    taken: int
    used: list[float]
    weights: list[float]
    settled: dict[str, Any]
    notes: list[str]
    seconds: float
    setup: dict[str, str]
    image: Any
    carry: list[Any]
    rows: dict[str, Any]


class Checkpoint:
    """Where a run keeps its state, so that it goes on from there if it is started again.

    The state is written every few steps, and when a callback or Ctrl-C stops the run; never in
    place, so that whatever ends the program leaves a whole file. A run that has taken all its steps
    removes it.

    Parameters
    ----------
    folder : path
        Of this one run, which keeps others out of it; made if it does not exist.
    every : int
        Steps between writings, at least 1.
    keep : bool
        True: the file of a finished run stays until `remove` is called, and the same run returns
        its result at once. For who has yet to save the result.

    Notes
    -----
    The size is that of the optimizer's state: for `LBFGS` with its ten pairs 24 times the image
    as float32, 82 MB at 512 x 512.
    """

    def __init__(
        self, folder: str | os.PathLike[str], every: int = 50, *, keep: bool = False
    ) -> None:
        self.folder = as_path(folder, "folder")
        self.every = integer(every, "every", low=1)
        self.keep = keep
        self._is_part = False
        self.path = self.folder / "checkpoint.npz"

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.folder)!r}, every={self.every}, keep={self.keep})"

    def is_due(self, index: int) -> bool:
        """Return whether the state is to be written after a step."""
        return index > 0 and index % self.every == 0

    def parts(self) -> tuple[Checkpoint, Checkpoint]:
        """Return one for each part of a run in two, kept until this one's `remove`.

        The run holds the lock of this one, `locked`.
        """
        first = copy.copy(self)
        first.keep = first._is_part = True
        second = copy.copy(first)
        second.path = self.folder / "checkpoint-2.npz"
        return first, second

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and keep other runs out of it.

        Raises
        ------
        FileError
            If another run is in it, or it cannot be made or written to.
        """
        if self._is_part:
            yield
            return
        with contextlib.ExitStack() as held:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                held.enter_context(locked(self.folder / "checkpoint.lock"))
            except BlockingIOError as error:
                raise FileError(
                    explain(
                        f"the checkpoint's folder {self.folder} is in use by another run",
                        hint="wait until that has ended, or give each run a folder of its own",
                    ),
                    argument="checkpoint",
                ) from error
            except (OSError, ValueError) as error:  # ValueError: a NUL in the name
                name = f"the checkpoint's folder {self.folder}"
                raise unwritable(name, self.folder, error, "checkpoint") from error
            yield

    def read(self, run: dict[str, Any], shapes: list[tuple[int, int, int, int]]) -> State | None:
        """Return the state that a run goes on from; None if it begins. The lock must be held.

        Parameters
        ----------
        run : dict
            What makes it this run and no other, as JSON has it.
        shapes : list of (batch, height, width, 3)
            Of the image at each level.

        Raises
        ------
        FileError
            If the file is damaged.
        InputError
            If the file is another run's; the message tells what differs.
        """
        for left in unfinished(self.path):  # by a run that was killed
            left.unlink()
        if not self.path.exists():
            return None
        try:
            form, others, state = _loaded(self.path, run)
            if state is not None:
                _check(state, shapes, len(run["terms"]))
        except MemoryError:  # as large as the file is
            raise
        except Exception as error:  # the disk, zip, JSON and NumPy's header each fail in many ways
            raise FileError(
                explain(
                    f"the checkpoint {self.path} is damaged or cannot be read ({error})",
                    hint="delete it to begin anew, or name another folder",
                ),
                argument="checkpoint",
            ) from error
        if form != FORMAT:
            raise FileError(
                explain(
                    f"the checkpoint {self.path} was written by another version of stylekit",
                    expected=f"format {FORMAT}",
                    received=form,
                    hint="resume with that version, or delete the file to begin anew",
                ),
                argument="checkpoint",
            )
        if others is not None:
            fail(
                f"the checkpoint {self.path} is another run's",
                expected=others[0],
                received=others[1],
                hint="give each run a folder of its own, or delete the file to begin anew",
                argument="checkpoint",
            )
        return state

    def write(self, run: dict[str, Any], state: State) -> None:
        """Write a state of a run in place of the last one, all or nothing.

        Raises
        ------
        FileError
            If it cannot be written; the last one is still there.
        """
        fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
        image, carry, rows = (fields.pop(name) for name in ("image", "carry", "rows"))
        about = json.dumps({"format": FORMAT, "run": run, "carry": len(carry), **fields})
        arrays = {"about": np.array(about), "image": image, **rows}
        arrays |= {f"carry{i}": value for i, value in enumerate(carry)}
        with caused_by("checkpoint"), replacing(self.path, through_link=False) as file:
            _dump(file, arrays)

    def remove(self) -> None:
        """Delete the files of the run, if there are any; the folder stays."""
        for part in self.parts():
            part.path.unlink(missing_ok=True)


def as_checkpoint(value) -> Checkpoint:
    """Return a checkpoint as it is, or that of a folder."""
    return value if isinstance(value, Checkpoint) else Checkpoint(value)


def _dump(file, arrays: dict[str, Any]) -> None:
    """Write an archive as `numpy.load` reads it, one array in memory at a time."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(value), allow_pickle=False)


def _loaded(path: Path, run: dict[str, Any]) -> tuple[Any, tuple[str, str] | None, State | None]:
    """Return a file's format, where its run differs from this one, and its state if neither does.

    What is allocated is no larger than the file, and for another run's only what tells of it.
    """
    if not path.is_file():
        raise ValueError("it is no file")
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        names = [entry.filename.removesuffix(".npy") for entry in entries]
        if {entry.compress_type for entry in entries} - {zipfile.ZIP_STORED}:
            raise ValueError("it is compressed")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise ValueError("it claims to hold more than it does")
        for name in names:
            array_header(archive, name)
        about = json.loads(str(read_array(archive, "about")))
        form, saved, count = (about.pop(name) for name in ("format", "run", "carry"))
        if form != FORMAT:
            return form, None, None
        if run != saved:
            return form, differences(run, saved), None
        arrays = {name: read_array(archive, name) for name in names if name != "about"}
    carry = [arrays.pop(f"carry{i}") for i in range(count)]
    return form, None, State(**about, image=arrays.pop("image"), carry=carry, rows=arrays)


def _check(state: State, shapes: list[tuple[int, int, int, int]], terms: int) -> None:
    """Raise `ValueError` unless a state is one of a run with these levels and terms."""
    plans = state.settled["plans"]
    texts = [state.settled["optimizer"], *plans.values(), *state.notes, *state.setup.values()]
    weights = [*state.used, *state.weights]
    if not (
        all(isinstance(value, list) for value in (state.used, state.weights, state.notes))
        and all(isinstance(text, str) for text in texts)
        and all(isinstance(number, int) for number in (state.level, state.taken))
        and all(isinstance(number, int | float) for number in (*weights, state.seconds))
        and len(state.used) == len(state.weights) == terms
        and math.isfinite(state.seconds)
        and state.level in range(len(shapes))
    ):
        raise ValueError("its settings are not those of a run")
    count, batch = len(state.rows["total"]), shapes[0][0]
    rows = {
        "total": ("f", (count, batch)),
        "terms": ("f", (count, terms, batch)),
        "gradient_finite": ("b", (count,)),
        "image_finite": ("b", (count,)),
        "level": ("i", (count,)),
        "seconds": ("f", (count,)),
    }
    found = {name: (row.dtype.kind, row.shape) for name, row in state.rows.items()}
    if not count or not rows.items() <= found.items():
        raise ValueError("its losses are not those of the run")
    if state.taken != np.count_nonzero(state.rows["level"] == state.level):
        raise ValueError("its steps do not match its losses")
    if (state.image.dtype, state.image.shape) != (np.float32, shapes[state.level]):
        raise ValueError("its image is not of the run's size")


def differences(run: Any, saved: Any, most: int = 4) -> tuple[str, str]:
    """Return where two runs differ, each side as a text."""
    mine, other = dict(_leaves(run)), dict(_leaves(saved))
    names = [n for n in dict.fromkeys([*mine, *other]) if mine.get(n) != other.get(n)]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    sides = (
        ", ".join(f"{n} {side.get(n, 'nothing')}" for n in names[:most]) for side in (mine, other)
    )
    one, two = (side + more for side in sides)
    return one, two


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict | list):
        yield name, value
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(inner, f"{name}.{key}" if name else str(key))
