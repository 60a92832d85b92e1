"""A visitor of the page: the pictures, the region, the run and the last results."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from stylekit._checks import choice, fail, integer, number
from stylekit.app.drawing import checked_points
from stylekit.app.jobs import Job
from stylekit.app.limits import SMALLEST
from stylekit.app.line import Line
from stylekit.app.orders import Order
from stylekit.app.presets import Preset
from stylekit.app.shelf import File, Shelf
from stylekit.features import FeatureExtractor
from stylekit.image import as_image
from stylekit.image.arrays import quantise
from stylekit.masks import Segmentation, Segmenter, find_subject
from stylekit.masks.finding import segmented
from stylekit.transfer import TimeLimit

STYLES = 3
"""Largest number of styles in one run."""

RESULTS = 4
"""Number of results that are kept for a visitor."""

INSIDE, AROUND = "inside", "around"


class Visitor:
    """The state of one visitor.

    Attributes
    ----------
    photo : ndarray, uint8 [H, W, 3], or None
    photos : int
        Number of photos that the visitor has chosen.
    styles : list of (ndarray, uint8 [h, w, 3], or None)
        A list of `STYLES` entries.
    mask : ndarray [H, W] or None
        Mask of the region, with the height and width of the photo.
    seen : Segmentation or None
        The segmentation of the photo, if there is a segmenter.
    job : Job or None
        The run, until the page has shown its result.
    files : Shelf
        Previews for the browser to fetch.
    kept : Shelf
        The pictures and files of the last `RESULTS` results.
    lock : threading.RLock
        Serialises the requests of one visitor.
    """

    def __init__(self) -> None:
        self.photo: np.ndarray | None = None
        self.photos = 0
        self.styles: list[np.ndarray | None] = [None] * STYLES
        self.mask: np.ndarray | None = None
        self.seen: Segmentation | None = None
        self.job: Job | None = None
        self.files = Shelf(each=2)  # a browser may still fetch the previous file
        self.kept = Shelf(each=RESULTS)
        self.lock = threading.RLock()

    def take_photo(self, photo: np.ndarray, segmenter: Segmenter | None = None) -> list[str]:
        """Store a photo, ``float32 [H, W, 3]``, and clear the region; return its classes."""
        self.photo, self.mask = quantise(photo, 8), None
        self.photos += 1
        self.seen = None if segmenter is None else segmented(segmenter, photo)
        return self.classes

    def take_style(self, place: int, style: np.ndarray) -> None:
        """Store a style, ``float32 [h, w, 3]``."""
        self.styles[place] = quantise(style, 8)

    @property
    def classes(self) -> list[str]:
        """Names of the classes in the photo, without the background."""
        found = () if self.seen is None else self.seen.names_present
        return [name for name in found if name != "background"]

    def classes_at(self, points: Any) -> list[str]:
        """Return the names of the classes at points ``[x, y]`` in [0, 1], without duplicates.

        The list is empty without a segmentation, or if one of the points is in the background.
        """
        if self.seen is None:
            return []
        height, width = self.seen.labels.shape
        names = [
            self.seen.names[self.seen.labels[round(y * (height - 1)), round(x * (width - 1))]]
            for x, y in checked_points(points)
        ]
        return [] if "background" in names else list(dict.fromkeys(names))

    def take_class(self, names: str | list[str]) -> np.ndarray:
        """Set the region to one or more classes in the photo; return the mask."""
        if self.photo is None or self.seen is None:
            fail("There is no photo yet", hint="choose one first")
        self.mask = find_subject(as_image(self.photo), names, lambda _: self.seen)
        return self.mask

    def order(
        self,
        network: tuple[str, FeatureExtractor],
        most: tuple[int, int],
        *,
        weights: Sequence[float],
        preset: Preset | None = None,
        side: str | None = None,
        size: Any,
        steps: Any,
        **options: Any,
    ) -> Order:
        """Return an `Order`, the request for a run with the given settings.

        Parameters
        ----------
        network : (str, FeatureExtractor)
        most : (int, int)
            Largest valid size and largest valid number of steps.
        weights : sequence of float
            One weight for each entry of `styles`. Weights of empty entries are ignored.
        preset : Preset, optional
        side : {"inside", "around"}, optional
            Side of the region that is painted. By default, the whole photo is painted.
        size, steps : int
        **options
            Options of `recipes.basic`.

        Raises
        ------
        InputError, InputTypeError
            If a picture or the region is missing, or a setting is out of range.
        """
        given = [(s, w) for s, w in zip(self.styles, weights, strict=True) if s is not None]
        missing = [
            name
            for name, there in (("photo", self.photo is not None), ("style", given))
            if not there
        ]
        if self.photo is None or not given:
            fail(f"Choose a {' and a '.join(missing)} first")
        size = integer(size, "The size", low=SMALLEST, high=most[0])
        steps = integer(steps, "The number of steps", low=1, high=most[1])
        styles, shares = zip(*given, strict=True)
        shares = tuple(number(share, "The weight of a style", low=0, high=1) for share in shares)
        if not any(shares):
            fail("The weights of all styles are 0", hint="raise at least one of them")
        region = None
        if side is not None:
            choice(side, "The side of the region", (INSIDE, AROUND))
            if self.mask is None:
                fail("There is no region yet", hint="draw it in the photo, or paint everywhere")
            region = self.mask if side == INSIDE else 1 - self.mask
        if preset is not None:
            preset.check_network(network[0])
            if len(styles) > 1:
                fail("A preset takes one style", hint="set Preset to None to mix styles")
            if region is not None:
                fail(
                    "A preset paints the whole photo",
                    hint="set Where to paint to Everywhere, or Preset to None",
                )
        return Order(self.photo, styles, shares, region, network, size, steps, options, preset)

    def paint(self, order: Order, line: Line, address: str) -> Job:
        """Begin a run, or add it to the queue.

        Parameters
        ----------
        order : Order
        line : Line
            The queue, which also contains the limits.
        address : str
            Network address of the visitor.

        Raises
        ------
        InputError
            If the visitor has a run already, or the queue is full.
        """
        with self.lock:  # two requests may arrive at the same time
            if self.job is not None and not self.job.done:
                fail("Your last run has not ended", hint="stop it first")

            def run(job: Job):
                recipe = order.recipe()
                job.levels = recipe.pyramid.levels(recipe.shape, order.steps)
                return order.run(recipe, [job, TimeLimit(line.limits.seconds)])

            self.job = Job(run, line.join(address), order, line.limits.seconds)
            return self.job

    def file(self, name: str) -> File | None:
        """Return the file with a name, or None."""
        return self.files.get(name) or self.kept.get(name)

    def stop(self) -> None:
        """Stop the run, which keeps its current image, or remove it from the queue."""
        if self.job is not None:
            self.job.stop()

    def leave(self) -> None:
        """Stop the run and delete everything."""
        with self.lock:
            self.stop()
            self.photo = self.mask = self.seen = self.job = None
            self.styles = [None] * STYLES
            self.files, self.kept = Shelf(each=2), Shelf(each=RESULTS)
