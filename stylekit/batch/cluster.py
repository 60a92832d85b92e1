"""Many pictures on a Dask cluster: each worker paints one at a time, and keeps its network."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import pickle
import pkgutil
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from distributed import Client, KilledWorker, Worker, WorkerPlugin, as_completed, get_worker

from stylekit._checks import InputTypeError, SetupError, explain
from stylekit._version import __version__
from stylekit.batch.listing import Job
from stylekit.batch.work import HIDDEN, LOCK, Row, Work, finished, paint
from stylekit.transfer.lock import locked

PAUSE = 0.5
"""Seconds between two looks at a lock that another worker holds."""


def painted(
    client: Client, jobs: Mapping[int, Job], work: Work, callbacks: Iterable[Any], folder: Path
) -> Generator[tuple[int, Row]]:
    """Paint jobs on a cluster; yield each one's number and row when it has ended.

    There are never more pictures on the cluster than it has workers: Dask blames whatever waits at
    a worker for that worker's death. When the generator is closed, the pictures that are being
    painted stop after a step, and their checkpoints stay.

    Parameters
    ----------
    client : distributed.Client
    jobs : mapping of int to Job
    work : Work
        It is sent to each worker once.
    callbacks : iterable of Callback or callable
        They see the steps in the workers.
    folder : pathlib.Path
        Of the batch, whose lock is held.

    Raises
    ------
    InputTypeError
        If `client` is not a Dask client, or something cannot be pickled.
    SetupError
        If a worker cannot take part, or the cluster is lost.
    """
    if not isinstance(client, Client):
        raise InputTypeError(
            explain(
                "`client` is not a client of Dask",
                expected="a distributed.Client",
                received=type(client).__name__,
            ),
            argument="client",
        )
    _check_versions(client)
    folder = folder.absolute()
    name = f"stylekit {folder}"  # another batch on the same folder takes the place of this one
    work = dataclasses.replace(work, options=_absolute(work.options))
    waiting, futures = iter(jobs.items()), {}
    running = as_completed()

    def fill() -> None:
        free = max(1, len(client.nthreads())) - running.count()
        for index, job in itertools.islice(waiting, max(0, free)):
            future = client.submit(_paint, name, _anywhere(job), pure=False)
            futures[future] = index
            running.add(future)

    try:
        _register(client, Painter(folder / HIDDEN, work, list(callbacks)), name)
        fill()
        for future in running:
            index = futures.pop(future)
            row = _row(future, jobs[index])
            if row is None:
                raise SetupError(
                    explain(
                        "another batch on the same folder has stopped this one",
                        hint="wait until that has ended",
                    ),
                    argument="client",
                )
            yield index, row
            fill()
    finally:
        client.cancel(list(futures))
        with contextlib.suppress(ValueError, OSError):  # it was refused, or the cluster is lost
            client.unregister_worker_plugin(name)


def _register(client: Client, painter: Painter, name: str) -> None:
    """Send what the pictures have in common to each worker, also to those that come later."""
    try:
        client.register_plugin(painter, name=name)
    except (TypeError, AttributeError, ImportError, pickle.PicklingError) as error:
        raise InputTypeError(
            explain(
                f"the batch cannot be sent to the workers ({error})",
                expected="a recipe, a network, callbacks and options that can be pickled",
                hint="define them in a module that the workers can import, too",
            ),
            argument="client",
        ) from error


class Painter(WorkerPlugin):
    """What a worker has of a batch.

    Parameters
    ----------
    hidden : pathlib.Path
        The hidden folder of the batch.
    work : Work
        With the network and the traces, which stay from picture to picture.
    callbacks : list of Callback or callable
    """

    def __init__(self, hidden: Path, work: Work, callbacks: list[Any]) -> None:
        self.hidden, self.work, self.callbacks = hidden, work, callbacks
        self.version = __version__
        self.problem: SetupError | None = None
        self.stopped = False

    def setup(self, worker: Worker) -> None:
        """Begin on a worker, also on one that joins later.

        Raises
        ------
        SetupError
            If the worker cannot take part. The client raises it, at the latest with the first task.
        """
        self._alone = threading.Lock()
        try:
            self._check(worker)
        except SetupError as error:
            self.problem = error
            raise

    def teardown(self, worker: Worker) -> None:
        """End: the picture that is being painted stops after the step that is being taken."""
        self.stopped = True

    def paint(self, job: Job) -> Row | None:
        """Paint a picture; return its row, or None if the batch was ended before it.

        A worker that was lost may still be painting it. Its lock is waited for.
        """
        if self.problem:
            raise self.problem
        try:
            with self._alone, self._locked(self.hidden / f"{job.output.name}.lock"):
                callbacks = [self._stop, *self.callbacks]
                return finished(job, self.work) or paint(job, self.work, callbacks)
        except KeyboardInterrupt:
            return None

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

    def _check(self, worker: Worker) -> None:
        if self.version != __version__:
            raise _other_version(worker.address, __version__, self.version)
        if worker.state.nthreads != 1:
            raise SetupError(
                explain(
                    f"the Dask worker {worker.address} paints several pictures at once",
                    expected="one thread a worker",
                    received=f"{worker.state.nthreads} threads",
                    hint="start it with --nthreads 1, or a local Client with "
                    "threads_per_worker=1: TensorFlow uses all processors for one picture",
                ),
                argument="client",
            )
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


def _paint(name: str, job: Job) -> Row | None:
    painter: Any = get_worker().plugins.get(name)
    return painter and painter.paint(job)


def _row(future: Any, job: Job) -> Row | None:
    """Return the row of a task that has ended, with its job as it was given."""
    try:
        row = future.result()
    except KilledWorker as error:
        message = explain(
            f"{error.allowed_failures + 1} workers died while they painted it",
            hint="see what the last one said, and whether the memory sufficed; started again, the "
            "batch tries it again",
        )
        return Row(job, error=message)
    except SetupError:
        raise
    except Exception as error:  # the cluster is lost, or a worker cannot read what it is sent
        raise SetupError(
            explain(
                f"the cluster failed ({type(error).__name__}: {error})",
                hint="see what its scheduler and workers say; started again, the batch goes on",
            ),
            argument="client",
        ) from error
    return row and dataclasses.replace(row, job=job)


def _check_versions(client: Client) -> None:
    """Raise `SetupError` if there are no workers, or one has another version of stylekit."""
    # Of the standard library: a worker can be asked for what it cannot import.
    place = "stylekit._version:__version__"
    versions = client.run(pkgutil.resolve_name, place, on_error="return")
    if not versions:
        raise SetupError(
            explain("the cluster has no workers", hint="start some with: dask worker ADDRESS"),
            argument="client",
        )
    for address, version in versions.items():
        if version != __version__:
            raise _other_version(address, version, __version__)


def _other_version(address: str, version: Any, own: str) -> SetupError:
    if isinstance(version, Exception):
        version = f"none that can be imported ({version})"
    return SetupError(
        explain(
            f"the Dask worker {address} has another stylekit",
            expected=f"version {own}, as here",
            received=version,
            hint=f"run pip install 'stylekit-nst[batch]=={own}' in the worker's environment, and "
            "start it again",
        ),
        argument="client",
    )


def _anywhere(job: Job) -> Job:
    """Return a job that means the same to a worker with another working folder."""
    return Job(
        job.content.absolute(),
        job.style.absolute(),
        job.output.absolute(),
        _absolute(job.options),
    )


def _absolute(value: Any) -> Any:
    if isinstance(value, str | os.PathLike) and os.path.isfile(value):
        return Path(value).absolute()
    if isinstance(value, Mapping):
        return {key: _absolute(one) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_absolute, value))
    return value
