"""A run beside the page: what it has come to, and a way to stop it.

Gradio's queue decides when a run begins. It shows what a generator yields, and can only abandon
one, whose image would be lost: a transfer reports to a callback, and ends with its image so far.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from stylekit._checks import number
from stylekit.transfer import Result, Step


@dataclasses.dataclass(frozen=True)
class Preview:
    """What a run has come to.

    Attributes
    ----------
    index, steps : int
        The step, and all of them.
    image : ndarray [H, W, 3]
    total : float
        The objective's value there.
    seconds : float
        Since the run began.
    """

    index: int
    steps: int
    image: np.ndarray
    total: float
    seconds: float


class Job:
    """A run in a thread of its own; it is a callback of that run, which watches and stops it.

    Parameters
    ----------
    run : callable
        Given the job, it runs a transfer with it as a callback, and returns the result.
    every : float
        Seconds between previews.

    Examples
    --------
    >>> import stylekit as sk
    >>> job = Job(lambda job: sk.stylize("a.jpg", "b.jpg", callbacks=[job]))  # doctest: +SKIP
    >>> for preview in job:  # doctest: +SKIP
    ...     print(preview.index, preview.total)
    >>> job.result.save("out.png")  # doctest: +SKIP
    """

    def __init__(self, run: Callable[[Job], Result], every: float = 0.5) -> None:
        self._every = number(every, "every", low=0)
        self._stop = threading.Event()
        self._last = -float("inf")
        self._previews: queue.SimpleQueue[Preview | None] = queue.SimpleQueue()
        thread = ThreadPoolExecutor(1, thread_name_prefix="stylekit-job")
        self._future: Future[Result] = thread.submit(run, self)
        self._future.add_done_callback(lambda _: self._previews.put(None))
        thread.shutdown(wait=False)

    def __iter__(self) -> Iterator[Preview]:
        """Yield previews, the newest where several wait, until the run has ended.

        Left early, it stops the run.
        """
        try:
            while (preview := self._previews.get()) is not None:
                while not self._previews.empty():
                    later = self._previews.get()
                    if later is None:
                        yield preview
                        return
                    preview = later
                yield preview
        finally:
            self.stop()

    @property
    def done(self) -> bool:
        """Whether the run has ended."""
        return self._future.done()

    @property
    def result(self) -> Result:
        """The result, once the run has ended; what the run raised is raised here."""
        return self._future.result()

    def stop(self) -> None:
        """End the run at its next step; its result is the image so far."""
        self._stop.set()

    def __call__(self, step: Step) -> bool:
        """Note the image, if a preview is due; return whether the run is to stop."""
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            total = float(np.mean(step.losses["total"]))
            self._previews.put(Preview(step.index, step.steps, step.image, total, step.seconds))
        return self._stop.is_set()
