"""Runs functions on a Dask cluster: one task per worker at a time, checked and shipped once."""

from __future__ import annotations

import contextlib
import dataclasses
import pickle
import pkgutil
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, as_completed
from concurrent.futures import wait as _wait
from pathlib import Path
from typing import Any

from distributed import Client, KilledWorker, Worker, WorkerPlugin, get_worker

from stylekit._checks import InputTypeError, SetupError, StylekitError, absolute_paths, explain
from stylekit._version import __version__
from stylekit.batch.listing import Job
from stylekit.batch.work import HIDDEN, LOCK, Row, Work, finished, paint
from stylekit.transfer.lock import locked

PAUSE = 0.5
"""Seconds between two attempts to take a lock that another worker holds."""


class Shipped(WorkerPlugin):
    """A function that every worker of a cluster holds, also those that join later.

    Parameters
    ----------
    function : callable
        It is called for one task at a time, and may keep state between tasks.
    name : str, optional
        The plugin's name on the cluster. A plugin of the same name replaces this one. Default: a
        unique name.
    """

    def __init__(self, function: Callable[..., Any], name: str = "") -> None:
        self.function = function
        self.name = f"stylekit {name or uuid.uuid4().hex}"
        self.version = __version__
        self.problem: SetupError | None = None

    def setup(self, worker: Worker) -> None:
        """Check a worker when the function reaches it.

        Raises
        ------
        SetupError
            If the worker cannot take part. Each later task on this worker raises it, too.
        """
        self._alone = threading.Lock()
        try:
            self.check(worker)
        except SetupError as error:
            self.problem = error
            raise

    def check(self, worker: Worker) -> None:
        """Raise `SetupError` if the worker has another version of stylekit, or several threads."""
        if self.version != __version__:
            raise _other_version(worker.address, __version__, self.version)
        if worker.state.nthreads != 1:
            raise SetupError(
                explain(
                    f"the Dask worker {worker.address} would run several tasks at once",
                    expected="one thread per worker",
                    received=f"{worker.state.nthreads} threads",
                    hint="start it with --nthreads 1, or a local Client with "
                    "threads_per_worker=1: TensorFlow uses all processors for one picture",
                ),
                argument="client",
            )

    def __call__(self, *args: Any) -> Any:
        """Run a task."""
        if self.problem:
            raise self.problem
        with self._alone:
            return self.function(*args)


def _run(name: str, *args: Any) -> Any:
    """Run a task in a worker."""
    shipped: Any = get_worker().plugins.get(name)
    if shipped is None:
        raise _replaced()
    return shipped(*args)


class ClusterExecutor(Executor):
    """Runs functions on the workers of a Dask cluster.

    It differs from ``client.get_executor()`` in this: a function is sent to each worker once, and
    keeps its state there from task to task, such as a network and its traces; each worker has one
    task at a time, so that Dask counts a worker's death against the task that it was running and
    no other; and every worker is checked before its first task.

    Parameters
    ----------
    client : distributed.Client
        Of a cluster whose workers have one thread each, and the same version of stylekit.

    Raises
    ------
    InputTypeError
        If `client` is not a Dask client.
    SetupError
        If there are no workers, or one has another version of stylekit.

    Examples
    --------
    >>> import distributed
    >>> import stylekit as sk
    >>> client = distributed.Client(n_workers=2, threads_per_worker=1)  # doctest: +SKIP
    >>> with sk.batch.ClusterExecutor(client) as executor:  # doctest: +SKIP
    ...     sk.sweep("photo.jpg", "starry.jpg", {"strength": [0.3, 0.6]}, executor=executor)
    """

    def __init__(self, client: Client) -> None:
        if not isinstance(client, Client):
            raise InputTypeError(
                explain(
                    "`client` is not a Dask client",
                    expected="a distributed.Client",
                    received=type(client).__name__,
                ),
                argument="client",
            )
        _check_versions(client)
        self._client = client
        self._shipped: dict[Callable[..., Any], Shipped] = {}
        self._waiting: deque[tuple[Future, tuple[Any, ...]]] = deque()
        self._running: dict[Any, Future] = {}
        self._closed = False
        self._lock = threading.Lock()

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future:
        """Return the future of ``function(*args)``, which a worker computes.

        Parameters
        ----------
        function : callable
            It is sent to the workers once.
        *args
            Sent with the task.

        Returns
        -------
        concurrent.futures.Future
            Its exception is a `SetupError` if a worker cannot take part or the cluster is lost, and
            a plain `StylekitError` if several workers died while they ran the task.

        Raises
        ------
        InputTypeError
            If the function cannot be pickled.
        SetupError
            If a worker cannot take part.
        """
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if function not in self._shipped:
            shipped = function if isinstance(function, Shipped) else Shipped(function)
            self._shipped[function] = shipped
            _register(self._client, shipped)
        future: Future = Future()
        self._waiting.append((future, (self._shipped[function].name, *args)))
        self._fill()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more tasks, and remove the functions from the workers.

        Parameters
        ----------
        wait : bool
            Whether tasks are awaited first.
        cancel_futures : bool
            Whether tasks are cancelled first, also those that have begun.
        """
        with self._lock:
            self._closed = True
            waiting, running = [future for future, _ in self._waiting], dict(self._running)
        if cancel_futures:
            for future in waiting:
                future.cancel()
            self._client.cancel(list(running))
        if wait:
            _wait([*waiting, *running.values()])
        for shipped in self._shipped.values():
            with contextlib.suppress(ValueError, OSError):  # it was refused, or the cluster is lost
                self._client.unregister_worker_plugin(shipped.name)
        self._shipped.clear()

    def _fill(self) -> None:
        """Give each worker that is free a task."""
        with self._lock:
            try:
                free = max(1, len(self._client.nthreads())) - len(self._running)
                while self._waiting and free > 0:
                    future, args = self._waiting.popleft()
                    if future.set_running_or_notify_cancel():
                        task = self._client.submit(_run, *args, pure=False)
                        self._running[task] = future
                        task.add_done_callback(self._end)
                        free -= 1
            except Exception as error:  # the cluster is lost, for the tasks that wait, too
                while self._waiting:
                    future, _ = self._waiting.popleft()
                    if future.set_running_or_notify_cancel():
                        future.set_exception(_failed(error))

    def _end(self, task: Any) -> None:
        """Hand a task's outcome over, and its worker the next task."""
        with self._lock:
            future = self._running.pop(task)
        self._fill()
        try:
            future.set_result(task.result())
        except KilledWorker as error:
            message = explain(
                f"{error.allowed_failures + 1} workers died while they ran it",
                hint="read what the last one printed, and check whether memory ran out. The same "
                "call tries it again",
            )
            future.set_exception(StylekitError(message, argument="client"))
        except SetupError as error:
            future.set_exception(error)
        except Exception as error:  # the cluster is lost, or a worker cannot read what it is sent
            future.set_exception(_failed(error))


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
        They run in the workers.
    folder : pathlib.Path
        The folder of the batch, whose lock is held.

    Raises
    ------
    InputTypeError
        If `client` is not a Dask client, or something cannot be pickled.
    SetupError
        If a worker cannot take part, or the cluster is lost.
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
        Its network and traces are kept from picture to picture.
    callbacks : list of Callback or callable
    """

    def __init__(self, hidden: Path, work: Work, callbacks: list[Any]) -> None:
        super().__init__(self.paint, str(hidden.parent))
        self.hidden, self.work, self.callbacks = hidden, work, callbacks
        self.stopped = False

    def check(self, worker: Worker) -> None:
        """Raise `SetupError` if the worker does not see the folder either."""
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

        A worker that was lost may still be painting the picture: its lock is waited for.

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
            raise _replaced() from None

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
    """Return the row of a task that has ended, with its job as it was given."""
    try:
        row = future.result()
    except SetupError:
        raise
    except StylekitError as error:
        return Row(job, error=str(error))
    return dataclasses.replace(row, job=job)


def _register(client: Client, shipped: Shipped) -> None:
    """Send a function to each worker, also to those that join later."""
    try:
        client.register_plugin(shipped, name=shipped.name)
    except (TypeError, AttributeError, ImportError, pickle.PicklingError) as error:
        raise InputTypeError(
            explain(
                f"the recipe, the network, a callback or an option cannot be sent to the workers "
                f"({error})",
                expected="objects that can be pickled",
                hint="define them in a module that the workers can import, too",
            ),
            argument="client",
        ) from error


def _failed(error: Exception) -> SetupError:
    return SetupError(
        explain(
            f"the cluster failed ({type(error).__name__}: {error})",
            hint="read what its scheduler and workers print. The same call continues",
        ),
        argument="client",
    )


def _replaced() -> SetupError:
    return SetupError(
        explain(
            "another batch in the same folder has stopped this one", hint="wait until it has ended"
        ),
        argument="client",
    )


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
        absolute_paths(job.options),
    )
