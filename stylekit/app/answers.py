"""The answers to a visitor's actions: choosing a picture, drawing a region, pressing a button.

This module does not use Gradio.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from stylekit._checks import FileError, StylekitError, choice, explain, fail
from stylekit.app import examples, presets
from stylekit.app.drawing import box_mask, brush_mask, tap_mask, tinted
from stylekit.app.jobs import Job
from stylekit.app.limits import Limits
from stylekit.app.line import Line
from stylekit.app.orders import Order
from stylekit.app.outcome import Outcome, address
from stylekit.app.shelf import Shelf
from stylekit.app.uploads import jpeg, read_picture
from stylekit.app.visitor import Visitor
from stylekit.app.visitors import Visitors
from stylekit.features import FeatureExtractor
from stylekit.image import as_image
from stylekit.masks import Segmenter
from stylekit.transfer import Result, TransferError

VIEW = 640
"""Longer side, in pixels, of the pictures that the visitor chooses from and draws in."""

HEAVY, PATIENCE = 2, 20.0
"""Number of pictures that may be read or segmented at the same time, and the seconds for which
further requests wait before they are refused."""

UPLOADS = 8
"""Largest number of uploaded files that wait to be read, of which two may be from one address."""

TOOLS = ("tap", "subject", "box", "brush", "class")
"""Ways to choose a region."""

log = logging.getLogger(__name__)


class Answers:
    """The answers to the visitors of a page. Each visitor has a separate state.

    Parameters
    ----------
    networks : mapping of str to FeatureExtractor
        The networks that the page offers, by name.
    limits : Limits
    segmenter : callable, optional
        Function that returns the `Segmentation` of a picture. Without a segmenter, the page offers
        no classes.

    Attributes
    ----------
    presets : dict of str to Preset
        The presets that the page offers, by label.
    visitors : Visitors
    line : Line
    uploads : Shelf
        Uploaded files that have not been read. The owner of a file is the address of its sender.
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
        self.presets = presets.available(networks)
        self.visitors = Visitors(limits)
        self.line = Line(limits)
        self.uploads = Shelf(each=2, most=UPLOADS)
        self._heavy = threading.BoundedSemaphore(HEAVY)
        self._outcomes: WeakKeyDictionary[Visitor, Outcome] = WeakKeyDictionary()

    def photo(self, visitor: Visitor, sent: Any) -> tuple[dict[str, Any], list[str]]:
        """Store a photo; return the entries for its field, and the classes in the photo."""
        answer: dict[str, Any] = {}
        found: list[str] = []
        with told_in(answer), self._at_work():
            picture = self._picture(sent, examples.PHOTOS)
            found = visitor.take_photo(picture, self.segmenter)
            answer |= _taken(sent, picture)
        return answer | _show(visitor, "photo", visitor.photo), found

    def style(self, visitor: Visitor, place: int, sent: Any) -> dict[str, Any]:
        """Store a style; return the entries for its field."""
        answer: dict[str, Any] = {}
        with told_in(answer), self._at_work():
            picture = self._picture(sent, examples.STYLES)
            visitor.take_style(place, picture)
            answer |= _taken(sent, picture)
        return answer | _show(visitor, f"style {place}", visitor.styles[place])

    def region(self, visitor: Visitor, tool: str, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Set the region; return the entries for the board.

        Parameters
        ----------
        visitor : Visitor
        tool : str
            One of `TOOLS`.
        drawn : mapping
            Data with the key "box", "strokes", "points" or "class". Without any of these keys the
            region is cleared.
        """
        answer: dict[str, Any] = {"tool": tool}
        visitor.mask = None
        with told_in(answer), self._at_work():
            named(tool, "The way to choose a region", TOOLS)
            if visitor.photo is None:
                fail("There is no photo yet", hint="choose one first")
            answer["note"] = self._draw(visitor, as_image(visitor.photo), tool, drawn)
        if visitor.photo is not None:
            photo = as_image(visitor.photo)
            answer["photo"] = visitor.photos
            seen = photo if visitor.mask is None else tinted(photo, visitor.mask)
            answer |= _show(visitor, "board", seen)
        return answer

    def paint(self, visitor: Visitor, address: str, **settings: Any) -> Outcome:
        """Begin a run, or add it to the queue; return what the page then shows.

        Parameters
        ----------
        visitor : Visitor
        address : str
            Network address of the visitor.
        **settings
            `network`, the name of a network; `preset`, the label of a preset or None; and the
            keyword arguments of `Visitor.order`.
        """
        return self._begin(visitor, address, lambda: self._order(visitor, **settings))

    def larger(self, visitor: Visitor, address: str) -> Outcome:
        """Begin a run with the settings of the displayed result, at twice the size."""

        def order() -> Order:
            shown = self.look(visitor).current
            if shown is None:
                fail("There is no result yet", hint="press Paint first")
            larger = shown.order.larger(self.limits.side)
            if larger is None:
                fail(f"The result has the largest size, {self.limits.side} pixels")
            return larger

        return self._begin(visitor, address, order)

    def review(self, visitor: Visitor, **settings: Any) -> Outcome:
        """Update or remove an error note after a setting has changed. See `paint`."""
        with visitor.lock:
            outcome = self.look(visitor)
            if outcome.refusal:
                outcome.refusal = {}
                if not outcome.on:
                    with told_in(outcome.refusal):
                        self._order(visitor, **settings)
            elif outcome.place.get("problem"):
                outcome.rest(outcome.newest)
            return outcome

    def choose(self, visitor: Visitor, number: Any) -> Outcome:
        """Show one of the last results, unless a run is active or waiting."""
        with visitor.lock:
            outcome = self.look(visitor)
            if not outcome.on:
                for one in outcome.results:
                    if one.number == number:
                        outcome.rest(one)
            return outcome

    def look(self, visitor: Visitor) -> Outcome:
        """Return what the page shows of the visitor's runs at present."""
        with visitor.lock:  # so that a preview is encoded only once
            job = visitor.job
            outcome = self._outcomes.setdefault(visitor, Outcome())
            outcome.fresh = False
            if job is None or job.order is None:
                return outcome
            if not outcome.on:
                outcome.begin(visitor, job.order)
            if job.done:
                self._finish(visitor, job, job.order, outcome)
            elif job.ahead:
                runs = "1 run is" if job.ahead == 1 else f"{job.ahead} runs are"
                outcome.wait(f"Waiting: {runs} ahead of yours. Press Stop to leave the queue.")
            elif job.preview is None:
                outcome.wait("Preparing the pictures …")
            elif job.preview is not outcome.preview:
                outcome.take(visitor, job.preview, job.curve)
            return outcome

    def _order(self, visitor: Visitor, network: Any, preset: Any = None, **settings: Any) -> Order:
        name = named(network, "The network", self.networks)
        if preset is not None:
            preset = self.presets[named(preset, "The preset", self.presets)]
        most = self.limits.side, self.limits.steps
        return visitor.order((name, self.networks[name]), most, preset=preset, **settings)

    def _begin(self, visitor: Visitor, address: str, order: Callable[[], Order]) -> Outcome:
        refusal: dict[str, Any] = {}
        with visitor.lock:
            with told_in(refusal):
                visitor.paint(order(), self.line, address)
            outcome = self.look(visitor)
            outcome.refusal = refusal
            return outcome

    def _draw(
        self, visitor: Visitor, photo: np.ndarray, tool: str, drawn: Mapping[str, Any]
    ) -> str:
        """Set the visitor's region; return a note about the region."""
        found = ""
        if drawn.get("box"):
            visitor.mask = box_mask(photo, drawn["box"], subject_only=tool == "subject")
        elif drawn.get("strokes"):
            visitor.mask = brush_mask(photo.shape, drawn["strokes"])
        elif drawn.get("points"):
            names = visitor.classes_at(drawn["points"])
            if names:
                visitor.take_class(names)
                found = f"Found: {', '.join(names)}. "
            else:
                visitor.mask = tap_mask(photo, drawn["points"])
                found = "Found by its colours. "
        elif drawn.get("class"):
            visitor.take_class(named(drawn["class"], "The class", visitor.classes))
        if visitor.mask is None:
            return ""
        return f"{found}The region covers {visitor.mask.mean():.0%} of the photo."

    def _finish(self, visitor: Visitor, job: Job, order: Order, outcome: Outcome) -> None:
        visitor.job = None  # it holds pictures
        try:
            try:
                result = job.result
                note = "" if result is None else _ending(result, self.limits)
            except TransferError as error:
                # The message may name files of this machine. It is logged, but not sent.
                log.exception("a run failed and its image was kept")
                result = error.result
                note = f"The run failed at step {result.steps}. The picture so far is kept."
            except StylekitError as error:
                outcome.rest(None, {"note": str(error), "problem": True})
                return
            if result is None:
                outcome.rest(outcome.newest, {"note": "The run left the queue."})
            else:
                outcome.finish(visitor, order, result, note)
        except Exception:
            log.exception("a run failed")
            note = "The run failed. The log of the server has the reason."
            outcome.rest(None, {"note": note, "problem": True})

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        """Wait until work that takes much memory or time may begin."""
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
            raise FileError(explain("The upload was not found", hint="send the picture again"))
        return read_picture(file.content, self.limits)


@contextlib.contextmanager
def told_in(answer: dict[str, Any]) -> Iterator[None]:
    """Turn an error of stylekit into a note in the answer. Other exceptions pass through."""
    try:
        yield
    except StylekitError as error:
        answer |= {"note": str(error), "problem": True}


def named(value: Any, name: str, options: Iterable[str]) -> str:
    """Return the value if it is one of the options; the error quotes short strings only."""
    return choice(value if isinstance(value, str) and len(value) < 99 else None, name, options)


def _taken(sent: Any, picture: np.ndarray) -> dict[str, Any]:
    """Return a note on the size of a picture, and the name of the chosen example."""
    height, width = picture.shape[:2]
    example = sent.get("example") or ""
    return {"note": f"{width} x {height} pixels", "example": example}


def _show(visitor: Visitor, place: str, picture: np.ndarray | None) -> dict[str, Any]:
    if picture is None:
        return {}
    return {"show": address(visitor.files.put(place, jpeg(picture, VIEW), "image/jpeg"))}


def _ending(result: Result, limits: Limits) -> str:
    took = f"{result.steps} step{'' if result.steps == 1 else 's'} in {result.seconds:.0f} s"
    if result.stopped_by == "steps":
        return f"Done: {took}."
    if result.stopped_by == "TimeLimit":
        return f"The limit of {limits.seconds:g} s was reached after {took}. The picture is kept."
    return f"Stopped: {took}. The picture so far is kept."
