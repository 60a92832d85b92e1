"""Runs in threads of their own, with previews, progress and a way to stop a run.

Gradio's queue is not used for two reasons. It keeps all previews that a browser has not fetched,
without a limit, and the image of a cancelled run is lost. Here a run reports to a callback, which
keeps only the newest preview. A run that is stopped returns its current image.
"""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from stylekit._checks import number
from stylekit.app.line import Place
from stylekit.app.orders import Order
from stylekit.transfer import Result, Step

Levels = Sequence[tuple[tuple[int, int], int]]
"""Height, width and steps of each level of a run; see `Pyramid.levels`."""

PREPARATION = 400_000
"""Cost of preparing and tracing a level, in units of the cost of one pixel in one step.

In a run of 50 steps by neighbours up to 512 x 341 pixels, on two cores with other programs, the
preparation of each level took about 2 s, and a step at the full size 0.9 s.
"""


@dataclasses.dataclass(frozen=True)
class Preview:
    """The image of a run at one step.

    Attributes
    ----------
    index, steps : int
        Index of the step, and number of steps of the run.
    image : ndarray [H, W, 3]
    seconds : float
        Seconds since the beginning of the run.
    share : float
        Completed share of the work, in [0, 1].
    remaining : float or None
        Estimate of the remaining time in seconds; None if the levels are not known.
    """

    index: int
    steps: int
    image: np.ndarray
    seconds: float
    share: float
    remaining: float | None


class Job:
    """A run in its own thread, and the callback that watches and stops it.

    Parameters
    ----------
    run : callable
        Function of the job that runs a transfer with the job as a callback and returns the result.
    place : Place
        Place of the job in the queue. The job leaves the queue when the run ends.
    order : Order, optional
        The request that the run carries out.
    limit : float
        Seconds after which another callback stops the run, such as a `TimeLimit`.
    every : float
        Seconds between previews.

    Attributes
    ----------
    order : Order or None
    levels : Levels or None
        Set by `run`. Without them, the remaining time is not estimated.
    preview : Preview or None
        The newest preview. The initial image is not a preview.
    curve : list of (int, float)
        Step and total loss of each preview.

    Examples
    --------
    >>> import stylekit as sk
    >>> def run(job):
    ...     return sk.stylize("a.jpg", "b.jpg", callbacks=[job])
    >>> job = Job(run, line.join("127.0.0.1"))  # doctest: +SKIP
    >>> job.ahead, job.preview.index  # doctest: +SKIP
    >>> job.result.save("out.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        run: Callable[[Job], Result],
        place: Place,
        order: Order | None = None,
        limit: float = math.inf,
        every: float = 0.4,
    ) -> None:
        self.order = order
        self.levels: Levels | None = None
        self.preview: Preview | None = None
        self.curve: list[tuple[int, float]] = []
        self._limit = limit
        self._every = number(every, "every", low=0)
        self._stop = threading.Event()
        self._last = -float("inf")
        self._begun = False
        self._place = place
        thread = ThreadPoolExecutor(1, thread_name_prefix="stylekit-job")
        self._future: Future[Result | None] = thread.submit(self._work, run)
        thread.shutdown(wait=False)

    @property
    def ahead(self) -> int:
        """Number of runs that must end before this run begins."""
        return self._place.ahead

    @property
    def done(self) -> bool:
        """Whether the run has ended, or was stopped before it began."""
        return self._future.done()

    @property
    def result(self) -> Result | None:
        """The result, or None if the run was stopped before it began.

        Reading this property waits until the run has ended, and raises the exception of a run that
        failed.
        """
        return self._future.result()

    def stop(self) -> None:
        """Stop the run after its current step, or remove it from the queue."""
        self._stop.set()
        self._place.cancel()

    def __call__(self, step: Step) -> bool:
        """Store a preview if it is time for one; return whether the run must stop."""
        now = time.monotonic()
        if not self._begun:
            self._begun = True
            self._note(step)
        elif now - self._last >= self._every:
            self._last = now
            self._note(step)
            share, left = step.index / max(1, step.steps), None
            if self.levels:
                share = work(self.levels[: step.level + 1], step.index) / work(self.levels)
                left = min(step.seconds * (1 - share) / share, self._limit - step.seconds)
            self.preview = Preview(step.index, step.steps, step.image, step.seconds, share, left)
        return self._stop.is_set()

    def _note(self, step: Step) -> None:
        self.curve.append((step.index, float(np.mean(step.losses["total"]))))

    def _work(self, run: Callable[[Job], Result]) -> Result | None:
        try:
            return run(self) if self._place.begin() else None
        finally:
            self._place.leave()


def work(levels: Levels, steps: float = math.inf) -> int:
    """Return the cost of the first `steps` steps of the levels, in the units of `PREPARATION`."""
    cost = 0
    for (height, width), count in levels:
        taken = min(steps, count)
        cost += PREPARATION + int(taken) * height * width
        steps -= taken
    return cost
