"""`Checkpoint`: the state of a run in a file, from which an interrupted run continues."""

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
"""Version of the file format. Files of other versions cannot be read."""


@dataclasses.dataclass(frozen=True)
class State:
    """The state of a run between two steps.

    Attributes
    ----------
    level : int
        Level of the pyramid, from 0.
    taken : int
        Steps of the level so far.
    used, weights : list of float
        Weights of the losses in the last step, and in the next step.
    settled : dict
        The `repr` of the optimizer that the run uses, and of the plan of each level.
    notes : list of str
        See `Canvas.notes`.
    seconds : float
        Time that the run has taken, without interruptions.
    setup : dict of str
        Versions, device and number of threads, on which the last bits of the result depend.
    image : array [B, H, W, 3]
        The image at which the level started.
    carry : list of arrays
        The values of the level, the state of its optimizer, and whatever else is passed from step
        to step.
    rows : dict of arrays
        The losses so far, one row for each step: ``total`` ``[N, B]``, ``terms`` ``[N, T, B]``,
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
    """A folder that keeps the state of a run, so that an interrupted run can continue.

    The state is written every few steps, and when a callback or Ctrl-C stops the run. The file is
    replaced in one operation, so that it is complete even if the program is killed. The file is
    removed after the last step.

    Parameters
    ----------
    folder : path
        A folder for one run. It is created if it does not exist, and locked while the run uses it.
    every : int
        Steps between writes, at least 1.
    keep : bool
        Whether the file of a finished run is kept until `remove` is called. Calling the same run
        again then returns its result at once. Use this if the program must save the result after
        the run, and might be interrupted before.

    Notes
    -----
    The file is about as large as the optimizer's state. For `LBFGS` with ten pairs this is 24
    float32 images, or 82 MB at 512 x 512 pixels.
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
        """Return whether the state must be written after a step."""
        return index > 0 and index % self.every == 0

    def parts(self) -> tuple[Checkpoint, Checkpoint]:
        """Return one checkpoint for each part of a run in two parts; see `locked`.

        The files of the parts are kept until `remove` of this checkpoint is called.
        """
        first = copy.copy(self)
        first.keep = first._is_part = True
        second = copy.copy(first)
        second.path = self.folder / "checkpoint-2.npz"
        return first, second

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create the folder, and lock it against other runs while the context is open.

        Raises
        ------
        FileError
            If another run uses the folder, or the folder cannot be created or written to.
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
                        f"the checkpoint folder {self.folder} is in use by another run",
                        hint="wait until that run has ended, or give each run its own folder",
                    ),
                    argument="checkpoint",
                ) from error
            except (OSError, ValueError) as error:  # ValueError: a NUL in the name
                name = f"the checkpoint folder {self.folder}"
                raise unwritable(name, self.folder, error, "checkpoint") from error
            yield

    def read(self, run: dict[str, Any], shapes: list[tuple[int, int, int, int]]) -> State | None:
        """Return the state from which a run continues, or None if there is none.

        The lock must be held.

        Parameters
        ----------
        run : dict
            Everything that identifies the run, as read from JSON.
        shapes : list of (batch, height, width, 3)
            Shape of the image at each level.

        Raises
        ------
        FileError
            If the file is damaged.
        InputError
            If the file belongs to another run. The message says what differs.
        """
        for left in unfinished(self.path):  # temporary files of a run that was killed
            left.unlink()
        if not self.path.exists():
            return None
        try:
            form, others, state = _loaded(self.path, run)
            if state is not None:
                _check(state, shapes, len(run["terms"]))
        except MemoryError:  # the file does not fit into memory, but may be correct
            raise
        except Exception as error:  # disk, zip, JSON and NumPy raise many types of errors
            raise FileError(
                explain(
                    f"the checkpoint {self.path} is damaged or cannot be read ({error})",
                    hint="delete it to start again, or use another folder",
                ),
                argument="checkpoint",
            ) from error
        if form != FORMAT:
            raise FileError(
                explain(
                    f"the checkpoint {self.path} was written by another version of stylekit",
                    expected=f"format {FORMAT}",
                    received=form,
                    hint="resume with that version, or delete the file to start again",
                ),
                argument="checkpoint",
            )
        if others is not None:
            fail(
                f"the checkpoint {self.path} belongs to another run",
                expected=others[0],
                received=others[1],
                hint="give each run its own folder, or delete the file to start again",
                argument="checkpoint",
            )
        return state

    def write(self, run: dict[str, Any], state: State) -> None:
        """Replace the file with a new state of a run, in one operation.

        Raises
        ------
        FileError
            If the file cannot be written. The previous file is then kept.
        """
        fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
        image, carry, rows = (fields.pop(name) for name in ("image", "carry", "rows"))
        about = json.dumps({"format": FORMAT, "run": run, "carry": len(carry), **fields})
        arrays = {"about": np.array(about), "image": image, **rows}
        arrays |= {f"carry{i}": value for i, value in enumerate(carry)}
        with caused_by("checkpoint"), replacing(self.path, through_link=False) as file:
            _dump(file, arrays)

    def remove(self) -> None:
        """Delete the files of the run, if there are any, and keep the folder."""
        for part in self.parts():
            part.path.unlink(missing_ok=True)


def as_checkpoint(value) -> Checkpoint:
    """Return a checkpoint unchanged, or the checkpoint of a folder."""
    return value if isinstance(value, Checkpoint) else Checkpoint(value)


def _dump(file, arrays: dict[str, Any]) -> None:
    """Write an archive for `numpy.load`, with only one array at a time in memory."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(value), allow_pickle=False)


def _loaded(path: Path, run: dict[str, Any]) -> tuple[Any, tuple[str, str] | None, State | None]:
    """Return the format of a file, the differences between its run and this one, and its state.

    The state is None if the run differs. The memory allocated is at most the size of the file. If
    the run differs, only its description is read.
    """
    if not path.is_file():
        raise ValueError("it is not a file")
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        names = [entry.filename.removesuffix(".npy") for entry in entries]
        if {entry.compress_type for entry in entries} - {zipfile.ZIP_STORED}:
            raise ValueError("it is compressed")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise ValueError("its entries claim more than their size")
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
    """Raise `ValueError` if a state does not match these levels and this number of losses."""
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
        raise ValueError("its settings do not match the run")
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
        raise ValueError("its losses do not match the run")
    if state.taken != np.count_nonzero(state.rows["level"] == state.level):
        raise ValueError("its steps do not match its losses")
    if (state.image.dtype, state.image.shape) != (np.float32, shapes[state.level]):
        raise ValueError("its image does not have the size of the run")


def differences(run: Any, saved: Any, most: int = 4) -> tuple[str, str]:
    """Return the settings in which two runs differ, as one text for each run."""
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
