"""Paints the pictures of a batch on a Dask cluster."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, as_completed
from pathlib import Path
from typing import Any

from distributed import Client, Worker

from stylekit._checks import SetupError, StylekitError, absolute_paths, explain
from stylekit.batch.executor import ClusterExecutor
from stylekit.batch.listing import Job
from stylekit.batch.shipped import Shipped, replaced
from stylekit.batch.work import HIDDEN, LOCK, Row, Work, finished, paint
from stylekit.transfer.lock import locked

PAUSE = 0.5
"""Seconds between two attempts to take a lock that another worker holds."""


def painted(
    client: Client, jobs: Mapping[int, Job], work: Work, callbacks: Iterable[Any], folder: Path
) -> Generator[tuple[int, Row]]:
    """Paint jobs on a cluster; yield each job's number and row when it has ended.

    When the generator is closed, the pictures that are being painted stop after the current step,
    and their checkpoints stay.

    Parameters
    ----------
    client : distributed.Client
    jobs : mapping of int to Job
    work : Work
        Sent to each worker once.
    callbacks : iterable of Callback or callable
        The callbacks run in the workers.
    folder : pathlib.Path
        The folder of the batch, which the caller has locked.

    Raises
    ------
    InputTypeError
        If `client` is not a Dask client, or the work or a callback cannot be pickled.
    SetupError
        If a worker cannot be used, or the cluster is lost.
    """
    folder = folder.absolute()
    work = dataclasses.replace(work, options=absolute_paths(work.options))
    painter = Painter(folder / HIDDEN, work, list(callbacks))
    executor = ClusterExecutor(client)
    try:
        futures = {executor.submit(painter, _anywhere(job)): k for k, job in jobs.items()}
        for future in as_completed(futures):
            index = futures[future]
            yield index, _row(future, jobs[index])
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


class Painter(Shipped):
    """Paints pictures of a batch in a worker.

    Parameters
    ----------
    hidden : pathlib.Path
        The hidden folder of the batch. Another batch in the same folder replaces this one.
    work : Work
        The recipe and options of the batch. The network and traces are kept from picture to
        picture.
    callbacks : list of Callback or callable
    """

    def __init__(self, hidden: Path, work: Work, callbacks: list[Any]) -> None:
        super().__init__(self.paint, str(hidden.parent))
        self.hidden, self.work, self.callbacks = hidden, work, callbacks
        self.stopped = False

    def check(self, worker: Worker) -> None:
        """Raise `SetupError` if the worker cannot be used, or does not see the folder."""
        super().check(worker)
        if not (self.hidden / LOCK).exists():
            raise SetupError(
                explain(
                    f"the Dask worker {worker.address} does not see the folder "
                    f"{self.hidden.parent}",
                    expected="a folder that all machines share, under the same path",
                    hint="mount it there",
                ),
                argument="client",
            )

    def teardown(self, worker: Worker) -> None:
        """Stop the picture that is being painted, after the current step."""
        self.stopped = True

    def paint(self, job: Job) -> Row:
        """Paint a picture and return its row.

        A worker that has lost its connection may still be painting the picture. The method waits
        until that worker releases its lock.

        Raises
        ------
        SetupError
            If the batch was stopped.
        """
        try:
            with self._locked(self.hidden / f"{job.output.name}.lock"):
                callbacks = [self._stop, *self.callbacks]
                return finished(job, self.work) or paint(job, self.work, callbacks)
        except KeyboardInterrupt:
            raise replaced() from None

    @contextlib.contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        with contextlib.ExitStack() as held:
            while True:
                self._stop()
                with contextlib.suppress(BlockingIOError):
                    held.enter_context(locked(path))
                    break
                time.sleep(PAUSE)
            yield

    def _stop(self, *_: Any) -> None:
        if self.stopped:
            raise KeyboardInterrupt


def _row(future: Future, job: Job) -> Row:
    """Return the row of a task that has ended, with the original job."""
    try:
        row = future.result()
    except SetupError:
        raise
    except StylekitError as error:
        return Row(job, error=str(error))
    return dataclasses.replace(row, job=job)


def _anywhere(job: Job) -> Job:
    """Return a job that is valid in a worker with a different working folder."""
    return Job(
        job.content.absolute(),
        job.style.absolute(),
        job.output.absolute(),
        absolute_paths(job.options),
    )
