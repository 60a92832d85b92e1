"""The state of a run in a file, from which the same run goes on after it was cut off."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stylekit._checks import FileError, InputTypeError, explain, fail, integer, unwritable

FORMAT = 2
"""Of the file; another one cannot be read."""

DAMAGE = (
    *(OSError, EOFError, zipfile.BadZipFile, struct.error),
    *(ValueError, KeyError, TypeError),  # another kind of file
    *(NotImplementedError, RuntimeError),  # the archive's flags ask for what it does not use
)
"""What reading a file raises that is no checkpoint, or not a whole one."""


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
        ``gradient_finite``, ``level`` and ``seconds`` ``[N]``.
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
        Of this one run; made if it does not exist.
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
        if not isinstance(folder, str | os.PathLike):
            raise InputTypeError(
                explain(
                    "a checkpoint's folder is no path",
                    expected="a string or os.PathLike",
                    received=type(folder).__name__,
                ),
                argument="folder",
            )
        self.folder = Path(folder)
        self.every = integer(every, "every", low=1)
        self.keep = keep
        self.path = self.folder / "checkpoint.npz"

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.folder)!r}, every={self.every}, keep={self.keep})"

    def is_due(self, index: int) -> bool:
        """Return whether the state is to be written after a step."""
        return index > 0 and index % self.every == 0

    def parts(self) -> tuple[Checkpoint, Checkpoint]:
        """Return one for each part of a run in two, kept until this one's `remove`."""
        first = copy.copy(self)
        first.keep = True
        second = copy.copy(first)
        second.path = self.folder / "checkpoint-2.npz"
        return first, second

    def read(self, run: dict[str, Any]) -> State | None:
        """Return the state that a run goes on from; None if it begins.

        Parameters
        ----------
        run : dict
            What makes it this run and no other, as JSON has it.

        Raises
        ------
        FileError
            If the folder cannot be made or written to, or the file is damaged.
        InputError
            If the file is another run's; the message tells what differs.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._unfinished.write_bytes(b"")  # also in place of what a killed run has left
            self._unfinished.unlink()
            if not self.path.exists():
                return None
        except OSError as error:
            name = f"the checkpoint's folder {self.folder}"
            raise unwritable(name, error, "checkpoint") from error
        try:
            form, saved, state = _parsed(dict(_loaded(self.path)))
        except DAMAGE as error:
            raise FileError(
                explain(
                    f"the checkpoint {self.path} is damaged or cannot be read ({error})",
                    hint="delete it to begin anew",
                ),
                argument="checkpoint",
            ) from error
        if state is None:
            raise FileError(
                explain(
                    f"the checkpoint {self.path} was written by another version of stylekit",
                    expected=f"format {FORMAT}",
                    received=form,
                    hint="resume with that version, or delete the file to begin anew",
                ),
                argument="checkpoint",
            )
        if run != saved:
            mine, other = _differences(run, saved)
            fail(
                f"the checkpoint {self.path} is another run's",
                expected=mine,
                received=other,
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
        try:
            with self._unfinished.open("wb") as file:
                _dump(file, arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(self._unfinished, self.path)
        except OSError as error:
            raise unwritable(f"the checkpoint {self.path}", error, "checkpoint") from error
        finally:  # also after Ctrl-C
            self._unfinished.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the files of the run, if there are any; the folder stays."""
        for part in self.parts():
            part.path.unlink(missing_ok=True)

    @property
    def _unfinished(self) -> Path:
        return self.path.with_suffix(".npz.part")


def as_checkpoint(value) -> Checkpoint:
    """Return a checkpoint as it is, or that of a folder."""
    return value if isinstance(value, Checkpoint) else Checkpoint(value)


def _dump(file, arrays: dict[str, Any]) -> None:
    """Write an archive as `numpy.load` reads it, one array in memory at a time."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(value), allow_pickle=False)


def _loaded(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as entry:  # which checks the sum of what it has read
                yield name.removesuffix(".npy"), np.lib.format.read_array(entry, allow_pickle=False)


def _parsed(arrays: dict[str, np.ndarray]) -> tuple[Any, Any, State | None]:
    """Return a file's format, its run, and its state if the format is ours."""
    about = json.loads(str(arrays.pop("about")))
    form, run, count = (about.pop(name) for name in ("format", "run", "carry"))
    if form != FORMAT:
        return form, run, None
    carry = [arrays.pop(f"carry{i}") for i in range(count)]
    return form, run, State(**about, image=arrays.pop("image"), carry=carry, rows=arrays)


def _differences(run: Any, saved: Any, most: int = 4) -> tuple[str, str]:
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
