"""What the page shows of a visitor's runs: progress, the result, and the last results."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stylekit.app.jobs import Preview
from stylekit.app.orders import Order
from stylekit.app.uploads import jpeg
from stylekit.app.visitor import RESULTS, Visitor
from stylekit.transfer import Result

THUMBNAIL = 144
"""Longer side, in pixels, of a picture in the list of results."""


@dataclasses.dataclass(frozen=True)
class Finished:
    """A result of a session, as the page shows it.

    Attributes
    ----------
    number : int
        1 for the first result of the session.
    order : Order
    thumbnail : str
        Address of a small version of the picture.
    place : dict
        Entries for the field of the image; see `fields.outcome`.
    curve : list of (int, float)
        Steps and total losses.
    files : dict
        Addresses of the files "picture" and "settings".
    """

    number: int
    order: Order
    thumbnail: str
    place: dict[str, Any]
    curve: list[tuple[int, float]]
    files: dict[str, str]


class Outcome:
    """What the page shows of the runs of one visitor.

    Attributes
    ----------
    place : dict
        Entries for the field of the image; see `fields.outcome`.
    refusal : dict
        Note on why the last request was refused. Empty if the request was accepted.
    curve : list of (int, float)
        Steps and total losses.
    on : bool
        Whether a run is active or waiting.
    fresh : bool
        Whether the curve has changed since the page last fetched it.
    preview : Preview or None
        The preview that is shown.
    results : list of Finished
        The last results, the newest first.
    current : Finished or None
        The result that is shown.
    """

    def __init__(self) -> None:
        self.place: dict[str, Any] = {}
        self.refusal: dict[str, Any] = {}
        self.curve: list[tuple[int, float]] = []
        self.on = False
        self.fresh = True
        self.preview: Preview | None = None
        self.results: list[Finished] = []
        self.current: Finished | None = None
        self._count = 0

    def begin(self, visitor: Visitor, order: Order) -> None:
        """Show the photo of a run that has been accepted."""
        self.on = self.fresh = True
        self.current = self.preview = None
        self.curve, self.refusal = [], {}
        shown = visitor.files.put("painting", jpeg(order.photo, order.size), "image/jpeg")
        self.place = {"show": address(shown), "aspect": _aspect(order.photo), "on": True}

    def wait(self, note: str) -> None:
        """Show a note before the first preview."""
        self.place = self.place | {"note": note, "share": 0}

    def take(self, visitor: Visitor, preview: Preview, curve: Iterable[tuple[int, float]]) -> None:
        """Show a newer preview."""
        self.preview, self.curve, self.fresh = preview, list(curve), True
        shown = visitor.files.put("painting", jpeg(preview.image), "image/jpeg")
        left = "" if preview.remaining is None else f", {spoken(preview.remaining)} left"
        self.place = self.place | {
            "show": address(shown),
            "share": round(preview.share, 3),
            "note": f"Step {preview.index} of {preview.steps}{left}",
        }

    def finish(self, visitor: Visitor, order: Order, result: Result, note: str) -> None:
        """Show a result, and add it to the list."""

        def kept(owner: str, content: bytes, kind: str = "image/jpeg") -> str:
            return address(visitor.kept.put(owner, content, kind))

        self._count += 1
        longer = max(result.image.shape[:2])
        self.current = Finished(
            self._count,
            order,
            kept("thumbnail", jpeg(result.image, THUMBNAIL)),
            {
                "show": kept("after", jpeg(result.image)),
                "before": kept("before", jpeg(order.photo, longer)),
                "aspect": _aspect(result.image),
                "note": note,
                "share": 1,
            },
            [(index, row["total"]) for index, row in enumerate(result.losses)],
            {name: kept(name, *file) for name, file in files(result).items()},
        )
        self.results = [self.current, *self.results][:RESULTS]
        self.rest(self.current)

    def rest(self, finished: Finished | None, note: dict[str, Any] | None = None) -> None:
        """Show a result, or nothing, instead of a run.

        Parameters
        ----------
        finished : Finished or None
        note : dict, optional
            Note to show in place of the note of the result.
        """
        self.on, self.fresh, self.preview, self.refusal = False, True, None, {}
        self.current = finished
        self.place = ({} if finished is None else finished.place) | (note or {})
        self.curve = [] if finished is None else finished.curve

    @property
    def newest(self) -> Finished | None:
        """The newest result."""
        return self.results[0] if self.results else None

    @property
    def files(self) -> dict[str, str]:
        """Addresses of the files of the result that is shown."""
        return {} if self.current is None else self.current.files

    @property
    def listed(self) -> list[dict[str, Any]]:
        """Entries of the list of results."""
        return [
            {
                "number": one.number,
                "show": one.thumbnail,
                "settings": one.order.described(),
                "chosen": one is self.current,
            }
            for one in self.results
        ]


def files(result: Result) -> dict[str, tuple[bytes, str]]:
    """Return the "picture" of a result, a PNG that contains its manifest, and its "settings".

    Each entry is the content of the file and its media type. The settings are the manifest, as
    JSON.
    """
    with tempfile.TemporaryDirectory(prefix="stylekit-") as folder:
        path = result.save(Path(folder) / "picture.png", manifest="text")
        content = path.read_bytes()
        with Image.open(path) as picture:
            manifest = picture.text["stylekit"]  # type: ignore[attr-defined]
    return {
        "picture": (content, "image/png"),
        "settings": (manifest.encode(), "application/json"),
    }


def address(name: str) -> str:
    """Return the address of a file, relative to the address of the page."""
    return f"pictures/{name}"


def spoken(seconds: float) -> str:
    """Return a duration in words, rounded up."""
    if seconds <= 10:
        return f"about {max(1, int(np.ceil(seconds)))} s"
    if seconds <= 90:
        return f"about {5 * int(np.ceil(seconds / 5))} s"
    return f"about {int(np.ceil(seconds / 60))} min"


def _aspect(picture: np.ndarray) -> str:
    height, width = picture.shape[:2]
    return f"{width} / {height}"
