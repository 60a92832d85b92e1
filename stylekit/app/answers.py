"""What the page answers: to a picture, a region, a press of a button. Knows no Gradio."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stylekit._checks import StylekitError, choice, fail
from stylekit.app import examples
from stylekit.app.drawing import box_mask, brush_mask, tinted
from stylekit.app.limits import Limits
from stylekit.app.uploads import data_url, read_upload, shown
from stylekit.app.visitor import Visitor
from stylekit.features import FeatureExtractor
from stylekit.image import as_image
from stylekit.masks import Segmenter
from stylekit.transfer import Result, TransferError

VIEW = 640
"""Longer side, in pixels, at which pictures are shown while one chooses."""

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

    def photo(self, visitor: Visitor, sent: Any) -> tuple[dict[str, Any], list[str]]:
        """Take a photo; return what its place shows, and the classes found in it."""
        answer: dict[str, Any] = {}
        found: list[str] = []
        with told_in(answer):
            picture = self._picture(sent, examples.PHOTOS)
            found = visitor.take_photo(picture, self.segmenter)
            answer |= _place(picture)
        if "show" not in answer and visitor.photo is not None:
            answer["show"] = shown(visitor.photo, VIEW)
        return answer, found

    def style(self, visitor: Visitor, place: int, sent: Any) -> dict[str, Any]:
        """Take a style; return what its place shows."""
        answer: dict[str, Any] = {}
        with told_in(answer):
            picture = self._picture(sent, examples.STYLES)
            visitor.styles[place] = picture
            answer |= _place(picture)
        painting = visitor.styles[place]
        if "show" not in answer and painting is not None:
            answer["show"] = shown(painting, VIEW)
        return answer

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
        with told_in(answer):
            choice(tool, "The way to tell a region", ("box", "brush", "class"))
            if visitor.photo is None:
                fail("There is no photo yet", hint="choose one first")
            if drawn.get("box"):
                visitor.mask = box_mask(visitor.photo, drawn["box"])
            elif drawn.get("strokes"):
                visitor.mask = brush_mask(visitor.photo.shape, drawn["strokes"])
            elif drawn.get("class"):
                visitor.take_class(drawn["class"])
            if visitor.mask is not None:
                answer["note"] = f"The region covers {visitor.mask.mean():.0%} of the photo."
        if visitor.photo is not None:
            answer["photo"] = str(id(visitor.photo))
            seen = visitor.photo if visitor.mask is None else tinted(visitor.photo, visitor.mask)
            answer["show"] = shown(seen, VIEW)
        return answer

    def paint(self, visitor: Visitor, network: str, **options) -> Iterator[Painted]:
        """Run; yield what the page shows of it, at last with the files to download.

        Parameters
        ----------
        visitor : Visitor
        network : str
            A name of `networks`.
        **options
            See `Visitor.paint`.
        """
        painted = Painted()
        with told_in(painted.place):
            choice(network, "The network", self.networks)
            job = visitor.paint(self.networks[network], self.limits, **options)
            painted.place |= {"note": "Preparing: the network looks at the pictures."}
            yield painted
            for preview in job:
                painted.curve.append((preview.index, preview.total))
                painted.place |= {
                    "show": shown(preview.image),
                    "share": preview.index / preview.steps,
                    "note": f"Step {preview.index} of {preview.steps}, {preview.seconds:.0f} s",
                }
                yield painted
            try:
                painted.finish(job.result, _ending(job.result, self.limits))
            except TransferError as error:
                # What broke off may quote files of this machine: that is for its log.
                log.exception("a run broke off")
                ending = (
                    f"The run broke off at step {error.result.steps}. The picture so far is kept."
                )
                painted.finish(error.result, ending)
        yield painted

    def _picture(self, sent: Any, known: Mapping[str, Any]) -> np.ndarray:
        sent = sent if isinstance(sent, dict) else {}
        if "example" in sent:
            name = choice(sent["example"], "The example", known)
            picture = known[name]()
            return as_image(picture, size=min(self.limits.side, max(picture.shape[:2])))
        return read_upload(sent.get("picture"), self.limits)


class Painted:
    """What the page shows of a run.

    Attributes
    ----------
    place : dict
        Of the image's place.
    curve : list of (int, float)
        Steps, and the objective's value there.
    files : dict
        Data URLs of the "picture" and its "manifest", once the run has ended.
    """

    def __init__(self) -> None:
        self.place: dict[str, Any] = {"share": 0}
        self.curve: list[tuple[int, float]] = []
        self.files: dict[str, str] = {}

    def finish(self, result: Result, note: str) -> None:
        """Take the result in place of the last preview."""
        self.place |= {"show": shown(result.image), "share": 1, "note": note}
        self.curve = [(index, row["total"]) for index, row in enumerate(result.losses)]
        self.files = files(result)


def files(result: Result) -> dict[str, str]:
    """Return a result's picture, a PNG with the manifest in its text, and the manifest."""
    with tempfile.TemporaryDirectory(prefix="stylekit-") as folder:
        path = result.save(Path(folder) / "picture.png", manifest="text")
        content = path.read_bytes()
        with Image.open(path) as picture:
            manifest = picture.text["stylekit"]  # type: ignore[attr-defined]
    return {
        "picture": data_url(content, "image/png"),
        "manifest": data_url(manifest.encode(), "application/json"),
    }


@contextlib.contextmanager
def told_in(answer: dict[str, Any]) -> Iterator[None]:
    """Turn stylekit's errors into a note in an answer; defects stay errors."""
    try:
        yield
    except StylekitError as error:
        answer |= {"note": str(error), "problem": True}


def _place(picture: np.ndarray) -> dict[str, Any]:
    height, width = picture.shape[:2]
    return {"show": shown(picture, VIEW), "note": f"{width} x {height} pixels"}


def _ending(result: Result, limits: Limits) -> str:
    took = f"{result.steps} step{'' if result.steps == 1 else 's'} in {result.seconds:.0f} s"
    if result.stopped_by == "steps":
        return f"Done: {took}."
    if result.stopped_by == "TimeLimit":
        return f"The time of {limits.seconds:g} s was over: {took}. The picture so far is kept."
    return f"Stopped: {took}. The picture so far is kept."
