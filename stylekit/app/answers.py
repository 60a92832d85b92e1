"""What the page answers: to a picture, a region, a press of a button. Knows no Gradio."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from PIL import Image

from stylekit._checks import FileError, StylekitError, choice, explain, fail
from stylekit.app import examples
from stylekit.app.drawing import box_mask, brush_mask, tinted
from stylekit.app.jobs import Job, Preview
from stylekit.app.limits import Limits
from stylekit.app.line import Line
from stylekit.app.shelf import Shelf
from stylekit.app.uploads import jpeg, read_picture
from stylekit.app.visitor import Visitor
from stylekit.app.visitors import Visitors
from stylekit.features import FeatureExtractor
from stylekit.image import as_image
from stylekit.masks import Segmenter
from stylekit.transfer import Result, TransferError

VIEW = 640
"""Longer side, in pixels, at which pictures are shown while one chooses."""

HEAVY, PATIENCE = 2, 20.0
"""Pictures that are read or searched at the same time, and the seconds to wait for a turn."""

UPLOADS = 8
"""Files that have been sent and wait to be read; of one address two."""

log = logging.getLogger(__name__)


class Answers:
    """What the page answers to its visitors, whose state is theirs alone.

    Parameters
    ----------
    networks : mapping of str to FeatureExtractor
        Those to choose from, by the names that the page shows.
    limits : Limits
    segmenter : callable, optional
        From a picture to a `Segmentation`; without it there are no classes.

    Attributes
    ----------
    visitors : Visitors
    line : Line
    uploads : Shelf
        Files that have been sent, by address, and wait to be read.
    """

    def __init__(
        self,
        networks: Mapping[str, FeatureExtractor],
        limits: Limits,
        segmenter: Segmenter | None = None,
    ) -> None:
        self.networks = dict(networks)
        self.limits = limits
        self.segmenter = segmenter
        self.visitors = Visitors(limits)
        self.line = Line(limits)
        self.uploads = Shelf(each=2, most=UPLOADS)
        self._heavy = threading.BoundedSemaphore(HEAVY)
        self._painted: WeakKeyDictionary[Visitor, Painted] = WeakKeyDictionary()

    def photo(self, visitor: Visitor, sent: Any) -> tuple[dict[str, Any], list[str]]:
        """Take a photo; return what its place shows, and the classes found in it."""
        answer: dict[str, Any] = {}
        found: list[str] = []
        with told_in(answer), self._at_work():
            picture = self._picture(sent, examples.PHOTOS)
            found = visitor.take_photo(picture, self.segmenter)
            answer |= _size(picture)
        return answer | _show(visitor, "photo", visitor.photo), found

    def style(self, visitor: Visitor, place: int, sent: Any) -> dict[str, Any]:
        """Take a style; return what its place shows."""
        answer: dict[str, Any] = {}
        with told_in(answer), self._at_work():
            visitor.styles[place] = picture = self._picture(sent, examples.STYLES)
            answer |= _size(picture)
        return answer | _show(visitor, f"style {place}", visitor.styles[place])

    def region(self, visitor: Visitor, tool: str, drawn: Any) -> dict[str, Any]:
        """Take a region; return what the board shows.

        Parameters
        ----------
        visitor : Visitor
        tool : str
            ``"box"``, ``"brush"`` or ``"class"``.
        drawn : dict
            With "box", "strokes" or "class"; one without them clears the region.
        """
        answer: dict[str, Any] = {"tool": tool}
        visitor.mask = None
        with told_in(answer), self._at_work():
            named(tool, "The way to tell a region", ("box", "brush", "class"))
            if visitor.photo is None:
                fail("There is no photo yet", hint="choose one first")
            if drawn.get("box"):
                visitor.mask = box_mask(visitor.photo, drawn["box"])
            elif drawn.get("strokes"):
                visitor.mask = brush_mask(visitor.photo.shape, drawn["strokes"])
            elif drawn.get("class"):
                visitor.take_class(named(drawn["class"], "The class", visitor.classes))
            if visitor.mask is not None:
                answer["note"] = f"The region covers {visitor.mask.mean():.0%} of the photo."
        if visitor.photo is not None:
            answer["photo"] = visitor.photos
            seen = visitor.photo if visitor.mask is None else tinted(visitor.photo, visitor.mask)
            answer |= _show(visitor, "board", seen)
        return answer

    def paint(self, visitor: Visitor, address: str, network: Any, **options) -> Painted:
        """Begin a run, or let it wait for its turn; return what the page shows of it.

        Parameters
        ----------
        visitor : Visitor
        address : str
            Of the visitor's machine.
        network : str
            A name of `networks`.
        **options
            See `Visitor.paint`.
        """
        refused: dict[str, Any] = {}
        with told_in(refused):
            named(network, "The network", self.networks)
            visitor.paint(self.networks[network], self.line, address, **options)
        painted = self.look(visitor)
        painted.place = painted.place | refused
        return painted

    def look(self, visitor: Visitor) -> Painted:
        """Return what the page shows now of a visitor's run."""
        with visitor.lock:  # a preview is encoded once
            job = visitor.job
            painted = self._painted.setdefault(visitor, Painted())
            painted.fresh = False
            if job is None:
                return painted
            if not painted.on:
                painted = self._painted[visitor] = Painted(on=True)
            if job.done:
                self._finish(visitor, job, painted)
            elif job.ahead:
                runs = "1 run is" if job.ahead == 1 else f"{job.ahead} runs are"
                painted.place = {"share": 0, "note": f"{runs} before yours. Stop gives it up."}
            elif job.preview is None:
                note = "Preparing: the network looks at the pictures."
                painted.place = {"share": 0, "note": note}
            elif job.preview is not painted.preview:
                painted.take(visitor, job.preview, job.curve)
            return painted

    def _finish(self, visitor: Visitor, job: Job, painted: Painted) -> None:
        visitor.job = painted.preview = None  # which hold pictures
        painted.on = False
        painted.fresh = True
        try:
            try:
                result = job.result
                note = "" if result is None else _ending(result, self.limits)
            except TransferError as error:
                # What broke off may quote files of this machine: that is for its log.
                log.exception("a run broke off")
                result = error.result
                note = f"The run broke off at step {result.steps}. The picture so far is kept."
            except StylekitError as error:
                painted.place = {"share": 1, "note": str(error), "problem": True}
                return
            if result is None:
                painted.place = {"share": 1, "note": "Given up before it began."}
            else:
                painted.finish(visitor, result, note)
        except Exception:
            log.exception("a run failed")
            note = "The run failed. The log of the server says why."
            painted.place = {"share": 1, "note": note, "problem": True}

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        """Wait for a turn at what takes much memory or time."""
        if not self._heavy.acquire(timeout=PATIENCE):
            fail("The page is busy", hint="try again in a moment")
        try:
            yield
        finally:
            self._heavy.release()

    def _picture(self, sent: Any, known: Mapping[str, Any]) -> np.ndarray:
        sent = sent if isinstance(sent, dict) else {}
        if sent.get("example") is not None:
            picture = known[named(sent["example"], "The example", known)]()
            return as_image(picture, size=min(self.limits.side, max(picture.shape[:2])))
        file = self.uploads.take(str(sent.get("file")))
        if file is None:
            raise FileError(explain("The upload is not there", hint="send the picture again"))
        return read_picture(file.content, self.limits)


class Painted:
    """What the page shows of a run.

    Attributes
    ----------
    place : dict
        Of the image's place.
    curve : list of (int, float)
        Steps, and the objective's value there.
    files : dict
        Addresses of the "picture" and its "manifest", once the run has ended.
    on : bool
        Whether there is a run that has not ended.
    fresh : bool
        Whether there is more than at the last look.
    preview : Preview or None
        The last that was shown.
    """

    def __init__(self, on: bool = False) -> None:
        self.place: dict[str, Any] = {"share": 0}
        self.curve: list[tuple[int, float]] = []
        self.files: dict[str, str] = {}
        self.on = on
        self.fresh = True
        self.preview: Preview | None = None

    def take(self, visitor: Visitor, preview: Preview, curve: Iterable[tuple[int, float]]) -> None:
        """Take a newer preview."""
        self.preview = preview
        self.curve = list(curve)
        self.fresh = True
        self.place = _show(visitor, "painting", preview.image, None) | {
            "share": preview.index / preview.steps,
            "note": f"Step {preview.index} of {preview.steps}, {preview.seconds:.0f} s",
        }

    def finish(self, visitor: Visitor, result: Result, note: str) -> None:
        """Take the result in place of the last preview."""
        self.place = _show(visitor, "painting", result.image, None) | {"share": 1, "note": note}
        self.curve = [(index, row["total"]) for index, row in enumerate(result.losses)]
        self.files = {
            name: _address(visitor.files.put(name, content, kind))
            for name, (content, kind) in files(result).items()
        }


def files(result: Result) -> dict[str, tuple[bytes, str]]:
    """Return a result's "picture", a PNG with the manifest in its text, and its "manifest".

    Each is bytes and their media type.
    """
    with tempfile.TemporaryDirectory(prefix="stylekit-") as folder:
        path = result.save(Path(folder) / "picture.png", manifest="text")
        content = path.read_bytes()
        with Image.open(path) as picture:
            manifest = picture.text["stylekit"]  # type: ignore[attr-defined]
    return {
        "picture": (content, "image/png"),
        "manifest": (manifest.encode(), "application/json"),
    }


@contextlib.contextmanager
def told_in(answer: dict[str, Any]) -> Iterator[None]:
    """Turn stylekit's errors into a note in an answer; defects stay errors."""
    try:
        yield
    except StylekitError as error:
        answer |= {"note": str(error), "problem": True}


def named(value: Any, name: str, options: Iterable[str]) -> str:
    """Return one of `options`; another value is quoted in the message, but no long one."""
    return choice(value if isinstance(value, str) and len(value) < 99 else None, name, options)


def _size(picture: np.ndarray) -> dict[str, Any]:
    height, width = picture.shape[:2]
    return {"note": f"{width} x {height} pixels"}


def _show(
    visitor: Visitor, place: str, picture: np.ndarray | None, size: int | None = VIEW
) -> dict[str, Any]:
    if picture is None:
        return {}
    return {"show": _address(visitor.files.put(place, jpeg(picture, size), "image/jpeg"))}


def _address(name: str) -> str:
    """Return where the browser fetches a file, from the page's own address."""
    return f"pictures/{name}"


def _ending(result: Result, limits: Limits) -> str:
    took = f"{result.steps} step{'' if result.steps == 1 else 's'} in {result.seconds:.0f} s"
    if result.stopped_by == "steps":
        return f"Done: {took}."
    if result.stopped_by == "TimeLimit":
        return f"The time of {limits.seconds:g} s was over: {took}. The picture so far is kept."
    return f"Stopped: {took}. The picture so far is kept."
