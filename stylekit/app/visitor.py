"""One visitor of the page: the pictures, the region and the run."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from stylekit._checks import choice, fail, integer
from stylekit.app.jobs import Job
from stylekit.app.limits import SMALLEST
from stylekit.app.line import Line
from stylekit.app.shelf import Shelf
from stylekit.features import FeatureExtractor
from stylekit.masks import Segmentation, Segmenter, find_subject
from stylekit.masks.finding import segmented
from stylekit.recipes import stylize
from stylekit.transfer import FitMemory, TimeLimit

STYLES = 3
"""Most styles at once."""

INSIDE, AROUND = "inside", "around"


class Visitor:
    """What one visitor has given, and what runs for that visitor.

    Attributes
    ----------
    photo : ndarray [H, W, 3] or None
    photos : int
        How many there have been.
    styles : list of ndarray or None
        `STYLES` places.
    mask : ndarray [H, W] or None
        The region that was told last; in the photo's size.
    seen : Segmentation or None
        What the segmenter has found in the photo.
    job : Job or None
        The run, until the page has been shown its end.
    files : Shelf
        What the browser may fetch: what is shown of the pictures, and the downloads.
    lock : threading.RLock
        Held where several requests of one visitor must not mix.
    """

    def __init__(self) -> None:
        self.photo: np.ndarray | None = None
        self.photos = 0
        self.styles: list[np.ndarray | None] = [None] * STYLES
        self.mask: np.ndarray | None = None
        self.seen: Segmentation | None = None
        self.job: Job | None = None
        self.files = Shelf(each=2)  # a browser may ask for the last but one
        self.lock = threading.RLock()

    def take_photo(self, photo: np.ndarray, segmenter: Segmenter | None = None) -> list[str]:
        """Take another photo, and forget the old one's region; return the classes found in it."""
        self.photo, self.mask = photo, None
        self.photos += 1
        self.seen = None if segmenter is None else segmented(segmenter, photo)
        return self.classes

    @property
    def classes(self) -> list[str]:
        """The classes found in the photo."""
        found = () if self.seen is None else self.seen.names_present
        return [name for name in found if name != "background"]

    def take_class(self, name: str) -> np.ndarray:
        """Take a class that was found as the region; return its mask."""
        if self.photo is None or self.seen is None:
            fail("There is no photo to find something in", hint="choose one first")
        self.mask = find_subject(self.photo, name, lambda _: self.seen)
        return self.mask

    def paint(
        self,
        network: FeatureExtractor,
        line: Line,
        address: str,
        *,
        weights: Sequence[float],
        side: str | None = None,
        size: Any,
        steps: Any,
        **options,
    ) -> Job:
        """Begin a run with what was given, or let it wait for its turn; see `stylize`.

        Parameters
        ----------
        network : FeatureExtractor
        line : Line
            With the limits.
        address : str
            Of the visitor's machine.
        weights : sequence of float
            One a place for a style; those of empty places do not count.
        side : str, optional
            ``"inside"`` the region, or ``"around"`` it. Default: everywhere.
        size, steps
            Whole numbers within the limits.
        **options
            As for `stylize`.

        Raises
        ------
        InputError, InputTypeError
            If a picture or the region is missing, a number is out of range, or a run is on.
        """
        with self.lock:  # two requests may come at the same time
            if self.job is not None and not self.job.done:
                fail("A run of yours is still on or waiting", hint="stop it first")
            limits = line.limits
            given = [(s, w) for s, w in zip(self.styles, weights, strict=True) if s is not None]
            if self.photo is None or not given:
                fail("There is something missing", expected="a photo and at least one style")
            size = integer(size, "The size", low=SMALLEST, high=limits.side)
            steps = integer(steps, "The steps", low=1, high=limits.steps)
            region = None
            if side is not None:
                choice(side, "The side of the region", (INSIDE, AROUND))
                if self.mask is None:
                    fail("There is no region yet", hint="draw it in the photo, or paint everywhere")
                region = self.mask if side == INSIDE else 1 - self.mask
            photo = self.photo
            styles, shares = zip(*given, strict=True)

            def run(job: Job):
                return stylize(
                    photo,
                    list(styles),
                    style_weights=list(shares),
                    mask=region,
                    size=size,
                    steps=steps,
                    extractor=network,
                    plan=FitMemory(),
                    callbacks=[job, TimeLimit(limits.seconds)],
                    **options,
                )

            self.job = Job(run, line.join(address))
            return self.job

    def stop(self) -> None:
        """End the run, whose image so far is its result; or take it out of the line."""
        if self.job is not None:
            self.job.stop()

    def leave(self) -> None:
        """Forget everything, and end the run."""
        with self.lock:
            self.stop()
            self.photo = self.mask = self.seen = self.job = None
            self.styles = [None] * STYLES
            self.files = Shelf(each=2)
