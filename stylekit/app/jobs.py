"""A run beside the page: what it has come to, and a way to stop it.

The page looks at a job now and then. Gradio's queue would keep, without a bound, what a run has
yielded and its browser has not fetched, and it abandons a run that is cancelled, with its image:
here a transfer reports to a callback, of which the newest preview stays, and ends with its image
so far.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from stylekit._checks import number
from stylekit.app.line import Place
from stylekit.transfer import Result, Step


@dataclasses.dataclass(frozen=True)
class Preview:
    """What a run has come to.

    Attributes
    ----------
    index, steps : int
        The step, and all of them.
    image : ndarray [H, W, 3]
    seconds : float
        Since the run began.
    """

    index: int
    steps: int
    image: np.ndarray
    seconds: float


class Job:
    """A run in a thread of its own; it is a callback of that run, which watches and stops it.

    Parameters
    ----------
    run : callable
        Given the job, it runs a transfer with it as a callback, and returns the result.
    place : Place
        Where the job waits for its turn, and what it leaves at its end.
    every : float
        Seconds between previews.

    Attributes
    ----------
    preview : Preview or None
        The newest.
    curve : list of (int, float)
        Steps, and the objective's value there, one for each preview.

    Examples
    --------
    >>> import stylekit as sk
    >>> def run(job):
    ...     return sk.stylize("a.jpg", "b.jpg", callbacks=[job])
    >>> job = Job(run, line.join("127.0.0.1"))  # doctest: +SKIP
    >>> job.ahead, job.preview.index  # doctest: +SKIP
    >>> job.result.save("out.png")  # doctest: +SKIP
    """

    def __init__(self, run: Callable[[Job], Result], place: Place, every: float = 0.5) -> None:
        self.preview: Preview | None = None
        self.curve: list[tuple[int, float]] = []
        self._every = number(every, "every", low=0)
        self._stop = threading.Event()
        self._last = -float("inf")
        self._place = place
        thread = ThreadPoolExecutor(1, thread_name_prefix="stylekit-job")
        self._future: Future[Result | None] = thread.submit(self._work, run)
        thread.shutdown(wait=False)

    @property
    def ahead(self) -> int:
        """How many runs have to end before this one begins."""
        return self._place.ahead

    @property
    def done(self) -> bool:
        """Whether the run has ended, or was stopped before it began."""
        return self._future.done()

    @property
    def result(self) -> Result | None:
        """The result, once the run has ended; None if it was stopped before it began.

        What the run raised is raised here.
        """
        return self._future.result()

    def stop(self) -> None:
        """End the run at its next step, with the image so far; or end its waiting."""
        self._stop.set()
        self._place.cancel()

    def __call__(self, step: Step) -> bool:
        """Note the image, if a preview is due; return whether the run is to stop."""
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            self.preview = Preview(step.index, step.steps, step.image, step.seconds)
            self.curve.append((step.index, float(np.mean(step.losses["total"]))))
        return self._stop.is_set()

    def _work(self, run: Callable[[Job], Result]) -> Result | None:
        try:
            return run(self) if self._place.begin() else None
        finally:
            self._place.leave()
